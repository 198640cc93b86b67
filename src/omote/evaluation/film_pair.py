"""A swapped film beside the untouched one: the same measures of both, face by face."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.evaluation.folders import eight_bits
from omote.evaluation.steadiness import (
    colour_flicker,
    contrast,
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
"""How far, in eye distances, the same face may be in the films."""
_SAME = 0.8
"""A face that is less alike itself before and after was swapped; coding and the watermark leave more."""
LEAST = 8
"""Frames of a track that counts."""


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Measures of one face along its track; see `omote.evaluation.steadiness`.

    Identity and colour are flicker of still stretches. The contrast says how much of `warped` is due to a
    face with more detail: one that slides alike has as much more of it.
    """

    jerk: float
    warped: float
    contrast: float
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
        swapped: of the swapped,
        recoded: and of the untouched one encoded anew, where there is such a film.
        likeness: (T,) cosine of the face before and after, frame by frame; low where it was swapped.
        place: middle of the first box, in pixels.
    """

    first: int
    frames: int
    still: int
    untouched: Steadiness
    swapped: Steadiness
    recoded: Steadiness | None
    likeness: npt.NDArray[np.float64] = field(repr=False)
    place: tuple[float, float]

    @property
    def changed(self) -> bool:
        """Whether the face is another one in the swapped film."""
        return bool(np.median(self.likeness) < _SAME)


def compare_films(
    untouched: Path,
    swapped: Path,
    finder: FaceFinder,
    recogniser: Recogniser,
    least: int = LEAST,
    recoded: Path | None = None,
    progress: Callable[[int], None] = lambda frames: None,
) -> list[TrackPair]:
    """Measure all faces of a film before and after, in the order in which they appear.

    A frame in which a face is not found in all films ends its track. Memory grows by about 12 kB for every
    face of a frame.

    Args:
        untouched: the film as it was.
        swapped: what a swap made of it: the same frames.
        finder: finds the faces of both.
        recogniser: for flicker of identity.
        least: frames of a track that counts.
        recoded: the untouched film encoded as the swapped one was, to tell the coder's share.
        progress: told how many frames were looked at.

    Raises:
        InputError: a film cannot be read, or they have not the same frames.
    """
    films = [untouched, swapped] if recoded is None else [untouched, swapped, recoded]
    tracker, last = Tracker(), None
    running: dict[int | None, _Track] = {}
    tracks: list[_Track] = []
    for number, (frames, cut) in enumerate(_together(films)):
        first, *found = (identify(recogniser, frame, finder.find(frame)) for frame in frames)
        for face in tracker.update(first, cut=cut):
            seen = [face, *(other for faces in found if (other := _nearest(face, faces)) is not None)]
            if len(seen) < len(films):
                continue
            track = running.get(face.track)
            if track is None or track.last != number - 1:  # differences over time need neighbours
                track = running[face.track] = _Track(number)
                tracks.append(track)
            track.add(number, seen, frames, last)
        last = frames
        progress(number + 1)
    return [track.measured() for track in tracks if track.last - track.first + 1 >= least]


def _together(films: Sequence[Path]) -> Iterator[tuple[list[Pixels], bool]]:
    """The frames of all films, side by side, and where the first is cut."""
    different = InputError(f"{films[1]}: has not the frames of {films[0]}")
    with ExitStack() as stack:
        first, *others = (stack.enter_context(VideoReader(film)) for film in films)

        def side_by_side() -> Iterator[tuple[list[Pixels], Seen]]:
            for frame in first:
                frames = [frame, *(after for other in others if (after := next(other, None)) is not None)]
                pixels = [eight_bits(frame.pixels) for frame in frames]
                if len(pixels) < len(films) or len({picture.shape for picture in pixels}) > 1:
                    raise different
                yield pixels, Seen([], thumbnail(pixels[0]))
            if any(next(other, None) is not None for other in others):
                raise different

        with closing(mark_cuts(side_by_side())) as marked:
            for pixels, moment in marked:
                yield pixels, moment.cut


class _Track:
    """A face that is seen in frames that follow each other; lists have an entry for each of the films."""

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self._faces: list[list[Face]] = []
        self._colours: list[list[npt.NDArray[np.float64]]] = []
        self._warped: list[list[float]] = []
        self._contrast: list[list[float]] = []

    def add(
        self, number: int, faces: list[Face], frames: Sequence[Pixels], last: Sequence[Pixels] | None
    ) -> None:
        hull = _hull(faces[0])
        self._colours.append([face_colour(pixels, hull) for pixels in frames])
        self._contrast.append([contrast(pixels, hull) for pixels in frames])
        if self._faces and last is not None:
            guide = last[0], frames[0]
            pairs = zip(last, frames, strict=True)
            self._warped.append([warped_difference(before, after, guide, hull) for before, after in pairs])
        self._faces.append(faces)
        self.last = number

    def measured(self) -> TrackPair:
        films = list(zip(*self._faces, strict=True))
        shapes = [np.array([_points(face) for face in faces]) for faces in films]
        units = np.array([face.eye_distance for face in films[0]])
        still = still_steps(shapes[0], units)
        embeddings = [np.array([face.embedding for face in faces]) for faces in films]
        colours, warped = np.array(self._colours), np.array(self._warped)
        contrasts = np.mean(self._contrast, axis=0)
        untouched, swapped, *recoded = (
            Steadiness(
                jerk=jerk(shapes[film], units),
                warped=float(warped[:, film].mean()),
                contrast=float(contrasts[film]),
                identity=identity_flicker(embeddings[film], still),
                colour=colour_flicker(colours[:, film], still),
            )
            for film in range(len(films))
        )
        box = films[0][0].box
        return TrackPair(
            self.first,
            len(self._faces),
            int(still.sum()),
            untouched,
            swapped,
            recoded[0] if recoded else None,
            np.asarray((embeddings[0] * embeddings[1]).sum(1), np.float64),
            (float(box[[0, 2]].mean()), float(box[[1, 3]].mean())),
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
