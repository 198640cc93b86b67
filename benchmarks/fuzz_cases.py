"""Small media files of every kind that Omote reads, and ways to damage them; see `fuzz.py`."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container.output import OutputContainer
from av.packet import Packet
from PIL import Image

from omote.media.encoders import ENCODERS, after_opening, before_opening
from omote.trust.credentials import sign_file
from omote.trust.statement import BoundMark, GateState, SourceType, Statement, UsedNetwork

LARGEST = 20_000
"""Bytes of a file that is worth damaging: in larger ones most damage hits pixels."""
_NUMBERS = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)

Seeds = dict[str, bytes]


def picture_seeds() -> Seeds:
    """A small file of every kind of picture that Omote reads."""
    y, x = np.mgrid[:24, :32]
    pixels = np.stack([x * 8, y * 10, (x * y) % 256], axis=2).astype(np.uint8)
    colour = Image.fromarray(pixels)
    clear = colour.copy()
    clear.putalpha(Image.fromarray((x * 8).astype(np.uint8)))
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    moving = [Image.fromarray(np.roll(pixels, step, 1)) for step in range(4)]

    def saved(image: Image.Image, kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    animation = {"save_all": True, "append_images": moving[1:], "duration": 40}
    return {
        "baseline.jpg": saved(colour, "JPEG", exif=exif),
        "progressive.jpg": saved(colour, "JPEG", progressive=True),
        "cmyk.jpg": saved(colour.convert("CMYK"), "JPEG"),
        "rgb.png": saved(colour, "PNG"),
        "rgba.png": saved(clear, "PNG"),
        "deep.png": saved(deep, "PNG"),
        "palette.png": saved(colour.quantize(16), "PNG"),
        "lossy.webp": saved(colour, "WEBP"),
        "lossless.webp": saved(clear, "WEBP", lossless=True),
        "plain.tif": saved(colour, "TIFF"),
        "lzw.tif": saved(colour, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": saved(colour, "TIFF", compression="jpeg"),
        "deep.tif": saved(deep, "TIFF", compression="tiff_adobe_deflate"),
        "bitmap.bmp": saved(colour, "BMP"),
        "still.avif": saved(colour, "AVIF"),
        "colour.jp2": saved(colour, "JPEG2000"),
        "deep.jp2": saved(deep, "JPEG2000"),
        "stream.j2k": saved(colour, "JPEG2000", no_jp2=True),
        "map.ppm": saved(colour, "PPM"),
        "deep.pgm": b"P5 32 24 65535\n" + bytes(2 * 32 * 24),
        "moving.gif": saved(moving[0], "GIF", loop=0, **animation),
        "moving.webp": saved(moving[0], "WEBP", **animation),
        "moving.png": saved(moving[0], "PNG", **animation),
    }


def small_files(folder: Path) -> Seeds:
    """Small pictures and films below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)
    small = [path for path in files if path.is_file() and 0 < path.stat().st_size <= LARGEST]
    return {f"{number}-{path.name}": path.read_bytes() for number, path in enumerate(small[:20])}


SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".gif",
    ".tif",
    ".tiff",
    ".bmp",
    ".avif",
    ".mp4",
    ".mkv",
    ".webm",
}

FILMS = {
    "rich.mp4": ("libx264", "yuv420p", "mp4"),
    "rich.mkv": ("libx264", "yuv420p", "matroska"),
    "rich.ts": ("libx264", "yuv420p", "mpegts"),
    "h264.mp4": ("libx264", "yuv420p", "mp4"),
    "hevc.mp4": ("libx265", "yuv420p", "mp4"),
    "av1.mp4": ("libsvtav1", "yuv420p", "mp4"),
    "fragments.mp4": ("libx264", "yuv420p", "mp4"),
    "prores.mov": ("prores_ks", "yuv422p10le", "mov"),
    "png.mov": ("png", "rgb24", "mov"),
    "h264.mkv": ("libx264", "yuv420p", "matroska"),
    "ffv1.mkv": ("ffv1", "yuv420p", "matroska"),
    "vp9.webm": ("libvpx-vp9", "yuva420p", "webm"),
    "vp8.webm": ("libvpx", "yuv420p", "webm"),
    "mpeg4.avi": ("mpeg4", "yuv420p", "avi"),
    "mjpeg.avi": ("mjpeg", "yuvj420p", "avi"),
    "h264.ts": ("libx264", "yuv420p", "mpegts"),
    "mpeg2.mpg": ("mpeg2video", "yuv420p", "mpeg"),
    "flash.flv": ("flv", "yuv420p", "flv"),
    "windows.wmv": ("wmv2", "yuv420p", "asf"),
    "theora.ogv": ("libtheora", "yuv420p", "ogg"),
    "nut.nut": ("mpeg4", "yuv420p", "nut"),
    "av1.ivf": ("libsvtav1", "yuv420p", "ivf"),
    "raw.h264": ("libx264", "yuv420p", "h264"),
    "raw.hevc": ("libx265", "yuv420p", "hevc"),
    "raw.y4m": ("wrapped_avframe", "yuv420p", "yuv4mpegpipe"),
    "mpeg2.mxf": ("mpeg2video", "yuv420p", "mxf"),
}


def film_seeds() -> Seeds:
    """A small film of every kind that Omote reads and this libav can write."""
    seeds: Seeds = {}
    for name, (codec, pixel_format, muxer) in FILMS.items():
        try:
            data = _film(
                codec,
                pixel_format,
                muxer,
                fragments=name.startswith("fragments"),
                rich=name.startswith("rich"),
            )
        except (av.error.FFmpegError, ValueError, OSError):
            continue
        if len(data) <= LARGEST:
            seeds[name] = data
    return seeds


