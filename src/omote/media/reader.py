"""Reading a film, whatever it is kept in: one class for containers and animated pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from omote.errors import InputError, UsageError
from omote.media.film import FilmSource
from omote.media.probing import probe
from omote.media.types import MAX_PIXELS, Frame, MediaInfo


class _Source(Protocol):
    info: MediaInfo
    warnings: list[str]
    shift: int
    begin: Fraction | None
    until: Fraction | None

    def frames(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class VideoReader:
    """Iterates over the Frames of a film or an animated picture, once, with flat memory.

    `start` and `end` are seconds from the beginning: frames with `start <= time < end` are given, and their
    time stamps are shifted so that the first one is 0. Without them every time stamp is the file's own.
    `threads` is for the decoder: 0 lets it choose.

    Every promised frame is given or InputError is raised: the film is truncated, damaged, no film at all,
    or larger than `max_pixels` a frame. `warnings` tells of what was mended on the way.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        start: float | None = None,
        end: float | None = None,
        max_pixels: int = MAX_PIXELS,
        threads: int = 0,
    ) -> None:
        if start is not None and start < 0:
            raise UsageError(f"--start must not be negative, got {start:g}")
        if end is not None and end <= (start or 0):
            raise UsageError(f"--end ({end:g} s) must come after --start ({start or 0:g} s)")
        self.info = probe(path, max_pixels=max_pixels)
        self.start, self.end = start, end
        if not self.info.is_film:
            raise InputError(f"{path}: is a picture, not a film; open it with open_image")
        if start is not None and self.info.duration is not None and start >= self.info.duration:
            raise UsageError(f"--start {start:g} lies beyond the end of {path} ({self.info.duration:.2f} s)")
        self._source: _Source
        if self.info.extra.get("animation"):
            from omote.media.animation import AnimationSource

            self._source = AnimationSource(self.info, start=start, end=end)
        else:
            self._source = FilmSource(self.info, start=start, end=end, threads=threads, max_pixels=max_pixels)
        self._frames = self._source.frames()

    @property
    def warnings(self) -> list[str]:
        """One line for each thing that had to be mended; grows while reading."""
        return self._source.warnings

    @property
    def shift(self) -> int:
        """What was taken off every time stamp (in `info.time_base`); known after the first frame."""
        return self._source.shift

    @property
    def begin(self) -> Fraction | None:
        """Where the wanted span begins on the film's own clock, in seconds; None for the whole film."""
        return self._source.begin

    @property
    def until(self) -> Fraction | None:
        """Where the wanted span ends on the film's own clock, in seconds; None if it is open."""
        return self._source.until

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def __next__(self) -> Frame:
        return next(self._frames)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
