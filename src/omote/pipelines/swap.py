"""The journey of a frame: decode, find, swap, encode; photos and films."""

import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from omote.engines.swapper import Swapper
from omote.errors import UsageError
from omote.media import (
    Frame,
    Picture,
    VideoReader,
    VideoWriter,
    changed_box,
    open_image,
    probe,
    save_image,
)
from omote.pipelines.choose import open_networks
from omote.pipelines.cuts import Seen
from omote.pipelines.examination import Examination
from omote.pipelines.film_job import FilmRequest, in_segments, refuse_no_face, swap_in_segments
from omote.pipelines.flow import Sink, ordered_map, prefetch
from omote.pipelines.job import Job
from omote.pipelines.meant import Meant, beside, meant_faces
from omote.pipelines.provenance import Provenance
from omote.pipelines.report import Counts, Progress, Reporter, SwapReport
from omote.pipelines.search import see_film
from omote.pipelines.settings import SwapSettings
from omote.zoo import Networks


def swap_file(
    sources: Sequence[Path],
    target: Path,
    output: Path,
    settings: SwapSettings | None = None,
    report: Reporter = lambda progress: None,
    swapper: Swapper[Any] | None = None,
    networks: Networks | None = None,
    *,
    resume: bool = False,
) -> SwapReport:
    """Put the source person's face into a photo or film.

    A long film is made segment by segment. What is finished lies in a job folder beside the output until the
    film is whole, so that a run that broke off can be gone on with; see `omote.pipelines.film_job`.

    Args:
        sources: one or more photos of the person.
        target: photo or film.
        output: file to make; its suffix says its kind. It appears complete or not at all.
        settings: see `SwapSettings`.
        report: called after every frame.
        swapper: the engine; the one that the settings name unless given.
        networks: where networks are opened; catalogue and store of this machine unless given.
        resume: go on with the unfinished job of this output, if there is one.

    Raises:
        UsageError: the output equals an input, a setting is wrong, or an unfinished job is in the way.
        ModelError: a network is not on this machine, or does not meet its contract.
        InputError: a file cannot be read or written.
        NoFaceError: no face in a source, or none in the whole target.
        RefusedError: no right to the source face is stated, or it does not hold; see `Examination`.
    """
    settings = settings or SwapSettings()
    began = time.perf_counter()
    refuse_overwriting([*sources, target], output)
    if settings.shared and (swapper is not None or networks is not None):
        raise UsageError("several workers open engines and networks of their own: give none, or workers=1")
    info = probe(target, max_pixels=settings.max_pixels)
    still = info.kind == "picture"  # then one network may have all the cores
    request = FilmRequest(tuple(sources), target, output, settings, resume)
    examination = Examination(settings, target)
    if not still and swapper is None and in_segments(request, info):
        counts = swap_in_segments(request, info, networks, examination, report)
    else:
        networks = networks or open_networks(settings, 1 if still else settings.parallel)
        job = Job(sources, settings, swapper, networks, examination.source)
        provenance = examination.permit(output, info)
        counts = (_picture_file if still else _film_file)(job, target, provenance, report)
        counts = replace(counts, stages=job.clock.seconds(), networks=job.cards)
    return SwapReport(
        output=output,
        frames=counts.frames,
        swapped=counts.swapped,
        empty=counts.empty,
        seconds=time.perf_counter() - began,
        stages=counts.stages,
        notes=counts.notes,
        networks=counts.networks,
        kept=counts.kept,
    )


def swap_picture(job: Job, picture: Picture, path: Path | str = "the photo") -> tuple[Picture, int]:
    """Swap faces in one picture; returns the new picture and how many faces were swapped.

    Args:
        job: does it.
        picture: the target.
        path: of the picture, for messages.
    """
    meant = job.meant(picture.pixels, path)
    pixels = job.swap(picture.pixels, meant.faces, meant.roles)
    if picture.grey:
        # The new face comes in colour; a grey pixel is its own luma, so all others stay as they are.
        pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return replace(picture, pixels=pixels), len(meant.faces)


