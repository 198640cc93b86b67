"""Is a picture's data complete? Decoders forgive missing ends and fill them with grey; this does not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from omote.errors import InputError
from omote.media.sniff import readable


def require_whole_picture(path: Path, kind: str) -> None:
    """Raise InputError if the picture's own structure does not reach its end.

    JPEG: the image data must be followed by an end marker. PNG: every chunk complete and its checksum right,
    up to IEND. GIF: a trailer. RIFF (WebP) and ISO (AVIF): the sizes in the header.
    """
    try:
        fault = _fault(path.read_bytes(), kind)
    except (struct.error, IndexError):
        fault = "its structure breaks off"
    if fault:
        raise InputError(f"{path}: damaged or truncated {kind} picture: {fault}")


def _fault(data: bytes, kind: str) -> str | None:
    """What is wrong with the picture's structure, or None."""
    if kind == "jpeg":
        return _jpeg(data)
    if kind in ("png", "apng"):
        return _png(data)
    if kind in ("webp", "animated webp"):
        (size,) = struct.unpack_from("<I", data, 4)
        return None if len(data) >= 8 + size else f"it should have {8 + size} bytes, the file has {len(data)}"
    if kind == "avif":
        return _iso(data)
    if kind == "gif":
        return None if b";" in data[-1024:] else "it has no end"
    return None


def _jpeg(data: bytes) -> str | None:
    position = 2
    scanned = False
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return "its structure is broken"
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0xD9:
            break
        if marker in (0x01, *range(0xD0, 0xD9)):
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        position += 2 + length
        if marker == 0xDA:
            scanned = True
            while True:  # entropy-coded data: skip to the next real marker
                position = data.find(b"\xff", position)
                if position < 0 or position + 1 >= len(data):
                    return "its image data breaks off"
                if data[position + 1] == 0 or 0xD0 <= data[position + 1] <= 0xD7:
                    position += 2
                else:
                    break
    if not scanned:
        return "it has no image data"
    return None if data[position : position + 2] == b"\xff\xd9" else "its image data breaks off"


def _png(data: bytes) -> str | None:
    position = 8
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            return "its image data breaks off"
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != checksum:
            return f"the checksum of its {readable(name)} chunk is wrong"
        if name == b"IEND":
            return None
        position = end
    return "its image data breaks off"


def _iso(data: bytes) -> str | None:
    position = 0
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        if length == 1 and position + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, position + 8)
        if length == 0:
            return None
        if length < 8 or position + length > len(data):
            return "its image data breaks off"
        position += length
    return None
