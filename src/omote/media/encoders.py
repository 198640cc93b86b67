"""The encoders that a film can be written with, and how `--quality` and `--preset` reach each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
from av.codec.codec import Codec, PixFmtLoss, UnknownCodecError, find_best_pix_fmt_of_list
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat

from omote.errors import UsageError
from omote.media import colour
from omote.media.types import MediaInfo

PRESETS: Final = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)

_QSCALE_UNIT = 118  # libav's lambda per step of a quantiser scale (FF_QP2LAMBDA)


@dataclass(frozen=True)
class Encoder:
    """One way of encoding a film.

    `name` is what `--codec` takes, `codec` libav's name, `family` the format that it writes. `scale` holds the
    encoder's own quality number for quality 0, for quality 100 and for the visually lossless default.
    `presets` are its own words for the nine PRESETS. `even` says that subsampled pictures need even sides.
    """

    name: str
    codec: str
    family: str
    title: str
    scale: tuple[float, float, float]
    quality_options: Callable[[float], dict[str, str]]
    preset_option: str | None = None
    presets: tuple[str, ...] = PRESETS
    default_preset: str | None = None
    fixed: tuple[tuple[str, str], ...] = ()
    even: bool = True
    qscale: bool = False
    hardware: bool = False

    def level(self, quality: float | None) -> float:
        """The encoder's own quality number for a quality of 0..100, or for the default."""
        worst, best, default = self.scale
        return default if quality is None else worst + (best - worst) * quality / 100

    def options(self, quality: float | None, preset: str | None) -> dict[str, str]:
        """Libav options. Raises UsageError for a quality outside 0..100 or an unknown preset."""
        if quality is not None and not 0 <= quality <= 100:
            raise UsageError(f"--quality must be between 0 and 100, got {quality:g}")
        options = dict(self.fixed) | self.quality_options(self.level(quality))
        chosen = preset or self.default_preset
        if preset is not None and preset not in PRESETS:
            raise UsageError(f"unknown preset '{preset}'; choose one of {', '.join(PRESETS)}")
        if chosen is not None and self.preset_option is not None:
            options[self.preset_option] = self.presets[PRESETS.index(chosen)]
        return options

    def formats(self) -> list[str]:
        """Names of the pixel formats in main memory that the encoder takes."""
        names = [f.name for f in Codec(self.codec, "w").video_formats or ()]
        return [n for n in names if VideoFormat(n).components]


def _crf(level: float) -> dict[str, str]:
    return {"crf": f"{level:.1f}"}


def _crf_step(level: float) -> dict[str, str]:
    return {"crf": f"{level:.0f}"}


def _vp9(level: float) -> dict[str, str]:
    return {"crf": f"{level:.0f}", "b": "0"}


def _nvenc(level: float) -> dict[str, str]:
    return {"rc": "vbr", "cq": f"{level:.0f}", "b": "0"}


def _qsv(level: float) -> dict[str, str]:
    return {"global_quality": f"{level:.0f}"}


def _amf(level: float) -> dict[str, str]:
    return {"rc": "cqp", "qp_i": f"{level:.0f}", "qp_p": f"{level:.0f}", "qp_b": f"{level:.0f}"}


def _none(level: float) -> dict[str, str]:
    return {}


