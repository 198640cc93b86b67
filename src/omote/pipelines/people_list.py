"""The list of people that `omote people` prints, and their contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError, NoFaceError
from omote.faces.face import Face
from omote.faces.identity import identify
from omote.media import Frame, Picture, VideoReader, open_image, probe
from omote.pipelines.choose import make_finder, make_recogniser, open_networks
from omote.pipelines.clock import StageClock
from omote.pipelines.cuts import Seen
from omote.pipelines.people import People, faces_as_people, people_of, quality, see
from omote.pipelines.report import Reporter
from omote.pipelines.search import see_film
from omote.pipelines.settings import PeopleSettings
from omote.zoo import Networks
from omote.zoo.devices import cores

_FACES = 4
"""Faces of a person on the contact sheet, at most."""
_SIDE, _BAR, _ROW = 160, 480, 172
"""Of a face, of the bar that shows the times, and of a row of the contact sheet, in pixels."""
_AROUND = 1.7
"""Side of a cut-out, in sides of the face's box."""
_PAUSE = 1.0
"""Two times on screen that are less than so many seconds apart are one."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A face of a person at a second of the film."""

    second: float
    face: Face


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A person of a film or photo.

    Attributes:
        number: by which `omote swap --map` knows the person.
        frames: in which the person is seen.
        seconds: on screen; 0 in a photo.
        spans: first and last second of each time on screen.
        sights: some faces at different times, the best first.
    """

    number: int
    frames: int
    seconds: float
    spans: tuple[tuple[float, float], ...]
    sights: tuple[Sight, ...]

    def record(self) -> dict[str, Any]:
        """In plain types."""
        best = self.sights[0]
        return {
            "person": self.number,
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "spans": [[round(first, 3), round(last, 3)] for first, last in self.spans],
            "best": {"second": round(best.second, 3), "box": best.face.box.astype(float).round(2).tolist()},
        }


def list_people(
    file: Path, settings: PeopleSettings, report: Reporter, networks: Networks | None = None
) -> list[Listed]:
    """Find out who is in a film or photo; in a photo every face is a person, from left to right.

    Raises:
        UsageError: a setting is wrong.
        InputError: the file cannot be read.
        NoFaceError: it shows nobody.
        ModelError: a network is not on this machine, or does not meet its contract.
    """
    threads = cores()
    networks = networks or open_networks(settings, threads)
    finder, recogniser = make_finder(settings, networks), make_recogniser(settings, networks)
    seconds = [0.0]
    if probe(file, max_pixels=settings.max_pixels).kind == "picture":
        pixels = open_image(file, max_pixels=settings.max_pixels).pixels
        people = faces_as_people(identify(recogniser, pixels, finder.find(pixels)))
    else:

        def look(frame: Frame) -> Seen:
            return see(frame, finder, recogniser)

        with closing(see_film(file, settings, look, threads, StageClock(), report)) as found:
            frames = list(found)
        seconds = [place.second for place, _ in frames]
        people = people_of(frames, settings.likeness)
    if not len(people):
        raise NoFaceError(f"{file}: shows nobody")
    return _listed(people, seconds)


def _listed(people: People, seconds: Sequence[float]) -> list[Listed]:
    lengths = [after - before for before, after in pairwise(seconds)]
    usual = float(np.median(lengths)) if lengths else 0.0
    result = []
    for number, person in enumerate(people.people):
        spans: list[tuple[float, float]] = []
        for stretch in person.stretches:
            first, last = seconds[stretch.first], seconds[stretch.last] + usual
            if spans and first - spans[-1][1] < _PAUSE:
                spans[-1] = spans[-1][0], max(last, spans[-1][1])
            else:
                spans.append((first, last))
        bests = sorted((stretch.best for stretch in person.stretches), key=lambda best: -quality(best[1]))
        sights = tuple(Sight(seconds[frame], face) for frame, face in bests[:_FACES])
        result.append(Listed(number, person.frames, person.frames * usual, tuple(spans), sights))
    return result


def contact_sheet(file: Path, people: Sequence[Listed], settings: PeopleSettings) -> Picture:
    """Faces of everybody with number and times, one row for each; the bar shows the film from end to end.

    Raises:
        InputError: the file cannot be read.
    """
    end = max(last for person in people for _, last in person.spans)
    columns = max(len(person.sights) for person in people)
    sheet = np.full((_ROW * len(people), columns * _ROW + _BAR + 16, 3), 255, np.uint8)
    for person in people:
        top = _ROW * person.number + 6
        for column, sight in enumerate(person.sights):
            left = _ROW * column + 6
            sheet[top : top + _SIDE, left : left + _SIDE] = cut_out(file, sight, settings)
        left = columns * _ROW
        _write(sheet, f"{person.number}", (left, top + 34), 1.2)
        if end:
            first, last = clock_time(person.spans[0][0]), clock_time(person.spans[-1][1])
            _write(sheet, f"{person.seconds:.1f} s on screen", (left, top + 68), 0.6)
            _write(sheet, f"{first} to {last}", (left, top + 96), 0.6)
            _draw_bar(sheet[top + 112 : top + 132, left : left + _BAR], person.spans, end)
    return Picture(sheet)


def _draw_bar(bar: npt.NDArray[np.uint8], spans: Sequence[tuple[float, float]], end: float) -> None:
    """Paint the times on screen into a bar that stands for the film."""
    bar[:] = 225
    for first, last in spans:
        left = int(first / end * _BAR)
        bar[:, left : max(int(last / end * _BAR), left + 2)] = (40, 110, 200)


def cut_out(file: Path, sight: Sight, settings: PeopleSettings, side: int = _SIDE) -> npt.NDArray[np.uint8]:
    """A face with some of its surroundings, (side, side, 3) uint8 RGB; beyond the picture it is grey.

    Raises:
        InputError: the file cannot be read.
    """
    pixels = _pixels_at(file, sight.second, settings)
    box = sight.face.box
    reach = max(float(max(box[2:] - box[:2])) * _AROUND / 2, 1.0)
    scale = side / (2 * reach)
    x, y = (float(value) for value in (box[:2] + box[2:]) / 2 - reach)
    matrix = np.array([[scale, 0, -x * scale], [0, scale, -y * scale]])
    # Shrinking by sampling alone would alias.
    softened = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale) if scale < 0.7 else pixels
    shown = cv2.warpAffine(softened, matrix, (side, side), borderValue=(200, 200, 200))
    return np.asarray(shown, np.uint8)


def _pixels_at(file: Path, second: float, settings: PeopleSettings) -> npt.NDArray[np.uint8]:
    if probe(file, max_pixels=settings.max_pixels).kind == "picture":
        return _eight_bits(open_image(file, max_pixels=settings.max_pixels).pixels)
    with VideoReader(file, start=max(second - 1e-4, 0), max_pixels=settings.max_pixels) as reader:
        for frame in reader:
            return _eight_bits(frame.pixels)
    raise InputError(f"{file}: no frame at {second:g} s")


def _eight_bits(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.asarray(pixels if pixels.dtype == np.uint8 else pixels // 257, np.uint8)


def clock_time(seconds: float) -> str:
    """As a player shows it: 1:02:03.4, or 2:03.4 within the first hour."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _write(sheet: npt.NDArray[np.uint8], text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1 + (size > 1), cv2.LINE_AA)
