"""Where a film may be cut, so that its parts can be worked on one by one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Self

import av

from omote.errors import InputError
from omote.media import probing
from omote.media.film import FRAME_PER_PACKET, FilmSource, Stamps
from omote.media.sniff import reason
from omote.media.types import MAX_PIXELS, Frame, MediaInfo

_LEAST, _MOST = Fraction(1, 2), Fraction(3, 2)
"""How long a segment may be, as a fraction of the wanted length, for the sake of a key frame."""
_INDEXED = ("mov,", "matroska,", "avi", "mpegts")
"""Formats in which one can jump, by the beginnings of libav's names; in others the film is one segment."""
_LOST = 0.02
"""Share of the frames that may be missing before a film counts as damaged."""


@dataclass(frozen=True)
class Segment:
    """A part of a film, by time stamps in the time base of its pictures.

    `stamps` are those of its first frame and of the first frame after it, None where the part is open;
    `frames` is how many the container promises.
    """

    stamps: Stamps
    frames: int


@dataclass(frozen=True)
class CutFilm:
    """A film, or a span of it, as a list of segments that follow each other without gap.

    `begin` and `until` are the span in seconds on the film's own clock, None where it is open; `shift` is
    what is taken off every time stamp, in units of the time base.
    """

    info: MediaInfo
    segments: tuple[Segment, ...]
    begin: Fraction | None = None
    until: Fraction | None = None
    shift: int = 0

    @property
    def frames(self) -> int:
        """How many frames the container promises."""
        return sum(segment.frames for segment in self.segments)

    def require(self, found: int) -> list[str]:
        """What to say of frames that could not be decoded; raises InputError if they are too many."""
        info, promised = self.info, self.frames
        lost = promised - found
        if info.codec not in FRAME_PER_PACKET or lost <= 0:
            return []
        if lost > promised * _LOST:
            raise InputError(
                f"{info.path}: {lost} of {promised} frames cannot be decoded: truncated or damaged; "
                "fetch it again"
            )
        return [f"{info.path.name}: {lost} damaged frames were left out"]


def cut_film(
    info: MediaInfo,
    *,
    seconds: float,
    start: float | None = None,
    end: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> CutFilm:
    """Cut a film into segments of about `seconds`, at its key frames where there are some.

    Between half and one and a half times the wanted length the key frame nearest to it is taken: there a
    decoder can begin, and there are most of the film's own cuts. Without one the cut is made all the same,
    and decoding begins at the key frame before. A film whose packets do not all say when they are shown, or
    in which one cannot jump, is one segment. Reads the file once, without decoding it.

    Args:
        info: of a film that is no animated picture.
        seconds: wanted length of a segment.
        start: where the span begins, in seconds.
        end: where it ends.
        max_pixels: largest frame that is accepted.

    Raises:
        InputError: the film cannot be read, or has no frames in the span.
    """
    source = FilmSource(info, start=start, end=end, threads=1, max_pixels=max_pixels)
    first, last = source.span()
    source.close()
    stamps, keys = _stamps(info.path)
    whole = len(stamps) if stamps else info.frames or 0
    if stamps is None or not info.format.startswith(_INDEXED):
        return CutFilm(info, (Segment((first, last), whole),), source.begin, source.until)
    inside = [s for s in stamps if (first is None or s >= first) and (last is None or s < last)]
    if not inside:
        raise InputError(f"{info.path}: has no frames between {start or 0:g} s and {end} s")
    length = Fraction(str(seconds)) / (info.time_base or Fraction(1, 1000))
    places = list(_places(inside, keys, length))
    edges = [first, *places, last]
    counts = [0, *(bisect_left(inside, place) for place in places), len(inside)]
    segments = tuple(
        Segment((edges[n], edges[n + 1]), counts[n + 1] - counts[n]) for n in range(len(edges) - 1)
    )
    shift = 0 if first is None else inside[0]
    return CutFilm(info, segments, source.begin, source.until, shift)


def _stamps(path: Path) -> tuple[list[int] | None, list[int]]:
    """When the frames are shown, in that order, and which of them are key frames; None if it is not said."""
    stamps, keys = [], []
    with probing.open_container(path) as container:
        stream = probing.video_stream(path, container)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all
        try:
            for packet in container.demux(stream):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None:
                    return None, []
                stamps.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{path}: damaged or cut off ({reason(error)})") from None
    stamps.sort()
    keys.sort()
    rising = all(a < b for a, b in pairwise(stamps))
    return (stamps, keys) if rising and stamps else (None, [])


def _places(stamps: Sequence[int], keys: Sequence[int], length: Fraction) -> Iterator[int]:
    """Time stamps of the frames that begin a new segment."""
    here, end = stamps[0], stamps[-1]
    while end - here > _MOST * length:
        wanted = here + length
        near = keys[bisect_left(keys, here + _LEAST * length) : bisect_left(keys, here + _MOST * length)]
        here = min(near or [stamps[bisect_left(stamps, wanted)]], key=lambda key: abs(key - wanted))
        yield here


class SegmentReader:
    """Iterates over the frames of one segment, once; each keeps the time stamp that it has in the whole film.

    The frames are those that a reader of the whole film gives, bit for bit. `threads` is for the decoder: 0
    lets it choose. `damaged` counts the frames that were decoded as well as could be.
    """

    def __init__(
        self, film: CutFilm, segment: Segment, *, threads: int = 0, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._source = FilmSource(film.info, cut=segment.stamps, threads=threads, max_pixels=max_pixels)
        self._frames = self._source.frames()

    @property
    def damaged(self) -> int:
        """Damaged frames so far."""
        return self._source.damaged

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
