"""Writing pictures: everything that the format can hold, atomically."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from omote.errors import InputError, UsageError
from omote.media.atomic import Publish, published
from omote.media.colour import on_white
from omote.media.picture import Picture, is_grey
from omote.media.sniff import reason
from omote.media.types import Pixels, as_pixels

_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
    ".jp2": "JPEG2000",
    ".gif": "GIF",
}
PICTURE_SUFFIXES = tuple(_FORMATS)
_WITH_ALPHA = {"PNG", "WEBP", "TIFF", "AVIF", "GIF"}
_CARRIES = {"JPEG", "PNG", "WEBP", "TIFF", "AVIF"}  # EXIF and ICC profiles
_SIDE_LIMIT = {"JPEG": 65_500, "WEBP": 16_383}


def save_image(
    path: str | Path, picture: Picture, *, quality: float | None = None, publish: Publish | None = None
) -> None:
    """Write a picture in the format that the suffix of `path` names; it appears whole or not at all.

    Alpha, ICC profile, EXIF and resolution are kept where the format can hold them; 16 bits in PNG and TIFF,
    elsewhere they are rounded to 8. Where alpha has no place (JPEG, BMP, JPEG 2000) the picture is laid on
    white. A picture that was grey and still is becomes a one-channel file. `quality` is 0..100 for JPEG
    (default 95, never subsampled), WebP and AVIF (default 90). `publish` gives the finished file its name,
    where more than a rename is asked for.

    Raises UsageError for an unknown suffix or a quality out of range, InputError if it cannot be written.
    """
    path = Path(path)
    name = require_picture_suffix(path)
    if quality is not None and not 0 <= quality <= 100:
        raise UsageError(f"--quality must be between 0 and 100, got {quality:g}")
    height, width = picture.pixels.shape[:2]
    if max(height, width) > _SIDE_LIMIT.get(name, 2**31):
        raise UsageError(
            f"{path}: {name} pictures cannot be longer than {_SIDE_LIMIT[name]} pixels; write .png or .tiff"
        )
    with published(path, publish) as unfinished:
        try:
            unfinished.write_bytes(encode_image(picture, name, quality))
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({reason(error)})") from None


def require_picture_suffix(path: Path) -> str:
    """Pillow's name of the format that a path's suffix names. Raises UsageError for an unknown one."""
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(f"{path}: unknown kind of picture '{suffix}'; name it {', '.join(_FORMATS)}")
    return _FORMATS[suffix]


def encode_image(picture: Picture, name: str, quality: float | None) -> bytes:
    """The file's bytes in the format of Pillow's `name`."""
    pixels, alpha = picture.pixels, picture.alpha
    if pixels.dtype == np.uint16 and name not in ("PNG", "TIFF"):
        pixels, alpha = _to_8bit(pixels), None if alpha is None else _to_8bit(alpha)
    if alpha is not None and name not in _WITH_ALPHA:
        pixels, alpha = on_white(pixels, alpha), None
    grey = picture.grey and is_grey(pixels)
    if name == "TIFF" and pixels.dtype == np.uint16 and alpha is not None:
        grey = False  # hardly anything reads two 16-bit channels
    icc = picture.icc if _profile_fits(picture.icc, grey) else None
    if pixels.dtype == np.uint16:
        array = _interleave(pixels, alpha, grey)
        return _png16(array, icc, picture.exif) if name == "PNG" else _tiff16(array, icc)
    image = Image.fromarray(_interleave(pixels, alpha, grey))
    options = _encoding(name, quality)
    if name in _CARRIES:
        options |= {"icc_profile": icc} if icc else {}
        options |= {"exif": picture.exif} if picture.exif else {}
        if name == "TIFF" and picture.exif:
            del options["compression"]  # Pillow's compressing writer cannot hold EXIF
    if picture.dpi and name in ("JPEG", "PNG", "TIFF", "BMP"):
        options["dpi"] = picture.dpi
    if name == "WEBP" and grey:  # it has colour only
        image = image.convert("RGB" if alpha is None else "RGBA")
    elif name == "GIF" and not grey:
        image = image.quantize(256, Image.Quantize.MEDIANCUT if alpha is None else Image.Quantize.FASTOCTREE)
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _encoding(name: str, quality: float | None) -> dict[str, Any]:
    """Pillow's options for a format at a quality of 0..100 or the default."""
    if name == "JPEG":
        return {"quality": round(95 if quality is None else quality), "subsampling": 0}
    if name in ("WEBP", "AVIF"):
        return {"quality": round(90 if quality is None else quality)}
    lossless: dict[str, dict[str, Any]] = {
        "PNG": {"compress_level": 4},
        "TIFF": {"compression": "tiff_adobe_deflate"},
        "JPEG2000": {"irreversible": False},
    }
    return lossless.get(name, {})