_NVENC_PRESETS = ("p1", "p1", "p2", "p3", "p4", "p4", "p5", "p6", "p7")
_QSV_PRESETS = ("veryfast", "veryfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_AMF_PRESETS = ("speed",) * 4 + ("balanced",) * 2 + ("quality",) * 3
_VP9_SPEEDS = ("8", "7", "6", "5", "4", "3", "2", "1", "0")
_AV1_SPEEDS = ("13", "12", "11", "10", "9", "8", "6", "4", "2")


def _hardware() -> list[Encoder]:
    rows = []
    for family, title in (("h264", "H.264"), ("hevc", "HEVC"), ("av1", "AV1")):
        worst = 63.0 if family == "av1" else 51.0
        rows += [
            Encoder(
                f"{family}_nvenc", f"{family}_nvenc", family, f"{title} on NVIDIA", (worst, 1, 19), _nvenc,
                "preset", _NVENC_PRESETS, "medium", hardware=True,
            ),
            Encoder(
                f"{family}_qsv", f"{family}_qsv", family, f"{title} on Intel", (51, 1, 18), _qsv,
                "preset", _QSV_PRESETS, "medium", hardware=True,
            ),
            Encoder(
                f"{family}_amf", f"{family}_amf", family, f"{title} on AMD", (51, 0, 18), _amf,
                "quality", _AMF_PRESETS, "medium", hardware=True,
            ),
        ]  # fmt: skip
        if family != "av1":
            rows.append(
                Encoder(
                    f"{family}_videotoolbox", f"{family}_videotoolbox", family, f"{title} on Apple",
                    (1, 100, 75), _none, qscale=True, hardware=True,
                )
            )  # fmt: skip
    return rows


_ALL = [
    Encoder("x264", "libx264", "h264", "H.264", (51, 0, 16), _crf, "preset", PRESETS, "veryfast"),
    Encoder(
        "x265", "libx265", "hevc", "HEVC", (51, 0, 18), _crf, "preset", PRESETS, "superfast",
        fixed=(("x265-params", "log-level=none"),),
    ),
    Encoder(
        "vp9", "libvpx-vp9", "vp9", "VP9", (63, 0, 20), _vp9, "cpu-used", _VP9_SPEEDS, "faster",
        fixed=(("deadline", "good"), ("row-mt", "1"), ("lag-in-frames", "16")), even=False,
    ),
    Encoder(
        "av1", "libsvtav1", "av1", "AV1", (63, 1, 20), _crf_step, "preset", _AV1_SPEEDS, "faster", even=False,
    ),
    Encoder("prores", "prores_ks", "prores", "ProRes", (32, 1, 4), _none, qscale=True),
    Encoder("ffv1", "ffv1", "ffv1", "FFV1, lossless", (0, 0, 0), _none,
            fixed=(("level", "3"), ("slicecrc", "1"), ("slices", "4")), even=False),
    Encoder("mpeg4", "mpeg4", "mpeg4", "MPEG-4 part 2", (31, 1, 2), _none, qscale=True, even=False),
    Encoder("mjpeg", "mjpeg", "mjpeg", "Motion JPEG", (31, 1, 2), _none, qscale=True, even=False),
    *_hardware(),
]  # fmt: skip

ENCODERS: Final[dict[str, Encoder]] = {e.name: e for e in _ALL}


def encoder(name: str) -> Encoder:
    """The encoder of that `--codec` name; libav's own name and the family's name do as well."""
    key = name.lower()
    if key in ENCODERS:
        return ENCODERS[key]
    for entry in _ALL:
        if key in (entry.codec, entry.family):
            return entry
    raise UsageError(f"unknown codec '{name}'; choose one of {', '.join(ENCODERS)}")


def opens(entry: Encoder) -> bool:
    """True if the encoder is built in and, for hardware, really there: it is opened once on a small picture."""
    try:
        context = CodecContext.create(entry.codec, "w")
    except (UnknownCodecError, ValueError):
        return False
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = 256, 256
    context.pix_fmt = entry.formats()[0]
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    try:
        context.open()
    except (av.error.FFmpegError, OSError, ValueError):
        return False
    return True


def available_encoders() -> tuple[Encoder, ...]:
    """The encoders that open on this machine, software first. Opens each of them: takes some tenths of a second."""
    return tuple(entry for entry in _ALL if opens(entry))


@dataclass(frozen=True)
class PixelFormat:
    """The pixel format to encode in, and what of the source it cannot hold (in words)."""

    name: str
    lost: tuple[str, ...]


def pixel_format(entry: Encoder, info: MediaInfo) -> PixelFormat:
    """The encoder's format nearest to the source's: same depth, subsampling and alpha where it can.

    A picture with odd sides in an encoder that wants even ones for subsampled chroma gets a 4:4:4 format:
    nothing is cropped or padded.
    """
    formats = entry.formats()
    source = info.pixel_format
    if info.extra.get("animation"):  # plays everywhere, as RGB or 4:4:4 would not
        source = "yuva420p" if info.alpha else "yuv420p"
    elif source.startswith("yuvj") and source not in formats:
        source = source.replace("yuvj", "yuv")
    if entry.even:
        formats = [f for f in formats if _fits(f, info.width, info.height)] or formats
    if source in formats:
        return PixelFormat(source, ())
    limited = [f for f in formats if not f.startswith("yuvj")]
    if not VideoFormat(source).is_rgb:
        limited = [f for f in limited if not VideoFormat(f).is_rgb] or limited
    best, loss = find_best_pix_fmt_of_list(limited or formats, source, has_alpha=info.alpha)
    name = (limited or formats)[0] if best is None else best.name
    lost = []
    if loss & PixFmtLoss.DEPTH and colour.depth(name) < colour.depth(source):
        lost.append(f"{colour.depth(source)} bits become {colour.depth(name)}")
    if loss & PixFmtLoss.RESOLUTION:
        lost.append(f"chroma is subsampled ({source} becomes {name})")
    if info.alpha and not colour.has_alpha(name):
        lost.append("transparency is lost")
    return PixelFormat(name, tuple(lost))


def _fits(name: str, width: int, height: int) -> bool:
    """True if a picture's sides are multiples of what the format's chroma needs."""
    fmt = VideoFormat(name, 64, 64)
    return width % (64 // fmt.chroma_width(64)) == 0 and height % (64 // fmt.chroma_height(64)) == 0
