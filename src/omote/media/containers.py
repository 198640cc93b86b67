"""Which suffix is which container, and which encoder goes into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omote.errors import UsageError
from omote.media import encoders
from omote.media.types import MediaInfo


@dataclass(frozen=True)
class Container:
    """A film container: libav's muxer and the families of codecs that players expect in it.

    `fallbacks` are the encoders for a source of another family, the first that is deep enough. Tracks with a
    codec of `unfit` cannot be held, although the muxer takes them; `sound` is what such sound becomes.
    """

    muxer: str
    families: frozenset[str]
    fallbacks: tuple[str, ...]
    sound: str
    unfit: frozenset[str] = frozenset()

    @property
    def suffixes(self) -> str:
        """The container's suffixes, for messages."""
        return " ".join(suffix for suffix, container in CONTAINERS.items() if container is self)


_MP4 = Container("mp4", frozenset({"h264", "hevc", "av1", "vp9"}), ("x264",), "aac")
_NOT_IN_TS = frozenset({"flac", "vorbis", "subrip", "ass", "webvtt", "mov_text"})
_TS = Container("mpegts", frozenset({"h264", "hevc"}), ("x264",), "aac", _NOT_IN_TS)
CONTAINERS: Final = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", frozenset({"h264", "hevc", "prores", "mjpeg"}), ("x264",), "aac"),
    ".mkv": Container(
        "matroska",
        frozenset({"h264", "hevc", "av1", "vp9", "prores", "ffv1", "mjpeg", "mpeg4"}),
        ("x264",),
        "flac",
    ),
    ".webm": Container("webm", frozenset({"vp9", "av1"}), ("vp9", "av1"), "libopus"),
    ".avi": Container(
        "avi",
        frozenset({"mpeg4", "mjpeg", "ffv1"}),
        ("mpeg4", "ffv1"),
        "libmp3lame",
        frozenset({"aac", "opus", "vorbis", "flac"}),
    ),
    ".ts": _TS,
    ".m2ts": _TS,
}
ANIMATIONS: Final = (".gif", ".webp", ".apng", ".png")
FILM_SUFFIXES: Final = (*CONTAINERS, ".gif", ".webp", ".apng")


def require_film_suffix(path: Path) -> str:
    """The lower-case suffix of a film to be written. Raises UsageError for one that is not known."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS and suffix not in ANIMATIONS:
        raise UsageError(f"{path}: unknown kind of film '{suffix}'; name it {', '.join(FILM_SUFFIXES)}")
    return suffix


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
        if entry.family not in container.families:
            raise UsageError(f"{path}: {path.suffix} files do not hold {entry.title}; write .mkv, which does")
        return entry
    family = [e for e in encoders.ENCODERS.values() if e.family == info.codec and not e.hardware]
    usual = [encoders.ENCODERS[name] for name in container.fallbacks]
    candidates = [e for e in (*family, *usual) if e.family in container.families]
    for entry in candidates:
        if not encoders.pixel_format(entry, info).shallower:
            return entry
    return candidates[0]
