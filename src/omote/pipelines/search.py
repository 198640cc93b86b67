"""Look through a whole film for faces before anything is done with them."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from omote.media import Frame, VideoReader
from omote.pipelines.clock import StageClock
from omote.pipelines.cuts import Seen
from omote.pipelines.flow import ordered_map, prefetch
from omote.pipelines.report import Progress, Reporter
from omote.pipelines.settings import PeopleSettings


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame stands: its time stamp as a reader of the same span gives it, its second of the film."""

    stamp: int
    second: float


def see_film(
    film: Path,
    settings: PeopleSettings,
    see: Callable[[Frame], Seen],
    threads: int,
    clock: StageClock,
    report: Reporter = lambda progress: None,
) -> Generator[tuple[Place, Seen], None, None]:
    """Say of every frame of a film what was found in it.

    Args:
        film: to search.
        settings: say which part of it, and what is too large.
        see: finds the faces of a frame; the time stamp of the frame is that in the whole film.
        threads: in which it is called.
        clock: counts the time.
        report: called after every frame.
    """
    with (
        VideoReader(film, start=settings.start, end=settings.end, max_pixels=settings.max_pixels) as reader,
        ThreadPoolExecutor(threads, "omote-find") as executor,
    ):
        first = reader.info.start_pts or 0

        def look(frame: Frame) -> tuple[Place, Seen]:
            stamp = frame.pts + reader.shift
            place = Place(frame.pts, float((stamp - first) * frame.time_base))
            return place, see(replace(frame, pts=stamp))

        with (
            closing(prefetch(clock.each("decode", reader), depth=2)) as decoded,
            closing(ordered_map(look, decoded, executor, threads + 1)) as found,
        ):
            for done, item in enumerate(found, 1):
                yield item
                report(Progress(done, reader.info.frames))
