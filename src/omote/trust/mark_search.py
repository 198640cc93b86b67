"""Looking for watermarks in files: in whole pictures, and in frames from two places of a film."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import numpy.typing as npt

from omote.media import MediaInfo, VideoReader, open_image, probe

ALGORITHM: Final = "org.omote.watermark.1"
"""The name of Omote's own mark in records (reverse DNS, as C2PA asks of algorithms that its list lacks)."""


class _Finding(Protocol):
    @property
    def identifier(self) -> int: ...
    @property
    def false_alarm(self) -> float: ...


_Find = Callable[[Iterable[npt.NDArray[Any]]], _Finding | None]


@dataclass(frozen=True)
class FoundMark:
    """A watermark that was found: its algorithm, its identifier in hex digits, and how surely.

    `false_alarm` is an upper bound of the probability that a file without a mark gives such a finding.
    """

    algorithm: str
    value: str
    false_alarm: float


def search_mark(path: Path) -> FoundMark | None:
    """The watermark in a picture or film, Omote's own or that of an installed package; None without one.

    Raises:
        InputError: the file cannot be decoded.
        ModelError: a package that offers watermarks is broken.
    """
    info = probe(path)
    for start in _starts(info):
        for algorithm, find in _finders():
            with _frames(info, start) as frames:
                found = find(frames)
            if found is not None:
                return FoundMark(algorithm, f"{found.identifier:012x}", found.false_alarm)
    return None


def _finders() -> Iterator[tuple[str, _Find]]:
    from omote.trust.watermark import find_mark, schemes

    yield ALGORITHM, find_mark
    for offered in schemes():
        scheme = offered.make()
        yield scheme.algorithm, scheme.find


def _starts(info: MediaInfo) -> tuple[float | None, ...]:
    """Where to look in a film, in seconds: at its beginning, then in its middle."""
    return (None, info.duration / 2) if info.is_film and info.duration else (None,)


@contextlib.contextmanager
def _frames(info: MediaInfo, start: float | None) -> Iterator[Iterator[npt.NDArray[Any]]]:
    """The picture, or as many frames of a film as a search wants."""
    from omote.trust.watermark import FRAMES

    if not info.is_film:
        yield iter([open_image(info.path).pixels])
        return
    with VideoReader(info.path, start=start) as film:
        yield (frame.pixels for frame in islice(film, FRAMES))
