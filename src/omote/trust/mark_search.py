"""Looking for watermarks in files: whole pictures, and frames from two places of a film."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt

from omote.media import VideoReader, open_image, probe

ALGORITHM: Final = "org.omote.watermark.1"
"""The name of Omote's own mark in records (reverse DNS, as C2PA asks of algorithms that its list lacks)."""


@dataclass(frozen=True)
class FoundMark:
    """A watermark that was found: algorithm, identifier in hex digits, and how surely.

    `false_alarm` is an upper bound of the probability that a file without a mark gives such a finding.
    """

    algorithm: str
    value: str
    false_alarm: float


def search_mark(path: Path) -> FoundMark | None:
    """Omote's watermark in a picture or film, or None.

    Raises:
        InputError: the file cannot be decoded.
    """
    from omote.trust.watermark import find_mark

    for frames in _samples(path):
        reading = find_mark(frames)
        if reading is not None:
            return FoundMark(ALGORITHM, f"{reading.identifier:012x}", reading.false_alarm)
    return None


def _samples(path: Path) -> Iterator[list[npt.NDArray[Any]]]:
    """A picture; or as many frames as a search wants from a film's beginning, then from its middle."""
    from omote.trust.watermark import FRAMES

    info = probe(path)
    if not info.is_film:
        yield [open_image(path).pixels]
        return
    for start in (None, info.duration / 2 if info.duration else None):
        with VideoReader(path, start=start) as film:
            yield [frame.pixels for frame in islice(film, FRAMES)]
        if not info.duration:
            return
