"""The encoders that a film can be written with, and how `--quality` and `--preset` reach each of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.codec.codec import Codec, PixFmtLoss, find_best_pix_fmt_of_list
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat

from omote.errors import UsageError
from omote.media import colour
from omote.media.types import MediaInfo

_LAMBDA = 118  # libav's quality units for one step of a quantiser scale (FF_QP2LAMBDA)

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


Options = dict[str, str]


def _one(option: str) -> Callable[[float], Options]:
    """A quality that is one option."""
    return lambda level: {option: f"{level:g}"}


def _none(level: float) -> Options:
    return {}


def _words(option: str, words: Sequence[str] = PRESETS) -> Callable[[int], Options]:
    """Presets that are nine values of one option."""
    return lambda speed: {option: words[speed]}


@dataclass(frozen=True)
class Encoder:
    """One way of encoding a film.

    `name` is what `--codec` takes, `codec` libav's name, `family` the format that it writes, `title` the same
    for people. `scale` holds the encoder's own quality number for quality 0, for quality 100 and for the
    visually lossless default; `quality` turns such a number into options. `preset` turns an index into
    PRESETS into options; `speed` is the default one. `even` says that subsampled pictures need even sides. A
    `qscale` above 0 says that the quality is libav's quantiser scale and no option, in units of that many.
    `avoid` are beginnings of pixel format names that it offers but that do not come back from its files.
    """

    name: str
    codec: str
    family: str
    title: str
    scale: tuple[float, float, float]
    quality: Callable[[float], Options] = _none
    preset: Callable[[int], Options] | None = None
    speed: str = "medium"
    fixed: tuple[tuple[str, str], ...] = ()
    even: bool = True
    qscale: int = 0
    avoid: tuple[str, ...] = ()
    hardware: bool = False

    def level(self, quality: float | None) -> float:
        """The encoder's own quality number for a quality of 0..100; the default's for None."""
        if quality is not None and not 0 <= quality <= 100:
            raise UsageError(f"--quality must be between 0 and 100, got {quality:g}")
        worst, best, default = self.scale
        return default if quality is None else round(worst + (best - worst) * quality / 100)

    def options(self, quality: float | None, preset: str | None) -> Options:
        """Libav options. Raises UsageError for a quality outside 0..100 or an unknown preset."""
        options = dict(self.fixed) | self.quality(self.level(quality))
        if preset is not None and preset not in PRESETS:
            raise UsageError(f"unknown preset '{preset}'; choose one of {', '.join(PRESETS)}")
        if self.preset is not None:
            options |= self.preset(PRESETS.index(preset or self.speed))
        return options

    def formats(self) -> list[str]:
        """Names of the pixel formats in main memory that the encoder takes."""
        names = [f.name for f in Codec(self.codec, "w").video_formats or ()]
        return [n for n in names if VideoFormat(n).components and not n.startswith(self.avoid)]


def _vp9_speed(speed: int) -> Options:
    if speed < 4:  # "good" is at its fastest three times slower than this
        return {"deadline": "realtime", "cpu-used": str(8 - speed), "lag-in-frames": "0"}
    return {"deadline": "good", "cpu-used": str(8 - speed), "lag-in-frames": "16"}


def _nvenc(level: float) -> Options:
    return {"rc": "vbr", "cq": f"{level:g}", "b": "0"}


def _amf(level: float) -> Options:
    return {"rc": "cqp", "qp_i": f"{level:g}", "qp_p": f"{level:g}", "qp_b": f"{level:g}"}


_AV1_SPEEDS = ("13", "12", "11", "10", "9", "8", "6", "4", "2")
_NVENC_SPEEDS = ("p1", "p1", "p2", "p3", "p4", "p4", "p5", "p6", "p7")
_QSV_SPEEDS = ("veryfast", "veryfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_AMF_SPEEDS = ("speed",) * 4 + ("balanced",) * 2 + ("quality",) * 3

_SOFTWARE = (
    Encoder(
        "x264",
        "libx264",
        "h264",
        "H.264",
        (51, 0, 17),
        _one("crf"),
        _words("preset"),
        "veryfast",
        # Without cpu-independent the same frames give other bits from run to run on processors with AVX-512.
        # B frames are coded more coarsely than what they lie between, so that still skin changes its colour
        # from frame to frame, twice as much as in the source (docs/people.md).
        fixed=(("x264-params", "cpu-independent=1:bframes=0"),),
        avoid=("gray",),
    ),
    Encoder(
        "x265",
        "libx265",
        "hevc",
        "HEVC",
        (51, 0, 16),
        _one("crf"),
        _words("preset"),
        "superfast",
        fixed=(("x265-params", "log-level=none"),),
        avoid=("gbr", "yuva", "gray"),
    ),
    Encoder(
        "vp9",
        "libvpx-vp9",
        "vp9",
        "VP9",
        (63, 0, 16),
        _one("crf"),
        _vp9_speed,
        "veryfast",
        fixed=(("b", "0"), ("row-mt", "1")),
        even=False,
        avoid=("gbr", "yuva422", "yuva444", "yuv440"),
    ),
    Encoder(
        "av1",
        "libsvtav1",
        "av1",
        "AV1",
        (63, 4, 16),  # below 2 it may write what no decoder takes
        _one("crf"),
        _words("preset", _AV1_SPEEDS),
        "fast",
        even=False,
    ),
    Encoder("prores", "prores_ks", "prores", "ProRes", (32, 1, 3), qscale=1),
    Encoder(
        "ffv1",
        "ffv1",
        "ffv1",
        "FFV1, lossless",
        (0, 0, 0),
        fixed=(("level", "3"), ("slicecrc", "1"), ("slices", "4")),
        even=False,
    ),
    Encoder("mpeg4", "mpeg4", "mpeg4", "MPEG-4 part 2", (31, 1, 2), qscale=_LAMBDA, even=False),
    Encoder("mjpeg", "mjpeg", "mjpeg", "Motion JPEG", (31, 1, 2), qscale=_LAMBDA, even=False),
)


def _hardware(family: str, title: str) -> tuple[Encoder, ...]:
    """The encoders in graphics hardware for one family."""
    worst = 63 if family == "av1" else 51
    nvenc, qsv, amf, apple = (f"{family}_{maker}" for maker in ("nvenc", "qsv", "amf", "videotoolbox"))
    return (
        Encoder(
            nvenc,
            nvenc,
            family,
            f"{title} on NVIDIA",
            (worst, 1, 19),
            _nvenc,
            _words("preset", _NVENC_SPEEDS),
            hardware=True,
        ),
        Encoder(
            qsv,
            qsv,
            family,
            f"{title} on Intel",
            (51, 1, 18),
            _one("global_quality"),
            _words("preset", _QSV_SPEEDS),
            hardware=True,
        ),
        Encoder(
            amf,
            amf,
            family,
            f"{title} on AMD",
            (51, 0, 18),
            _amf,
            _words("quality", _AMF_SPEEDS),
            hardware=True,
        ),
        Encoder(apple, apple, family, f"{title} on Apple", (1, 100, 75), qscale=_LAMBDA, hardware=True),
    )


_ALL = (
    *_SOFTWARE,
    *_hardware("h264", "H.264"),
    *_hardware("hevc", "HEVC"),
    *_hardware("av1", "AV1"),
)

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
    """True if the encoder is built in and, for hardware, there: it is opened once on a small picture."""
    try:
        context = CodecContext.create(entry.codec, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = 256, 256
        context.pix_fmt = entry.formats()[0]
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        configure(context, entry, entry.options(None, None), None)
        context.open()
        after_opening(entry)
    except (av.error.FFmpegError, OSError, ValueError):
        return False
    return True


def configure(context: VideoCodecContext, entry: Encoder, options: Options, quality: float | None) -> None:
    """Give an encoder's context its options, still to be opened."""
    context.options = options
    if entry.qscale:
        context.qscale = True
        context.global_quality = round(entry.level(quality) * entry.qscale)
        if entry.qscale == _LAMBDA and not entry.hardware:  # these look at each frame's own number otherwise
            context.qmin = context.qmax = round(entry.level(quality))
            context.qscale = False
    before_opening(entry)


