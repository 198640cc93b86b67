"""Is the file as long as its own header says? Cheap: it walks box heads and reads no media data."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from omote.errors import InputError
from omote.media.sniff import readable

_FIX = "it is cut off or was not copied completely; fetch it again"


def require_whole(path: Path) -> None:
    """Raise InputError if a container's own sizes reach beyond the end of the file.

    Knows the ISO family (MP4, MOV), Matroska and WebM, RIFF (AVI, WebP). Other files pass.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        check: Callable[[BinaryIO, int], str | None]
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            check = _iso
        elif head[:4] == b"\x1aE\xdf\xa3":
            check = _matroska
        elif head[:4] == b"RIFF":
            check = _riff
        else:
            return
        file.seek(0)
        try:
            fault = check(file, size)
        except (struct.error, IndexError):
            fault = "its header breaks off"
    if fault:
        raise InputError(f"{path}: truncated: {fault}; {_FIX}")


def _iso(file: BinaryIO, size: int) -> str | None:
    seen = set()
    position = index = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length, name = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
        if length == 0:
            length = size - position
        if length < 8:
            break  # rubbish after the last box, which players ignore
        seen.add(name)
        if name == b"moov":
            index = position
        if position + length > size:
            if name in (b"free", b"skip"):
                break
            return f"its '{readable(name)}' box should end at byte {position + length}, the file has {size}"
        position += length
    if not seen & {b"moov", b"moof"}:
        return "it has no index ('moov' box)"
    return _oversized_index(file, size, index) if b"moov" in seen else None


def _oversized_index(file: BinaryIO, size: int, position: int) -> str | None:
    """What is wrong if a track's index lists more samples than the file has bytes.

    libav would make an entry for each before it reads the first.
    """
    for track in _boxes(file, position, size, b"trak"):
        inside = [track]
        for name in (b"mdia", b"minf", b"stbl", b"stsz"):
            inside = [place for outer in inside for place in _boxes(file, outer, size, name)]
        for place in inside:
            file.seek(place + 16)
            (count,) = struct.unpack(">I", file.read(4))
            if count > size:
                return f"its index lists {count} samples, the file has {size} bytes"
    return None


def _boxes(file: BinaryIO, position: int, size: int, wanted: bytes) -> list[int]:
    """Places of the boxes of one name in the box at a position; sizes below 4 GB, as in every index."""
    file.seek(position)
    (length,) = struct.unpack(">I", file.read(4))
    end = min(position + length, size) if length else size
    position += 8
    found = []
    while position + 8 <= end:
        file.seek(position)
        length, name = struct.unpack(">I4s", file.read(8))
        if name == wanted:
            found.append(position)
        if length < 8:
            break
        position += length
    return found


def _matroska(file: BinaryIO, size: int) -> str | None:
    position = 0
    while position < size:
        file.seek(position)
        head = file.read(16)
        identity, first = _vint(head, keep_marker=True)
        length, second = _vint(head[first:], keep_marker=False)
        if first == 0 or second == 0:
            return None
        start = position + first + second
        if length is None:  # a live recording does not know its own length
            return None
        if start + length > size:
            return f"its data should end at byte {start + length}, the file has {size}"
        if identity == 0x18538067:
            return None
        position = start + length
    return None


def _vint(data: bytes, *, keep_marker: bool) -> tuple[int | None, int]:
    """An EBML variable-length integer and its length in bytes; None for the reserved "unknown"."""
    if not data or data[0] == 0:
        return None, 0
    length = 9 - data[0].bit_length()
    if len(data) < length:
        return None, 0
    value = int.from_bytes(data[:length], "big")
    if keep_marker:
        return value, length
    value &= (1 << (7 * length)) - 1
    return (None if value == (1 << (7 * length)) - 1 else value), length


def _riff(file: BinaryIO, size: int) -> str | None:
    head = file.read(12)
    (length,) = struct.unpack("<I", head[4:8])
    if length in (0, 0xFFFFFFFF):  # a recorder that never closed its file, or one beyond 4 GB
        return None
    end = 8 + length
    return f"it should have {end} bytes, the file has {size}" if end > size else None
