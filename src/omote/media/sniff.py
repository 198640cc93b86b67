"""What a file is, told by its first bytes and never by its name."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from omote.errors import InputError

PICTURES = frozenset({"jpeg", "png", "webp", "tiff", "bmp", "avif", "jpeg2000", "pnm", "gif"})
ANIMATIONS = frozenset({"gif", "animated webp", "apng"})

_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}


def require_file(path: Path) -> None:
    """Raise InputError unless `path` is a readable file with something in it."""
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{path}: no such file") from None
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a picture or film")
    if not path.is_file():
        raise InputError(f"{path}: is not a regular file")
    if size == 0:
        raise InputError(f"{path}: is empty (0 bytes)")
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None


def reason(error: BaseException) -> str:
    """The operating system's or library's words for an error, on one line.

    They may quote a file: characters that could rewrite what a terminal shows are left out.
    """
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return "".join(letter for letter in " ".join(str(text).split()) if letter.isprintable())


def readable(name: bytes) -> str:
    """The name of a part of a file for messages: in hexadecimal digits if it is no plain text."""
    return name.decode() if name.isascii() and name.decode().isprintable() else name.hex()


def sniff(path: Path) -> str:
    """The format of a readable file: one of PICTURES or ANIMATIONS, or "film?" for whatever else.

    Raises InputError for HEIC, which cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(32)
        if head[:3] == b"\xff\xd8\xff":
            return "jpeg"
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return "apng" if _png_is_animated(file) else "png"
        if head[:6] in (b"GIF87a", b"GIF89a"):
            return "gif"
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            animated = head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 2)
            return "animated webp" if animated else "webp"
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return "tiff"
        if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
            return "bmp"
        if head[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or head[:4] == b"\xff\x4f\xff\x51":
            return "jpeg2000"
        if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
            return "pnm"
        if head[4:8] == b"ftyp":
            brands = _ftyp_brands(file)
            if brands & {b"avif", b"avis"}:
                return "avif"
            if brands & _HEIC_BRANDS:
                raise InputError(
                    f"{path}: HEIC pictures cannot be read; convert it to JPEG, PNG or AVIF first"
                )
    return "film?"


def _ftyp_brands(file: BinaryIO) -> set[bytes]:
    """Major and compatible brands of an ISO base media file."""
    file.seek(0)
    (size,) = struct.unpack(">I", file.read(4))
    body = file.read(min(max(size - 4, 0), 4096))[4:]
    return {body[:4]} | {body[i : i + 4] for i in range(8, len(body) - 3, 4)}


def _png_is_animated(file: BinaryIO) -> bool:
    """True if an `acTL` chunk comes before the first `IDAT` chunk."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"acTL":
            return True
        if name in (b"IDAT", b"IEND"):
            return False
        file.seek(length + 4, 1)
    return False
