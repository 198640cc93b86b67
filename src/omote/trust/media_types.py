"""Which kind of media a file is, told by its first bytes, and which kinds hold credentials inside."""

from __future__ import annotations

from pathlib import Path
from typing import Final

EMBEDDING: Final = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/tiff",
        "image/avif",
        "image/gif",
        "video/mp4",
        "video/x-m4v",
        "video/quicktime",
        "video/avi",
    }
)
"""The kinds that Omote writes and C2PA defines a place in."""

_LONGEST_AVI: Final = 1_000_000_000
"""Longer AVI files have several parts and an index of places, which a record inside might move."""

UNKNOWN: Final = "application/octet-stream"

_STARTS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\0\0\0\x0cjP  ", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"BM", "image/bmp"),
)
_BRANDS: Final = (  # the first that a file names, as its own or a compatible one
    (b"avif", "image/avif"),
    (b"avis", "image/avif"),
    (b"heic", "image/heic"),
    (b"heix", "image/heic"),
    (b"mif1", "image/heif"),
    (b"qt  ", "video/quicktime"),
    (b"M4V ", "video/x-m4v"),
)
_QUICKTIME_ATOMS: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})


def embeds(path: Path, kind: str) -> bool:
    """Whether the record of a file of a kind goes inside; else it lies beside it."""
    return kind in EMBEDDING and not (kind == "video/avi" and path.stat().st_size > _LONGEST_AVI)


def media_type(path: Path) -> str:
    """The MIME type of a readable file by its content, `UNKNOWN` where its first bytes tell nothing."""
    with path.open("rb") as file:
        head = file.read(512)
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"AVI ": "video/avi"}.get(head[8:12], UNKNOWN)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[4:8] == b"ftyp":
        return _iso_type(head)
    if head[4:8] in _QUICKTIME_ATOMS:
        return "video/quicktime"
    if any(head[first : first + 2 * step : step] == b"GG" for first, step in ((0, 188), (4, 192))):
        return "video/mp2t"
    return UNKNOWN


def _iso_type(head: bytes) -> str:
    """The kind of an ISO base media file by the brands of its first box (ISO/IEC 14496-12 4.3)."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12]} | {head[i : i + 4] for i in range(16, size - 3, 4)}
    return next((kind for brand, kind in _BRANDS if brand in brands), "video/mp4")
