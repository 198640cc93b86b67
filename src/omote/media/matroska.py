"""Pixel aspect for Matroska and WebM, which libav's muxer leaves out unless the bitstream carries it.

VP9 and AV1 do not, so DisplayWidth and DisplayHeight are put into the finished file. Nothing moves: the room
is taken from the picture track's name, which the muxer was given with padding.
"""

from __future__ import annotations

import zlib
from pathlib import Path

PADDING = " " * 24

_SEGMENT, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_NAME, _CRC, _VOID = 0x536E, 0xBF, 0xEC
_DISPLAY_WIDTH, _DISPLAY_HEIGHT = 0x54B0, 0x54BA

_Element = tuple[int, int, int, int]  # identity, start of the element, start of its body, end


def write_display_size(path: Path, width: int, height: int) -> None:
    """Say in a finished file that its first picture track is shown at `width` x `height`; drops the padding.

    Raises ValueError if the file is not laid out as libav's muxer does it.
    """
    with path.open("r+b") as file:
        head = file.read(1 << 20)
        segment = next(e for e in _elements(head, 0, len(head)) if e[0] == _SEGMENT)
        tracks = next(e for e in _elements(head, segment[2], len(head)) if e[0] == _TRACKS)
        if tracks[3] > len(head):
            raise ValueError("the track list is too long")
        body = bytearray(head[tracks[2] : tracks[3]])
        entry = next(
            e for e in _elements(body, 0, len(body)) if e[0] == _ENTRY and _child(body, e, _VIDEO) is not None
        )
        children = b""
        for child in _elements(body, entry[2], entry[3]):
            content = bytes(body[child[2] : child[3]])
            if child[0] == _NAME:
                name = content.decode().removesuffix(PADDING)
                children += _element(_NAME, name.encode()) if name else b""
            elif child[0] == _VIDEO:
                size = _element(_DISPLAY_WIDTH, width.to_bytes(4)) + _element(
                    _DISPLAY_HEIGHT, height.to_bytes(4)
                )
                children += _element(_VIDEO, content + size)
            else:
                children += bytes(body[child[1] : child[3]])
        spare = entry[3] - entry[2] - len(children)
        if spare < 2:
            raise ValueError("no room for the display size")
        body[entry[2] : entry[3]] = children + bytes([_VOID, 0x80 | (spare - 2)]) + bytes(spare - 2)
        crc = next(iter(_elements(body, 0, len(body))))
        if crc[0] == _CRC:
            body[crc[2] : crc[3]] = zlib.crc32(body[crc[3] :]).to_bytes(4, "little")
        file.seek(tracks[2])
        file.write(body)


def _elements(data: bytes | bytearray, position: int, end: int) -> list[_Element]:
    """The elements that lie one after the other between two positions."""
    found = []
    while position < end:
        first = 9 - data[position].bit_length() if data[position] else 9
        if first > 4 or position + first >= len(data):
            break
        identity = int.from_bytes(data[position : position + first], "big")
        mark = data[position + first]
        second = 9 - mark.bit_length() if mark else 9
        if second > 8:
            break
        size = int.from_bytes(data[position + first : position + first + second], "big") & (
            (1 << 7 * second) - 1
        )
        body = position + first + second
        found.append((identity, position, body, body + size))
        position = body + size
    return found


def _child(data: bytes | bytearray, parent: _Element, identity: int) -> _Element | None:
    return next((e for e in _elements(data, parent[2], parent[3]) if e[0] == identity), None)


def _element(identity: int, content: bytes) -> bytes:
    name = identity.to_bytes((identity.bit_length() + 7) // 8, "big")
    length = 1 if len(content) < 127 else 2
    return name + ((1 << 7 * length) | len(content)).to_bytes(length, "big") + content
