"""The journey of a frame: decode, find, swap, compose, encode."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy.typing as npt

from omote._version import __version__
from omote.compose import blend, match_colour, paste, to_float
from omote.compose.restore import restore_face
from omote.engines.swapper import Source, Swapper
from omote.errors import InputError, NoFaceError, UsageError
from omote.faces.align import align
from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
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
from omote.pipelines.choose import (
    make_finder,
    make_masking,
    make_restorer,
    make_source_finder,
    make_swapper,
    open_networks,
)
from omote.pipelines.clock import StageClock
from omote.pipelines.flow import Sink, ordered_map, prefetch
from omote.pipelines.follow import follow_largest
from omote.pipelines.settings import SwapSettings
from omote.pipelines.steady import steady
from omote.pipelines.together import apart
from omote.zoo import Card, Networks


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: frames done, and of how many (None when the file does not say)."""

    done: int
    total: int | None


Reporter = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class SwapReport:
    """What a swap did.

    Attributes:
        output: the file that was made.
        frames: pictures written.
        swapped: faces swapped, counted in every frame.
        empty: frames in which no face was found; they are as they were.
        seconds: wall time from start to finished file.
        stages: seconds of work per stage, summed over the workers.
        notes: what the user should know of the output, one line each.
        networks: the cards of the networks that were used, with their licences, and with the digest that the
            files were verified by.
    """

    output: Path
    frames: int
    swapped: int
    empty: int
    seconds: float
    stages: dict[str, float]
    notes: tuple[str, ...] = ()
    networks: tuple[Card, ...] = ()

    def record(self) -> dict[str, Any]:
        """What was done and by which networks under which licences, in plain types."""
        kept = ("name", "task", "licence", "terms", "consequence", "sha256")
        facts = ("frames", "swapped", "empty", "seconds", "notes")
        return {
            "omote": __version__,
            "output": str(self.output),
            **{name: getattr(self, name) for name in facts},
            "networks": [{name: getattr(card, name) for name in kept} for card in self.networks],
        }

    @property
    def frame_rate(self) -> float:
        """Frames per second of wall time."""
        return self.frames / max(self.seconds, 1e-9)


