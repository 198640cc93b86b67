"""A swapped film beside the untouched one: the same measures of both, face by face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.evaluation.folders import eight_bits
from omote.evaluation.steadiness import (
    colour_flicker,
    face_colour,
    identity_flicker,
    jerk,
    still_steps,
    warped_difference,
)
from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.identity import identify
from omote.faces.protocols import Recogniser
from omote.faces.topology import FACE_OVAL
from omote.faces.tracking import Tracker
from omote.media import VideoReader
from omote.pipelines.cuts import Seen, mark_cuts, thumbnail

Pixels = npt.NDArray[np.uint8]

_NEAR = 0.5
"""How far, in eye distances, the same face may be in the two films."""


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Measures of one face along its track, or the means over several; see `omote.evaluation.steadiness`."""

    jerk: float
    warped: float
    identity: float
    colour: float


@dataclass(frozen=True, slots=True)
class TrackPair:
    """One track of the untouched film, and the same place in the swapped one.

    Attributes:
        first: number of the first frame.
        frames: how many there are.
        still: steps in which the head stands still.
        untouched: measures of the untouched film,
        swapped: and of the swapped.
        likeness: (T,) cosine of the face before and after, frame by frame; low where it was swapped.
        place: middle of the first box, in pixels.
    """

    first: int
    frames: int
    still: int
    untouched: Steadiness
    swapped: Steadiness
    likeness: npt.NDArray[np.float64]
    place: tuple[float, float]
    embeddings: npt.NDArray[np.float32] = field(repr=False)


def compare_films(
    untouched: Path, swapped: Path, finder: FaceFinder, recogniser: Recogniser, least: int = 8
) -> list[TrackPair]:
    """Measure all faces of a film before and after, in the order in which they appear.

    A frame in which a face is not found in both films ends its track. Memory grows by about 12 kB for every
    face of a frame.

    Args:
        untouched: the film as it was.
        swapped: what a swap made of it: the same frames.
        finder: finds the faces of both.
        recogniser: for flicker of identity.
        least: frames of a track that counts.

    Raises:
        InputError: a film cannot be read, or they have not the same frames.
    """
    tracker, last = Tracker(), None
    running: dict[int | None, _Track] = {}
    tracks: list[_Track] = []
    for number, (pair, cut) in enumerate(_pairs(untouched, swapped)):
        before, after = pair
        faces = tracker.update(identify(recogniser, before, finder.find(before)), cut=cut)
        others = identify(recogniser, after, finder.find(after))
        for face in faces:
            other = _nearest(face, others)
            if other is None:
                continue
            track = running.get(face.track)
            if track is None or track.last != number - 1:  # differences over time need neighbours
                track = running[face.track] = _Track(number)
                tracks.append(track)
            track.add(number, (face, other), pair, last)
        last = pair
    return [track.measured() for track in tracks if track.last - track.first + 1 >= least]


def _pairs(untouched: Path, swapped: Path) -> Iterator[tuple[tuple[Pixels, Pixels], bool]]:
    """The frames of both films, and where the untouched one is cut."""
    with VideoReader(untouched) as one, VideoReader(swapped) as other:

        def together() -> Iterator[tuple[tuple[Pixels, Pixels], Seen]]:
            for before in one:
                after = next(other, None)
                if after is None or after.pixels.shape != before.pixels.shape:
                    raise InputError(f"{swapped}: has not the frames of {untouched}")
                pixels = eight_bits(before.pixels), eight_bits(after.pixels)
                yield pixels, Seen([], thumbnail(pixels[0]))
            if next(other, None) is not None:
                raise InputError(f"{swapped}: has not the frames of {untouched}")

        with closing(mark_cuts(together())) as marked:
            for pixels, moment in marked:
                yield pixels, moment.cut


class _Track:
    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self._faces: list[tuple[Face, Face]] = []
        self._colours: list[list[npt.NDArray[np.float64]]] = []
        self._warped: list[tuple[float, float]] = []

    def add(
        self,
        number: int,
        faces: tuple[Face, Face],
        pair: tuple[Pixels, Pixels],
        last: tuple[Pixels, Pixels] | None,
    ) -> None:
        hull = _hull(faces[0])
        self._colours.append([face_colour(pixels, hull) for pixels in pair])
        if self._faces and last is not None:
            guide = last[0], pair[0]
            one, other = (warped_difference(last[n], pair[n], guide, hull) for n in range(2))
            self._warped.append((one, other))
        self._faces.append(faces)
        self.last = number

    def measured(self) -> TrackPair:
        untouched = [face for face, _ in self._faces]
        points = np.array([_points(face) for face in untouched])
        units = np.array([face.eye_distance for face in untouched])
        still = still_steps(points, units)
        embeddings = [np.array([faces[n].embedding for faces in self._faces]) for n in range(2)]
        colours = np.array(self._colours)
        warped = np.array(self._warped)
        both = [
            Steadiness(
                jerk(np.array([_points(faces[n]) for faces in self._faces]), units),
                float(warped[:, n].mean()),
                identity_flicker(embeddings[n], still),
                colour_flicker(colours[:, n], still),
            )
            for n in range(2)
        ]
        box = untouched[0].box
        return TrackPair(
            self.first,
            len(self._faces),
            int(still.sum()),
            both[0],
            both[1],
            np.asarray((embeddings[0] * embeddings[1]).sum(1), np.float64),
            (float(box[[0, 2]].mean()), float(box[[1, 3]].mean())),
            embeddings[1],
        )


def _points(face: Face) -> npt.NDArray[np.float32]:
    return face.points if face.mesh is None else face.mesh[:, :2]


def _hull(face: Face) -> npt.NDArray[np.float32]:
    if face.mesh is not None:
        return face.mesh[FACE_OVAL, :2]
    x0, y0, x1, y1 = face.box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def _nearest(face: Face, others: Sequence[Face]) -> Face | None:
    near = [(_distance(face, other), number) for number, other in enumerate(others)]
    distance, number = min(near, default=(np.inf, 0))
    return others[number] if distance <= _NEAR else None


def _distance(one: Face, other: Face) -> float:
    """Of two faces, in eye distances."""
    return float(np.linalg.norm(one.points.mean(0) - other.points.mean(0)) / max(one.eye_distance, 1e-6))
