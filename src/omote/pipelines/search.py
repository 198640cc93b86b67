"""Look through a whole film for faces before anything is done with them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from pathlib import Path

from omote.media import Frame, VideoReader
from omote.pipelines.clock import StageClock
from omote.pipelines.cuts import Seen
from omote.pipelines.flow import ordered_map, prefetch
from omote.pipelines.report import Progress, Reporter
from omote.pipelines.settings import PeopleSettings, SwapSettings


def see_film(
    film: Path,
    settings: PeopleSettings,
    see: Callable[[Frame], Seen],
    executor: Executor,
    clock: StageClock,
    report: Reporter,
) -> Iterator[tuple[int, Seen]]:
    """Give the time stamp of every frame, and what was found in it.

    Args:
        film: to search.
        settings: say which part of it, and what is too large.
        see: finds the faces of a frame; it is called from several threads.
        executor: of these threads.
        clock: counts the time.
        report: called after every frame; the search is the first half of a swap.
    """

    def look(frame: Frame) -> tuple[int, Seen]:
        return frame.pts, see(frame)

    halves = 2 if isinstance(settings, SwapSettings) else 1
    depth = 3 if not isinstance(settings, SwapSettings) else settings.parallel + 1
    with (
        VideoReader(film, start=settings.start, end=settings.end, max_pixels=settings.max_pixels) as reader,
        closing(prefetch(clock.each("decode", reader), depth=2)) as decoded,
        closing(ordered_map(look, decoded, executor, depth)) as found,
    ):
        total = reader.info.frames
        for done, item in enumerate(found, 1):
            yield item
            report(Progress(done if total is None else done // halves, total))