class Job:
    """One source person and one set of settings, ready to swap faces in any number of pictures.

    Args:
        sources: photos of the person; several are averaged.
        settings: see `SwapSettings`.
        swapper: the engine; the one that the settings name unless given.
        networks: where networks are opened; catalogue and store of this machine unless given.

    Raises:
        UsageError: the settings name a network that does not exist.
        ModelError: a network is not on this machine, or does not meet its contract.
        InputError: a source cannot be read.
        NoFaceError: a source shows no face, or not the one asked for.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        settings: SwapSettings,
        swapper: Swapper[Any] | None = None,
        networks: Networks | None = None,
    ) -> None:
        self.settings = settings
        self.networks = networks or open_networks(settings, settings.parallel)
        self.selection = Selection.parse(settings.face)
        self.finder = make_finder(settings, self.networks)
        self.swapper = swapper or make_swapper(settings, self.networks)
        self.masking, self.restored_masking = make_masking(settings, self.networks)
        self.restorer = make_restorer(settings, self.networks)
        self.clock = StageClock()
        chosen, finder = Selection.parse(settings.source_face), make_source_finder(settings, self.networks)
        self.identity = self.swapper.identity([self._source(path, chosen, finder) for path in sources])

    def _source(self, path: Path, selection: Selection, finder: FaceFinder) -> Source:
        info = probe(path, max_pixels=self.settings.max_pixels)
        if info.kind != "picture":
            raise InputError(f"{path}: a source must be a photo, this is a film")
        pixels = open_image(path, max_pixels=self.settings.max_pixels).pixels
        faces = finder.find(pixels, selection)
        if not faces:
            raise NoFaceError(
                f"{path}: no such face in the source photo (--source-face {self.settings.source_face})"
            )
        return Source(pixels, faces[0])

    def find(self, pixels: npt.NDArray[Any]) -> list[Face]:
        """Find the faces to swap in one picture, (H, W, 3) RGB uint8 or uint16."""
        with self.clock.stage("find"):
            return self.finder.find(pixels, self.selection)

    def find_rivals(self, pixels: npt.NDArray[Any]) -> list[Face]:
        """Find the faces that may be meant in one frame of a film; see `FaceFinder.find_rivals`."""
        with self.clock.stage("find"):
            return self.finder.find_rivals(pixels, self.selection)

    def swap(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> npt.NDArray[Any]:
        """Return the picture with each face swapped; the same array when there is none."""
        if not faces:
            return pixels
        result = pixels.copy()
        for group in apart(faces, self.swapper.crop_size):
            self._swap(result, group)
        if self.restorer is not None:
            with self.clock.stage("restore"):
                for face in faces:
                    restore_face(
                        result, face, self.restorer, self.settings.restore_blend, self.restored_masking
                    )
        return result

    def _swap(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> None:
        """Swap faces that lie apart, in place and in one batch."""
        settings, swapper = self.settings, self.swapper
        with self.clock.stage("swap"):
            crops = [align(pixels, face, swapper.template, swapper.crop_size(face)) for face in faces]
            swapped = swapper.swap(crops, self.identity)
        with self.clock.stage("compose"):
            news, vouched = [new.pixels for new in swapped], [new.mask for new in swapped]
            masks = self.masking.masks(crops, news, vouched)
            for crop, new, mask in zip(crops, news, masks, strict=True):
                target = to_float(crop.pixels)
                matched = match_colour(new, target, mask, settings.colour or swapper.colour)
                paste(pixels, crop, blend(matched, target, mask, settings.blend, settings.opacity))


def swap_file(
    sources: Sequence[Path],
    target: Path,
    output: Path,
    settings: SwapSettings | None = None,
    report: Reporter = lambda progress: None,
    swapper: Swapper[Any] | None = None,
    networks: Networks | None = None,
) -> SwapReport:
    """Put the source person's face into a photo or film.

    Args:
        sources: one or more photos of the person.
        target: photo or film.
        output: file to make; its suffix says its kind. It appears complete or not at all.
        settings: see `SwapSettings`.
        report: called after every frame.
        swapper: the engine; the one that the settings name unless given.
        networks: where networks are opened; catalogue and store of this machine unless given.

    Raises:
        UsageError: the output equals an input, or a setting is wrong.
        ModelError: a network is not on this machine, or does not meet its contract.
        InputError: a file cannot be read or written.
        NoFaceError: no face in a source, or none in the whole target.
    """
    settings = settings or SwapSettings()
    began = time.perf_counter()
    refuse_overwriting([*sources, target], output)
    info = probe(target, max_pixels=settings.max_pixels)
    still = info.kind == "picture"  # then one network may have all the cores
    networks = networks or open_networks(settings, 1 if still else settings.parallel)
    job = Job(sources, settings, swapper, networks)
    make = _picture_file if still else _film_file
    counts = make(job, target, output, report)
    return SwapReport(
        output=output,
        frames=counts.frames,
        swapped=counts.swapped,
        empty=counts.empty,
        seconds=time.perf_counter() - began,
        stages=job.clock.seconds(),
        notes=counts.notes,
        networks=tuple(
            replace(card, sha256=job.networks.store.expected(card)) for card in job.networks.opened
        ),
    )


def swap_picture(job: Job, picture: Picture) -> tuple[Picture, int]:
    """Swap faces in one picture; returns the new picture and how many faces were swapped."""
    faces = job.find(picture.pixels)
    pixels = job.swap(picture.pixels, faces)
    if picture.grey:
        # The new face comes in colour; a grey pixel is its own luma, so all others stay as they are.
        pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return replace(picture, pixels=pixels), len(faces)


@dataclass(frozen=True, slots=True)
class _Counts:
    frames: int
    swapped: int
    empty: int
    notes: tuple[str, ...] = ()


def _picture_file(job: Job, target: Path, output: Path, report: Reporter) -> _Counts:
    with job.clock.stage("decode"):
        picture = open_image(target, max_pixels=job.settings.max_pixels)
    result, swapped = swap_picture(job, picture)
    if not swapped:
        _refuse_no_face(target, job.settings)
    with job.clock.stage("encode"):
        save_image(output, result, quality=job.settings.quality)
    report(Progress(1, 1))
    return _Counts(1, swapped, int(swapped == 0))


def _film_file(job: Job, target: Path, output: Path, report: Reporter) -> _Counts:
    settings, clock = job.settings, job.clock
    frames = swapped = empty = 0
    with (
        VideoReader(target, start=settings.start, end=settings.end, max_pixels=settings.max_pixels) as reader,
        VideoWriter(
            output, reader, codec=settings.codec, quality=settings.quality, preset=settings.preset
        ) as writer,
        ThreadPoolExecutor(settings.parallel, "omote-frame") as executor,
    ):

        def find(frame: Frame) -> tuple[Frame, list[Face]]:
            return frame, job.find_rivals(frame.pixels)

        def swap(found: tuple[Frame, list[Face]]) -> tuple[Frame, int]:
            frame, faces = found
            pixels = job.swap(frame.pixels, faces)
            return frame.with_pixels(pixels, changed=changed_box(frame.pixels, pixels)), len(faces)

        def encode(frame: Frame) -> None:
            with clock.stage("encode"):
                writer.write(frame)

        depth = settings.parallel + 1
        # Closed in this order, so that no thread still decodes when an error or Ctrl-C closes the reader.
        with (
            closing(prefetch(clock.each("decode", reader), depth=2)) as decoded,
            closing(ordered_map(find, decoded, executor, depth)) as found,
            closing(follow_largest(found) if job.selection.rule == "largest" else found) as meant,
            closing(steady(meant)) as calm,
            closing(ordered_map(swap, calm, executor, depth)) as results,
            Sink(encode, depth=2) as sink,
        ):
            for frame, count in results:
                sink.put(frame)
                frames += 1
                swapped += count
                empty += count == 0
                report(Progress(frames, reader.info.frames))
        if frames and not swapped:
            _refuse_no_face(target, settings)
        notes = (*reader.warnings, *writer.warnings)
    return _Counts(frames, swapped, empty, notes)


def _refuse_no_face(target: Path, settings: SwapSettings) -> None:
    if not settings.allow_no_face:
        raise NoFaceError(
            f"{target}: no face found (--face {settings.face}); --allow-no-face copies it through"
        )


def refuse_overwriting(inputs: Sequence[Path], output: Path) -> None:
    """Raise UsageError if the output is one of the inputs, by whatever name."""
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise UsageError(f"{output}: the output would overwrite an input; choose another name")
