"""Work on one segment of a film: find its faces, later swap them and encode the piece.

Both are done segment by segment, for all segments first the one and then the other. Between them the whole
film is known, so that what looks across frames sees no boundary between segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from omote.errors import InputError
from omote.media import Frame, changed_box
from omote.media.cutting import CutFilm, SegmentReader
from omote.media.pieces import Encoding, PieceWriter
from omote.media.sealed import SealedFile, SealedWriter
from omote.pipelines.clock import StageClock
from omote.pipelines.cuts import Seen
from omote.pipelines.flow import Sink, ordered_map, prefetch
from omote.pipelines.found import pack_seen, unpack_seen
from omote.pipelines.job import Job
from omote.pipelines.job_folder import JobFolder
from omote.pipelines.meant import Meant, beside, meant_faces
from omote.pipelines.settings import SwapSettings

Tick = Callable[[], None]
"""Called after every frame; what it raises ends the work, and the segment is left undone."""


@dataclass(frozen=True)
class FilmOrder:
    """All that a worker needs to know, in plain values that can be sent to other processes."""

    sources: tuple[Path, ...]
    settings: SwapSettings
    film: CutFilm
    folder: JobFolder
    encoding: Encoding


@dataclass(frozen=True)
class FindTask:
    """Find the faces of one segment."""

    number: int


@dataclass(frozen=True)
class SwapTask:
    """Swap the faces of one segment: for each frame its time stamp and what is meant."""

    number: int
    meant: tuple[tuple[int, Meant], ...]


Task = FindTask | SwapTask


class SegmentWork:
    """Does tasks, one at a time, with networks that stay open."""

    def __init__(self, order: FilmOrder, job: Job) -> None:
        self._order, self._job = order, job
        self._executor = ThreadPoolExecutor(order.settings.parallel, "omote-frame")
        self._depth = order.settings.parallel + 1

    def do(self, task: Task, tick: Tick) -> None:
        """Do a task; its result is a finished file in the job folder."""
        if isinstance(task, FindTask):
            self._find(task, tick)
        else:
            self._swap(task, tick)

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()

    def _reader(self, number: int) -> SegmentReader:
        film = self._order.film
        return SegmentReader(film, film.segments[number], max_pixels=self._order.settings.max_pixels)

    def _find(self, task: FindTask, tick: Tick) -> None:
        job = self._job
        job.clock = clock = StageClock()

        def find(frame: Frame) -> tuple[int, Seen]:
            return frame.pts, job.see(frame)

        stamps: list[int] = []
        seen: list[Seen] = []
        with (
            SealedWriter(self._order.folder.faces(task.number)) as file,
            self._reader(task.number) as reader,
            closing(prefetch(clock.each("decode", reader), depth=2)) as decoded,
            closing(ordered_map(find, decoded, self._executor, self._depth)) as results,
        ):
            for stamp, found in results:
                stamps.append(stamp)
                seen.append(found)
                tick()
            file.add(pack_seen(seen))
            counts = {"faces": sum(len(found.faces) for found in seen), "damaged": reader.damaged}
            file.seal({"stamps": stamps, **counts, "seconds": clock.seconds()})

    def _swap(self, task: SwapTask, tick: Tick) -> None:
        job, order = self._job, self._order
        job.clock = clock = StageClock()
        frames = swapped = empty = 0

        def swap(found: tuple[Frame, Meant]) -> tuple[Frame, int]:
            frame, meant = found
            pixels = job.swap(frame.pixels, meant.faces, meant.roles)
            return frame.with_pixels(pixels, changed=changed_box(frame.pixels, pixels)), len(meant.faces)

        def encode(frame: Frame) -> None:
            with clock.stage("encode"):
                writer.write(frame)

        with PieceWriter(order.folder.piece(task.number), order.film, order.encoding) as writer:
            with (
                self._reader(task.number) as reader,
                closing(prefetch(clock.each("decode", reader), depth=2)) as decoded,
                closing(beside(decoded, task.meant, order.film.info.path)) as meant,
                closing(ordered_map(swap, meant, self._executor, self._depth)) as results,
                Sink(encode, depth=2) as sink,
            ):
                for frame, count in results:
                    sink.put(frame)
                    frames += 1
                    swapped += count
                    empty += count == 0
                    tick()
            with clock.stage("encode"):
                writer.flush()
            counts = {"frames": frames, "swapped": swapped, "empty": empty}
            writer.seal({**counts, "seconds": clock.seconds()})


def swap_tasks(order: FilmOrder, job: Job) -> Iterator[SwapTask]:
    """Say for every frame of the film which faces are meant, and where they are, segment by segment.

    Raises:
        UsageError: the settings name a person whom the film does not show.
        NoFaceError: nobody looks like a reference photo, or the photo shows no face.
    """

    def found() -> Iterator[tuple[tuple[int, int], Seen]]:
        for number in range(len(order.film.segments)):
            stamps, frames = read_found(order.folder, number)
            yield from (((number, stamp), seen) for stamp, seen in zip(stamps, frames, strict=True))

    cast = job.cast(found(), order.film.info.path)
    meant = meant_faces(found(), largest=job.largest, cast=cast)
    for number, frames in groupby(meant, key=lambda item: item[0][0]):
        yield SwapTask(number, tuple((stamp, faces) for (_, stamp), faces in frames))


def read_found(folder: JobFolder, number: int) -> tuple[list[int], list[Seen]]:
    """The time stamps of a segment's frames and what was found in them. Raises InputError if damaged."""
    file = SealedFile(folder.faces(number))
    try:
        (block,) = file.records()
    except ValueError:
        raise InputError(f"{file.path}: damaged; --resume makes it anew") from None
    return file.head["stamps"], unpack_seen(block)
