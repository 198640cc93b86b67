"""The headers of GIF, animated WebP and APNG: size, delays, loop count; no pixel is decoded."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from omote.errors import InputError


@dataclass(frozen=True)
class Animation:
    """What an animated picture's blocks say.

    `delays` holds one positive whole number of `time_base` seconds a frame. `loop` is how often it is played,
    0 for ever. `hidden_first` says that the first stored picture is not part of the animation (APNG only).
    """

    width: int
    height: int
    delays: tuple[int, ...]
    time_base: Fraction
    loop: int
    aspect: Fraction = Fraction(1)
    alpha: bool = True
    lossless: bool = True
    hidden_first: bool = False


def read_header(path: Path, kind: str) -> Animation:
    """Parse a file of `kind` "gif", "animated webp" or "apng". Raises InputError if it breaks off."""
    data = path.read_bytes()
    try:
        return {"gif": _gif, "animated webp": _webp, "apng": _apng}[kind](data)
    except (struct.error, IndexError, ValueError):
        raise InputError(f"{path}: truncated or damaged {kind}: its blocks break off") from None


def _gif(data: bytes) -> Animation:
    width, height, flags, _, aspect = struct.unpack_from("<HHBBB", data, 6)
    position = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    delays: list[int] = []
    delay, loop, clear = 0, 1, False
    while data[position] != 0x3B:
        if data[position] == 0x21:  # extension
            label = data[position + 1]
            if label == 0xF9:
                packed, delay = struct.unpack_from("<BH", data, position + 3)
                clear |= bool(packed & 1)
            elif label == 0xFF and data[position + 3 : position + 14] == b"NETSCAPE2.0":
                (times,) = struct.unpack_from("<H", data, position + 16)
                loop = 0 if times == 0 else times + 1
            position = _skip_blocks(data, position + 2)
        elif data[position] == 0x2C:  # image
            flags = data[position + 9]
            position += 10 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
            position = _skip_blocks(data, position + 1)
            delays.append(delay or 10)  # every player shows "no delay" for a tenth of a second
            delay = 0
        else:
            raise ValueError
    sides = Fraction(aspect + 15, 64) if aspect else Fraction(1)
    return Animation(width, height, tuple(delays), Fraction(1, 100), loop, sides, alpha=clear)


def _skip_blocks(data: bytes, position: int) -> int:
    """The position after a chain of length-prefixed blocks."""
    while data[position]:
        position += data[position] + 1
    return position + 1


def _webp(data: bytes) -> Animation:
    (size,) = struct.unpack_from("<I", data, 4)
    if len(data) < size + 8:
        raise ValueError
    flags = data[20]
    width = int.from_bytes(data[24:27], "little") + 1
    height = int.from_bytes(data[27:30], "little") + 1
    delays: list[int] = []
    loop, lossless = 0, True
    position = 12
    while position + 8 <= size + 8:
        name, length = struct.unpack_from("<4sI", data, position)
        body = position + 8
        if name == b"ANIM":
            (loop,) = struct.unpack_from("<H", data, body + 4)
        elif name == b"ANMF":
            delays.append(int.from_bytes(data[body + 12 : body + 15], "little") or 100)
            lossless &= data[body + 16 : body + 20] == b"VP8L"
        position = body + length + length % 2
    if not delays:
        raise ValueError
    return Animation(
        width, height, tuple(delays), Fraction(1, 1000), loop, alpha=bool(flags & 16), lossless=lossless
    )


def _apng(data: bytes) -> Animation:
    width, height, _, colour = struct.unpack_from(">IIBB", data, 16)
    frames = loop = 0
    delays: list[Fraction] = []
    hidden, alpha = False, colour in (4, 6)
    position, name = 8, b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, position)
        if position + length + 12 > len(data):
            raise ValueError
        if name == b"acTL":
            frames, loop = struct.unpack_from(">II", data, position + 8)
        elif name == b"fcTL":
            over, under = struct.unpack_from(">HH", data, position + 28)
            delays.append(Fraction(over, under or 100) or Fraction(1, 10))
        elif name == b"IDAT":
            hidden |= not delays
        elif name == b"tRNS":
            alpha = True
        position += length + 12
    if len(delays) != frames:
        raise ValueError
    unit = math.lcm(*(d.denominator for d in delays))
    base = Fraction(1, unit if unit <= 90_000 else 1000)
    whole = tuple(max(1, round(d / base)) for d in delays)
    return Animation(width, height, whole, base, loop, alpha=alpha, hidden_first=hidden)