def _interleave(pixels: Pixels, alpha: Pixels | None, grey: bool) -> Pixels:
    """`(H, W)`, `(H, W, 2)`, `(H, W, 3)` or `(H, W, 4)`: grey or RGB, with alpha last if there is one."""
    if grey:
        plane = np.ascontiguousarray(pixels[..., 0])
        return as_pixels(plane if alpha is None else np.dstack([plane, alpha]))
    return as_pixels(np.ascontiguousarray(pixels) if alpha is None else np.dstack([pixels, alpha]))


def _profile_fits(icc: bytes | None, grey: bool) -> bool:
    """True if the profile's colour space is that of the file to be: viewers refuse others."""
    return icc is not None and icc[16:20] == (b"GRAY" if grey else b"RGB ")


def _to_8bit(array: Pixels) -> NDArray[np.uint8]:
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _png16(array: Pixels, icc: bytes | None, exif: bytes | None) -> bytes:
    """A 16-bit PNG of `(H, W)`, `(H, W, 2)`, `(H, W, 3)` or `(H, W, 4)` uint16."""
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    if channels == 2:
        body = _png_rows(array)
    else:
        bgr = (
            array
            if channels == 1
            else cv2.cvtColor(array, cv2.COLOR_RGB2BGR if channels == 3 else cv2.COLOR_RGBA2BGRA)
        )
        done, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 4])
        if not done:
            raise OSError("the PNG encoder failed")
        raw = data.tobytes()
        return raw[:33] + _png_extras(icc, exif) + raw[33:]
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + _png_extras(icc, exif) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    )


def _png_rows(array: Pixels) -> bytes:
    rows = np.ascontiguousarray(array).astype(">u2").reshape(array.shape[0], -1).view(np.uint8)
    return zlib.compress(np.hstack([np.zeros((len(rows), 1), np.uint8), rows]).tobytes(), 4)


def _png_extras(icc: bytes | None, exif: bytes | None) -> bytes:
    extras = b""
    if icc:
        extras += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))
    if exif:
        extras += _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    return extras


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _tiff16(array: Pixels, icc: bytes | None) -> bytes:
    """A 16-bit TIFF (little endian, one deflated strip) of `(H, W[, C])` uint16, with an ICC profile."""
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]
    strip = zlib.compress(np.ascontiguousarray(array).astype("<u2").tobytes(), 4)
    short, long, undefined = 3, 4, 7
    entries: list[tuple[int, int, int, bytes]] = [
        (256, long, 1, struct.pack("<I", width)),
        (257, long, 1, struct.pack("<I", height)),
        (258, short, channels, struct.pack(f"<{channels}H", *[16] * channels)),
        (259, short, 1, struct.pack("<H", 8)),
        (262, short, 1, struct.pack("<H", 1 if channels < 3 else 2)),
        (273, long, 1, b""),  # the strip's place, known below
        (277, short, 1, struct.pack("<H", channels)),
        (278, long, 1, struct.pack("<I", height)),
        (279, long, 1, struct.pack("<I", len(strip))),
    ]
    if channels in (2, 4):
        entries.append((338, short, 1, struct.pack("<H", 2)))
    if icc:
        entries.append((34675, undefined, len(icc), icc))
    directory = 8 + 2 + 12 * len(entries) + 4
    rest = b""
    table = b""
    tail = sum(len(value) + len(value) % 2 for _, _, _, value in entries if len(value) > 4)
    for tag, kind, count, known in entries:
        value = struct.pack("<I", directory + tail) if tag == 273 else known
        if len(value) > 4:
            place = struct.pack("<I", directory + len(rest))
            rest += value + b"\0" * (len(value) % 2)
        else:
            place = value.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + place
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + b"\0\0\0\0" + rest + strip
