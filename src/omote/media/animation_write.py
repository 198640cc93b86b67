"""Writing animated pictures frame by frame: GIF, WebP and APNG with exact delays, loop count, transparency.

Only the rectangle that changed since the frame before is stored. The blocks go to the disk at once, so memory
does not grow with the length.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from omote.errors import UsageError
from omote.media.picture import Picture
from omote.media.picture_write import encode_image
from omote.media.stamping import Stamp
from omote.media.types import Frame, MediaInfo, as_pixels

RGBA = NDArray[np.uint8]


@dataclass(frozen=True)
class Patch:
    """What one animation frame stores: RGBA `(h, w, 4)` at `(x, y)`, shown for `delay` time units.

    `wipe` says that the next frame needs an empty canvas; the patch then is the whole frame.
    """

    rgba: RGBA
    x: int
    y: int
    delay: int
    wipe: bool = False


class _Format(Protocol):
    time_base: Fraction
    paints_over: bool  # transparent pixels of a patch leave what was there before

    def write(self, file: BinaryIO, patch: Patch) -> None: ...

    def finish(self, file: BinaryIO) -> None: ...


class AnimationSink:
    """Writes Frames to an animated picture, each when the next one comes and with it the delay."""

    def __init__(
        self,
        temporary: Path,
        suffix: str,
        info: MediaInfo,
        *,
        codec: str | None,
        quality: float | None,
        stamp: Stamp | None = None,
    ) -> None:
        if codec is not None and codec.lower() != suffix[1:]:
            raise UsageError(f"a {suffix} file takes no --codec; leave it out or write .mp4, .mkv or .webm")
        self.warnings: list[str] = []
        tracks = len(info.audio) + len(info.subtitles)
        if tracks:
            self.warnings.append(
                f"{info.path.name}: {tracks} sound and subtitle tracks are not kept: {suffix} is silent"
            )
        if info.bit_depth > 8:
            self.warnings.append(f"{info.path.name}: {info.bit_depth} bits become 8")
        self._info, self._stamp = info, stamp
        self._file = temporary.open("wb")
        loop = 0 if info.loop is None else info.loop
        self._format: _Format
        if suffix == ".gif":
            self._format = _Gif(self._file, info, loop)
        elif suffix == ".webp":
            self._format = _WebP(self._file, info, loop, quality)
        else:
            self._format = _Apng(self._file, info, loop)
        if info.sample_aspect_ratio != 1 and suffix != ".gif":
            self.warnings.append(f"{info.path.name}: pixels are not square, which {suffix} cannot say")
        self._waiting: tuple[Frame, RGBA] | None = None
        self._shown: RGBA | None = None
        self._ticks = 0

    def write(self, frame: Frame) -> None:
        """Take one frame and store the one before it."""
        pixels, alpha = frame.pixels, frame.alpha
        if pixels.shape[:2] != (self._info.height, self._info.width):
            raise UsageError(f"frame {frame.index} is {pixels.shape[1]} x {pixels.shape[0]}, unlike the film")
        if pixels.dtype == np.uint16:
            pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
            alpha = None if alpha is None else ((alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)
        if alpha is None:
            alpha = np.full(pixels.shape[:2], 255, np.uint8)
        if self._stamp is not None:
            pixels = as_pixels(self._stamp.mark(pixels))
        rgba = np.dstack([pixels, alpha]).astype(np.uint8)
        if self._waiting is not None:
            self._store(frame.pts * frame.time_base, rgba)
        self._waiting = frame, rgba

    def _store(self, until: Fraction, following: RGBA | None) -> None:
        """Store the waiting frame, to be shown until `until` seconds and then replaced by `following`."""
        assert self._waiting is not None
        frame, rgba = self._waiting
        # Delays are differences of rounded times: rounding errors never add up.
        end = round((until - (self._info.start_pts or 0) * frame.time_base) / self._format.time_base)
        delay = max(1, end - self._ticks)
        self._ticks += delay
        patch = self._patch(rgba, delay)
        if self._format.paints_over and following is not None:
            holes = (following[..., 3] < 128) & (rgba[..., 3] >= 128)
            if holes.any():  # what shines through there cannot be painted: the canvas must be emptied
                patch = Patch(rgba, 0, 0, delay, wipe=True)
        self._format.write(self._file, patch)
        self._shown = None if patch.wipe else rgba

    def _patch(self, rgba: RGBA, delay: int) -> Patch:
        if self._shown is None:
            return Patch(rgba, 0, 0, delay)
        changed = (rgba != self._shown).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if rows.size == 0:
            return Patch(np.ascontiguousarray(rgba[:2, :2]), 0, 0, delay)
        top, left = int(rows[0]) & ~1, int(columns[0]) & ~1  # WebP wants even corners
        part = rgba[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
        return Patch(np.ascontiguousarray(part), left, top, delay)

    def finish(self) -> None:
        """Store the last frame and the file's end."""
        if self._waiting is not None:
            frame, _ = self._waiting
            rate = self._info.frame_rate or Fraction(10)
            length = frame.duration * frame.time_base if frame.duration else 1 / rate
            self._store(frame.pts * frame.time_base + length, None)
        self._format.finish(self._file)
        self._file.close()

    def abort(self) -> None:
        """Close the file; what it could not take any more does not matter."""
        with contextlib.suppress(OSError):
            self._file.close()