def _picture_file(job: Job, target: Path, provenance: Provenance, report: Reporter) -> Counts:
    notes: list[str] = []
    with job.clock.stage("decode"):
        picture = open_image(target, max_pixels=job.settings.max_pixels)
    result, swapped = swap_picture(job, picture, target)
    if not swapped:
        refuse_no_face(target, job.settings)
    with job.clock.stage("mark"):
        result = provenance.marked(result)

    def publish(finished: Path) -> None:
        notes.extend(provenance.publish(finished, job.cards))

    with job.clock.stage("encode"):
        save_image(provenance.output, result, quality=job.settings.quality, publish=publish)
    report(Progress(1, 1))
    return Counts(1, swapped, int(swapped == 0), notes=tuple(notes))


def _film_file(job: Job, target: Path, provenance: Provenance, report: Reporter) -> Counts:
    settings, clock = job.settings, job.clock
    signing: list[str] = []

    def publish(finished: Path) -> None:
        signing.extend(provenance.publish(finished, job.cards))

    frames = swapped = empty = 0
    with (
        VideoReader(target, start=settings.start, end=settings.end, max_pixels=settings.max_pixels) as reader,
        VideoWriter(
            provenance.output,
            reader,
            codec=settings.codec,
            quality=settings.quality,
            preset=settings.preset,
            stamp=provenance.stamp,
            publish=publish,
        ) as writer,
        ThreadPoolExecutor(settings.parallel, "omote-frame") as executor,
    ):

        def find(frame: Frame) -> tuple[Frame, Seen]:
            return frame, job.see(frame)

        def swap(found: tuple[Frame, Meant]) -> tuple[Frame, int]:
            frame, meant = found
            pixels = job.swap(frame.pixels, meant.faces, meant.roles)
            return frame.with_pixels(pixels, changed=changed_box(frame.pixels, pixels)), len(meant.faces)

        def encode(frame: Frame) -> None:
            with clock.stage("encode"):
                writer.write(frame)

        def choose(decoded: Iterable[Frame]) -> Generator[tuple[Frame, Meant], None, None]:
            if job.recogniser is not None:  # who is who is known when the whole film is
                return beside(decoded, _cast_film(job, target, report), target)
            return meant_faces(ordered_map(find, decoded, executor, depth), largest=job.largest)

        depth = settings.parallel + 1
        # Closed in this order, so that no thread still decodes when an error or Ctrl-C closes the reader.
        with (
            closing(prefetch(clock.each("decode", reader), depth=2)) as decoded,
            closing(choose(decoded)) as meant,
            closing(ordered_map(swap, meant, executor, depth)) as results,
            Sink(encode, depth=2) as sink,
        ):
            for frame, count in results:
                sink.put(frame)
                frames += 1
                swapped += count
                empty += count == 0
                total = reader.info.frames
                report(Progress(frames, total) if job.recogniser is None else _half(frames, total, 1))
        if frames and not swapped:
            refuse_no_face(target, settings)
        notes = [*reader.warnings, *writer.warnings]
    return Counts(frames, swapped, empty, notes=(*notes, *signing))


def _cast_film(job: Job, target: Path, report: Reporter) -> Generator[tuple[int, Meant], None, None]:
    """Search the whole film; then say for the time stamp of every frame what is meant in it."""
    settings = job.settings

    def searched(progress: Progress) -> None:
        report(_half(progress.done, progress.total, 0))

    found = see_film(target, settings, job.see, settings.parallel, job.clock, searched)
    with closing(found):
        seen = [(place.stamp, frame) for place, frame in found]
    yield from meant_faces(seen, cast=job.cast(seen, target))


def _half(done: int, total: int | None, before: int) -> Progress:
    """Progress where all frames are gone through twice."""
    return Progress(done if total is None else (before * total + done) // 2, total)


def refuse_overwriting(inputs: Sequence[Path], output: Path) -> None:
    """Raise UsageError if the output is one of the inputs, by whatever name."""
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise UsageError(f"{output}: the output would overwrite an input; choose another name")