def _film(codec: str, pixel_format: str, muxer: str, *, fragments: bool, rich: bool) -> bytes:
    size = (176, 144) if codec in ("flv", "wmv2") else (64, 64)
    options = {"movflags": "frag_keyframe+empty_moov"} if fragments else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        with av.open(str(path), "w", format=muxer, options=options) as out:
            if codec == "libsvtav1":
                before_opening(ENCODERS["av1"])
            quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
            stream = out.add_stream(codec, rate=25, options=quiet)
            stream.width, stream.height = size
            stream.pix_fmt = pixel_format
            others = _other_tracks(out, muxer) if rich else []
            for number in range(6):
                y, x = np.mgrid[: size[1], : size[0]]
                pixels = np.stack([x * 3 + number * 9, y * 3, x + y], axis=2).astype(np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(stream.encode(frame))
                if codec == "libsvtav1" and not number:  # or all that follows would run in real time
                    after_opening(ENCODERS["av1"])
            out.mux(stream.encode(None))
            out.mux(others)
        return path.read_bytes()


def _other_tracks(out: OutputContainer, muxer: str) -> list[Packet[Any]]:
    """Packets of a track of sound, and of one of subtitles where they are text."""
    sound = out.add_stream("aac", rate=8000)
    packets: list[Packet[Any]] = []
    if muxer == "matroska":
        words = out.add_stream("srt")
        words.codec_context.subtitle_header = _ASS
    for block in range(2):
        samples = np.sin(np.arange(1024) / 9 + block).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, block * 1024, Fraction(1, 8000)
        packets += sound.encode(frame)
    packets += sound.encode(None)
    if muxer == "matroska":
        packet = av.Packet(b"words")
        packet.stream, packet.time_base = words, Fraction(1, 1000)
        packet.pts, packet.dts, packet.duration = 0, 0, 100
        packets.append(packet)
    return packets


_ASS = (
    b"[Script Info]\nScriptType: v4.00+\n\n"
    b"[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,16\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


def signed_seeds(folder: Path, seeds: Seeds) -> Seeds:
    """The same with content credentials, of the kinds that hold them, signed with a key in `OMOTE_HOME`."""
    target, signed = folder / "target", folder / "signed"
    made: Seeds = {}
    for name in ("baseline.jpg", "rgb.png", "lossy.webp", "plain.tif", "still.avif", "h264.mp4"):
        target.write_bytes(seeds[name])
        statement = Statement(
            "face swap",
            SourceType.COMPOSITE,
            "mesh",
            target,
            (),
            {"basis": "own"},
            (UsedNetwork("omote-mesh", "00" * 32),),
            GateState("passed"),
            BoundMark("org.omote.watermark.1", 1),
        )
        sign_file(target, signed, statement)
        made[f"signed-{name}"] = signed.read_bytes()
    return made


# How a file is damaged.


def _flip(data: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _overwrite(data: bytearray, draw: random.Random) -> None:
    place = draw.randrange(len(data))
    length = draw.randint(1, 16)
    data[place : place + length] = draw.randbytes(min(length, len(data) - place))


def _number(data: bytearray, draw: random.Random) -> None:
    """A size or count somewhere, before a four-letter name where there is one."""
    width = draw.choice((1, 2, 4, 4, 8))
    names = [place for place in range(4, len(data) - 4) if data[place : place + 4].isalpha()]
    place = draw.randrange(len(data))
    if names and draw.random() < 0.5:
        place = draw.choice(names) + draw.choice((-4, 4, 8, 12, 16))
    place = min(max(place, 0), max(len(data) - width, 0))
    order = draw.choice(("big", "little"))
    value = draw.choice(_NUMBERS) if draw.random() < 0.7 else draw.getrandbits(32)
    data[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, order)


def _truncate(data: bytearray, draw: random.Random) -> None:
    del data[draw.randint(1, len(data)) :]


def _swap(data: bytearray, draw: random.Random) -> None:
    length = draw.randint(1, max(len(data) // 4, 1))
    one, other = (draw.randrange(max(len(data) - length, 1)) for _ in range(2))
    first, second = data[one : one + length], data[other : other + length]
    data[one : one + length], data[other : other + length] = second, first


def _repeat(data: bytearray, draw: random.Random) -> None:
    place, length = draw.randrange(len(data)), draw.randint(1, 512)
    data[place:place] = data[place : place + length] * draw.choice((1, 2, 20))


def _remove(data: bytearray, draw: random.Random) -> None:
    place = draw.randrange(len(data))
    del data[place : place + draw.randint(1, 64)]
    data += b"\0"


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _overwrite, _number, _number, _truncate, _swap, _repeat, _remove,
)  # fmt: skip


def damaged(seeds: Seeds, number: int) -> tuple[str, bytes]:
    """Case `number`: which file, and what became of it. The same number gives the same case."""
    draw = random.Random(number)
    name = sorted(seeds)[number % len(seeds)]
    data = bytearray(seeds[name])
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        draw.choice(DAMAGES)(data, draw)
    if draw.random() < 0.05:
        other = seeds[draw.choice(sorted(seeds))]
        data[draw.randrange(len(data)) :] = other[draw.randrange(len(other)) :]
    if name.endswith(".png") and draw.random() < 0.7:
        data = _with_checksums(data)
    return name, bytes(data)


def _with_checksums(data: bytearray) -> bytearray:
    """A PNG whose chunks have the right checksums, so that damage passes beyond them."""
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return data