class _Gif:
    """GIF89a with a palette for each frame; transparency is on or off."""

    time_base = Fraction(1, 100)
    paints_over = True

    def __init__(self, file: BinaryIO, info: MediaInfo, loop: int) -> None:
        aspect = round(info.sample_aspect_ratio * 64) - 15 if info.sample_aspect_ratio != 1 else 0
        file.write(
            b"GIF89a" + struct.pack("<HHBBB", info.width, info.height, 0x70, 0, min(max(aspect, 0), 255))
        )
        if loop != 1:
            times = 0 if loop == 0 else loop - 1
            file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", times) + b"\0")

    def write(self, file: BinaryIO, patch: Patch) -> None:
        """Store one frame."""
        image, clear = _palette(patch.rgba)
        options: dict[str, object] = {
            "duration": patch.delay * 10,
            "include_color_table": True,
            "disposal": 2 if patch.wipe else 1,
        }
        if clear is not None:
            options["transparency"] = clear
        for block in GifImagePlugin.getdata(image, (patch.x, patch.y), **options):
            file.write(block)

    def finish(self, file: BinaryIO) -> None:
        """Write the trailer."""
        file.write(b";")


def _palette(rgba: RGBA) -> tuple[Image.Image, int | None]:
    """An 8-bit palette picture and the index of "transparent" in it; exact where 255 colours do."""
    opaque = rgba[..., 3] >= 128
    packed = rgba[..., :3].astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colours, places = np.unique(packed[opaque], return_inverse=True)
    if colours.size <= 255:
        indices = np.full(opaque.shape, 255, np.uint8)
        indices[opaque] = places.astype(np.uint8)
        table = np.zeros((256, 3), np.uint8)
        table[: colours.size] = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
        image = Image.fromarray(indices)
        image.putpalette(table.tobytes())
    else:
        picture = Image.fromarray(np.ascontiguousarray(rgba[..., :3]))
        reference = picture.quantize(255, Image.Quantize.MEDIANCUT, kmeans=1)
        image = picture.quantize(255, palette=reference, dither=Image.Dither.FLOYDSTEINBERG)
        if not opaque.all():
            indices = np.array(image)
            indices[~opaque] = 255
            table_bytes = bytes(image.getpalette() or [])
            image = Image.fromarray(indices)
            image.putpalette(table_bytes.ljust(768, b"\0"))
    return image, None if opaque.all() else 255