def before_opening(entry: Encoder) -> None:
    """Keep an encoder from printing to the terminal; to be called before the first one of its kind is opened.

    SVT-AV1 prints its settings, whatever the log level, unless the environment forbids; it looks there once.
    """
    if entry.codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")


def after_opening(entry: Encoder) -> None:
    """Undo what an encoder does to the whole process; to be called once it is open.

    SVT-AV1, run by root, gives this process and its threads the highest real-time priority, for ever: then
    nothing else on the machine gets a turn while it works.
    """
    if entry.codec != "libsvtav1" or not hasattr(os, "sched_setscheduler"):
        return
    for thread in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):  # it has ended, or may not be changed
            if os.sched_getscheduler(int(thread.name)) != os.SCHED_OTHER:
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


def available_encoders() -> tuple[Encoder, ...]:
    """The encoders that open on this machine, software first; trying them takes some tenths of a second."""
    return tuple(entry for entry in _ALL if opens(entry))


@dataclass(frozen=True)
class PixelFormat:
    """The pixel format to encode in, and what of the source it cannot hold (in words)."""

    name: str
    lost: tuple[str, ...] = ()
    shallower: bool = False


def pixel_format(entry: Encoder, info: MediaInfo, *, alpha: bool = True) -> PixelFormat:
    """The encoder's format nearest to the source's: same depth, subsampling and alpha where it can.

    A picture with odd sides in an encoder that wants even ones for subsampled chroma gets a 4:4:4 format:
    nothing is cropped or padded. With `alpha` False, formats with transparency are left out: the container
    has no room for it.
    """
    formats = [f for f in entry.formats() if alpha or not colour.has_alpha(f)]
    source = info.pixel_format
    if info.extra.get("animation"):  # plays everywhere, as RGB or 4:4:4 would not
        source = "yuva420p" if info.alpha else "yuv420p"
    elif source.startswith("yuvj") and source not in formats:
        source = source.replace("yuvj", "yuv")
    if entry.family == "mjpeg":
        formats = [f for f in formats if f.startswith("yuvj")]
    if entry.even:
        formats = [f for f in formats if _fits(f, info.width, info.height)] or formats
    if source in formats:
        return PixelFormat(source)
    limited = [f for f in formats if not f.startswith("yuvj")]
    if not VideoFormat(source).is_rgb:
        limited = [f for f in limited if not VideoFormat(f).is_rgb] or limited
    best, loss = find_best_pix_fmt_of_list(limited or formats, source, has_alpha=info.alpha)
    name = (limited or formats)[0] if best is None else best.name
    lost = []
    shallower = colour.depth(name) < colour.depth(source)
    if shallower:
        lost.append(f"{colour.depth(source)} bits become {colour.depth(name)}")
    if loss & PixFmtLoss.RESOLUTION:
        lost.append(f"chroma is subsampled ({source} becomes {name})")
    if info.alpha and not colour.has_alpha(name):
        lost.append("transparency is lost")
    return PixelFormat(name, tuple(lost), shallower)


def _fits(name: str, width: int, height: int) -> bool:
    """True if a picture's sides are multiples of what the format's chroma needs."""
    fmt = VideoFormat(name, 64, 64)
    return width % (64 // fmt.chroma_width(64)) == 0 and height % (64 // fmt.chroma_height(64)) == 0
