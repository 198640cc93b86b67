"""Which suffix is which container, and which encoder goes into it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av

from omote.errors import UsageError
from omote.media import encoders
from omote.media.types import MediaInfo


@dataclass(frozen=True)
class Container:
    """A film container: libav's muxer, the encoders to fall back on, and its usual codec for sound."""

    muxer: str
    fallbacks: tuple[str, ...]
    sound: str


_MP4 = Container("mp4", ("x264",), "aac")
_TS = Container("mpegts", ("x264",), "aac")
CONTAINERS: Final = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", ("x264", "prores"), "aac"),
    ".mkv": Container("matroska", ("x264",), "flac"),
    ".webm": Container("webm", ("vp9", "av1"), "libopus"),
    ".avi": Container("avi", ("mpeg4", "ffv1"), "libmp3lame"),
    ".ts": _TS,
    ".m2ts": _TS,
}
ANIMATIONS: Final = (".gif", ".webp", ".apng", ".png")
FILM_SUFFIXES: Final = (*CONTAINERS, ".gif", ".webp", ".apng")

# The formats allow these, but hardly anything plays them.
_UNPLAYABLE = {("mp4", "mjpeg"), ("mp4", "mpeg4"), ("mpegts", "mpeg4"), ("avi", "h264"), ("avi", "hevc")}


def require_film_suffix(path: Path) -> str:
    """The lower-case suffix of a film to be written. Raises UsageError for one that is not known."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS and suffix not in ANIMATIONS:
        raise UsageError(f"{path}: unknown kind of film '{suffix}'; name it {', '.join(FILM_SUFFIXES)}")
    return suffix


def holds(muxer: str, entry: encoders.Encoder) -> bool:
    """True if the container takes what the encoder writes."""
    if (muxer, entry.family) in _UNPLAYABLE:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            trial.add_stream(entry.codec)
    except ValueError:
        return False
    return True


def choose(path: Path, container: Container, info: MediaInfo, codec: str | None) -> encoders.Encoder:
    """The encoder asked for, or else the first that fits the container and keeps the source's bit depth.

    The source's own family comes first, then what the container usually holds. Raises UsageError if the one
    asked for is unknown, does not work here, or does not go into the container.
    """
    if codec is not None:
        entry = encoders.encoder(codec)
        if not encoders.opens(entry):
            raise UsageError(
                f"'{entry.name}' does not work on this machine; `omote doctor` lists those that do"
            )
        if not holds(container.muxer, entry):
            raise UsageError(f"{path}: {path.suffix} files cannot hold {entry.title}; write .mkv or .mov")
        return entry
    family = [e for e in encoders.ENCODERS.values() if e.family == info.codec and not e.hardware]
    usual = [encoders.ENCODERS[name] for name in container.fallbacks]
    candidates = [e for e in (*family, *usual) if holds(container.muxer, e)]
    for entry in candidates:
        if not encoders.pixel_format(entry, info).shallower:
            return entry
    return candidates[0]