class _WebP:
    """Animated WebP, lossless if the source was, else at quality 95."""

    time_base = Fraction(1, 1000)
    paints_over = False

    def __init__(self, file: BinaryIO, info: MediaInfo, loop: int, quality: float | None) -> None:
        self._lossless = bool(info.extra.get("lossless")) and quality is None
        self._quality = 95 if quality is None else round(quality)
        if not 0 <= self._quality <= 100:
            raise UsageError(f"--quality must be between 0 and 100, got {quality}")
        sides = (info.width - 1).to_bytes(3, "little") + (info.height - 1).to_bytes(3, "little")
        self._clear = False
        file.write(b"RIFF\0\0\0\0WEBP" + _riff(b"VP8X", b"\2\0\0\0" + sides))
        file.write(_riff(b"ANIM", b"\0\0\0\0" + struct.pack("<H", min(loop, 65535))))

    def write(self, file: BinaryIO, patch: Patch) -> None:
        """Store one frame."""
        clear = bool((patch.rgba[..., 3] < 255).any())
        self._clear |= clear
        image = Image.fromarray(patch.rgba if clear else np.ascontiguousarray(patch.rgba[..., :3]))
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", lossless=self._lossless, quality=self._quality, method=3, exact=True)
        height, width = patch.rgba.shape[:2]
        head = b"".join(
            value.to_bytes(3, "little")
            for value in (patch.x // 2, patch.y // 2, width - 1, height - 1, patch.delay)
        )
        file.write(_riff(b"ANMF", head + b"\x02" + _bitstream(buffer.getvalue())))  # 2: replace, do not blend

    def finish(self, file: BinaryIO) -> None:
        """Fill the file's size in, and whether it is transparent anywhere."""
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))
        file.seek(20)
        file.write(b"\x12" if self._clear else b"\2")


def _riff(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _bitstream(still: bytes) -> bytes:
    """The ALPH, VP8 and VP8L chunks of a still WebP."""
    chunks, position = b"", 12
    while position + 8 <= len(still):
        name, length = struct.unpack_from("<4sI", still, position)
        end = position + 8 + length + length % 2
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            chunks += still[position:end]
        position = end
    return chunks


class _Apng:
    """Animated PNG, lossless, 8 bits."""

    paints_over = False

    def __init__(self, file: BinaryIO, info: MediaInfo, loop: int) -> None:
        base = info.time_base or Fraction(1, 1000)
        self.time_base = base if base.numerator == 1 and base.denominator <= 65535 else Fraction(1, 1000)
        self._frames = self._sequence = 0
        self._loop = loop
        head = struct.pack(">IIBBBBB", info.width, info.height, 8, 6, 0, 0, 0)
        file.write(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head))
        self._control = file.tell()
        file.write(_chunk(b"acTL", struct.pack(">II", 0, loop)))

    def write(self, file: BinaryIO, patch: Patch) -> None:
        """Store one frame."""
        height, width = patch.rgba.shape[:2]
        delay, unit = patch.delay, self.time_base.denominator
        exact = Fraction(delay, unit)
        if exact.numerator > 65535:
            exact = Fraction(min(round(exact * 100), 65535), 100)
        control = struct.pack(
            ">IIIIIHHBB",
            self._sequence,
            width,
            height,
            patch.x,
            patch.y,
            exact.numerator,
            exact.denominator,
            0,
            0,
        )
        file.write(_chunk(b"fcTL", control))
        self._sequence += 1
        opaque = patch.rgba[..., 3]
        data = encode_image(
            Picture(np.ascontiguousarray(patch.rgba[..., :3]), np.ascontiguousarray(opaque)), "PNG", None
        )
        for body in _png_data(data):
            if self._frames == 0:
                file.write(_chunk(b"IDAT", body))
            else:
                file.write(_chunk(b"fdAT", struct.pack(">I", self._sequence) + body))
                self._sequence += 1
        self._frames += 1

    def finish(self, file: BinaryIO) -> None:
        """Write the end and fill the number of frames in."""
        file.write(_chunk(b"IEND", b""))
        file.seek(self._control)
        file.write(_chunk(b"acTL", struct.pack(">II", self._frames, self._loop)))


def _png_data(data: bytes) -> list[bytes]:
    """The bodies of a PNG's IDAT chunks."""
    bodies, position = [], 8
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"IDAT":
            bodies.append(data[position + 8 : position + 8 + length])
        position += length + 12
    return bodies


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
