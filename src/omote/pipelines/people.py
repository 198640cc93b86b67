"""Who is in a film: the tracks of its faces, grouped by identity."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from omote.faces.clusters import agglomerate
from omote.faces.face import Array, Face
from omote.faces.finder import FaceFinder
from omote.faces.identity import cosine, identify, unit_vectors
from omote.faces.protocols import Recogniser
from omote.faces.tracking import crowded
from omote.media import Frame
from omote.pipelines.cuts import Seen, thumbnail
from omote.pipelines.meant import linked

_EVERY = Fraction(1, 5)
"""Seconds between two embeddings of a face that nobody is near."""
LIKENESS = 0.5
"""Least cosine of two groups of one person's embeddings."""
LIKE = 0.35
"""Least cosine of a person and the same person elsewhere: on a photo, or in another part of the film."""
_TURNED = 0.2
"""Two parts of a track that are less alike than this are two people."""
_LOOKS = 2
"""Embeddings that there must be on both sides of where a track turns into another person."""
_TOGETHER = 2
"""Frames that two people must be seen side by side to be two, for a face may be detected twice at times."""
_UNSURE = 0.6
"""A stretch whose faces the detector and the mesh network are less sure of, at best, is nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A part of a track in which one person is seen.

    Attributes:
        track: its number.
        first: number of its first frame,
        last: and of its last.
        frames: in how many it was seen.
        embedding: (D,) unit length, the mean of the best.
        weight: how much was seen of it: the sum of the qualities of the embeddings.
        best: the frame in which the face was seen best, and the face.
        left: middle of the first face, in pixels from the left.
    """

    track: int
    first: int
    last: int
    frames: int
    embedding: Array
    weight: float
    best: tuple[int, Face]
    left: float


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody in a film: the stretches in which he is seen, in their order."""

    stretches: tuple[Stretch, ...]

    @property
    def frames(self) -> int:
        """In how many frames the person was seen."""
        return sum(stretch.frames for stretch in self.stretches)

    @property
    def first(self) -> int:
        """Number of the first frame."""
        return self.stretches[0].first

    @property
    def best(self) -> tuple[int, Face]:
        """The frame in which the face was seen best, and the face."""
        return max((stretch.best for stretch in self.stretches), key=lambda best: quality(best[1]))

    @property
    def embedding(self) -> Array:
        """(D,) unit length: the mean of all stretches."""
        return unit_vectors(sum(stretch.weight * stretch.embedding for stretch in self.stretches))


@dataclass(frozen=True, eq=False)
class People:
    """The people of a film, most seen first; those seen equally long from the left to the right."""

    people: tuple[Person, ...]
    _starts: dict[int, list[tuple[int, int]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts: dict[int, list[tuple[int, int]]] = {}
        for number, person in enumerate(self.people):
            for stretch in person.stretches:
                starts.setdefault(stretch.track, []).append((stretch.first, number))
        object.__setattr__(self, "_starts", {track: sorted(parts) for track, parts in starts.items()})

    def __len__(self) -> int:
        return len(self.people)

    def who(self, track: int, frame: int) -> int | None:
        """Number of the person whom a track shows at a frame; None if nobody can say."""
        parts = self._starts.get(track)
        if parts is None:
            return None
        return parts[max(bisect_right(parts, (frame, len(self.people))) - 1, 0)][1]

    def numbers_in(self, whole: People) -> list[int | None]:
        """For each of these people of a span the number among those of the whole film, None if not there."""
        numbers: list[int | None] = []
        for person in self.people:
            alike = whole.likeness(person.embedding)
            best = max(range(len(alike)), key=alike.__getitem__, default=None)
            numbers.append(best if best is not None and alike[best] >= LIKE else None)
        return numbers

    def likeness(self, embedding: Array) -> list[float]:
        """Cosine of an embedding and each person's."""
        return [float(cosine(person.embedding, embedding)) for person in self.people]


def quality(face: Face) -> float:
    """How well a face can be recognised, 0..1: large, seen from the front, and surely a face."""
    yaw, pitch, _ = face.pose or (0.0, 0.0, 0.0)
    turned = max(np.cos(np.deg2rad(yaw)), 0.05) ** 2 * max(np.cos(np.deg2rad(pitch)), 0.05)
    size = min(np.sqrt(max(face.area, 0.0)) / 112, 1.0)
    return float(turned * size * face.score * (1.0 if face.presence is None else face.presence))


def people_of(items: Iterable[tuple[object, Seen]], likeness: float = LIKENESS) -> People:
    """Group the faces of a whole film by person.

    A track is cut where its looks change for good; the parts are clustered by their mean embeddings; whoever
    are seen side by side are two. Parts that were never looked at closely, or that are hardly faces, are
    nobody.

    Args:
        items: the frames of the film in their order; some of the faces have embeddings, see `looked_at`.
        likeness: least cosine of two groups that are joined.
    """
    tracks: dict[int, _Track] = {}
    for number, (_, moment) in enumerate(linked(items)):
        for face in moment.faces:
            if face.track is not None:
                tracks.setdefault(face.track, _Track(face.track)).see(number, face)
    stretches = [stretch for track in tracks.values() for stretch in track.stretches()]
    groups = agglomerate(
        np.array([stretch.embedding for stretch in stretches]),
        np.array([stretch.weight for stretch in stretches]),
        _side_by_side(stretches),
        likeness,
    )
    members: dict[int, list[Stretch]] = {}
    for group, stretch in zip(groups, stretches, strict=True):
        members.setdefault(int(group), []).append(stretch)
    people = [Person(tuple(sorted(parts, key=lambda part: part.first))) for parts in members.values()]
    people.sort(key=lambda person: (-person.frames, person.first, person.stretches[0].left))
    return People(tuple(people))


class _Track:
    """What is remembered of a track: its frames, and the faces that were looked at closely."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._frames: list[int] = []
        self._known: list[tuple[int, Face]] = []
        self._left = self._sure = 0.0

    def see(self, number: int, face: Face) -> None:
        if not self._frames:
            self._left = float(face.box[[0, 2]].mean())
        self._frames.append(number)
        self._sure = max(self._sure, min(face.score, 1.0 if face.presence is None else face.presence))
        if face.embedding is not None:  # a mesh is nearly all that a face weighs
            self._known.append((number, replace(face, mesh=None, landmarks=None)))

    def stretches(self) -> list[Stretch]:
        """The people whom it shows, one after the other; none if that was no face, or never looked at."""
        if not self._known or self._sure < _UNSURE:
            return []
        parts = _parted(self._known)
        starts = [self._frames[0], *(part[0][0] for part in parts[1:])]
        places = [*(bisect_left(self._frames, start) for start in starts), len(self._frames)]
        return [
            _stretch(self._number, self._frames[place:after], part, self._left)
            for part, place, after in zip(parts, places, places[1:], strict=False)
        ]


def _parted(known: list[tuple[int, Face]]) -> list[list[tuple[int, Face]]]:
    """Cut a track where the looks before and after differ most, if they differ as those of two people do."""
    if len(known) < 2 * _LOOKS:
        return [known]
    before = np.cumsum([quality(face) * np.asarray(face.embedding) for _, face in known], 0)
    places = np.arange(_LOOKS, len(known) - _LOOKS + 1)
    alike = cosine(before[places - 1], before[-1] - before[places - 1])
    least = int(np.argmin(alike))
    if alike[least] >= _TURNED:
        return [known]
    place = int(places[least])
    return [*_parted(known[:place]), *_parted(known[place:])]


def _stretch(track: int, frames: list[int], known: Sequence[tuple[int, Face]], left: float) -> Stretch:
    rows = np.array([face.embedding for _, face in known])
    weights = np.array([quality(face) for _, face in known])
    mean = unit_vectors(weights @ rows)
    weights *= np.clip(rows @ mean, 0.05, 1)  # what is unlike the rest is a hand, or a blur
    best = max(known, key=lambda pair: quality(pair[1]))
    mean = unit_vectors(weights @ rows)
    return Stretch(track, frames[0], frames[-1], len(frames), mean, float(weights.sum()), best, left)


def _side_by_side(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
    """Pairs of stretches that are seen at the same time."""
    order = sorted(range(len(stretches)), key=lambda number: stretches[number].first)
    pairs = []
    for place, one in enumerate(order):
        for other in order[place + 1 :]:
            shared = min(stretches[one].last, stretches[other].last) - stretches[other].first + 1
            if stretches[other].first > stretches[one].last:
                break
            if shared >= min(_TOGETHER, stretches[one].frames, stretches[other].frames):
                pairs.append((one, other))
    return pairs


def faces_as_people(faces: Sequence[Face]) -> People:
    """The faces of one photo, each with its embedding, as so many people, in their order."""
    people = []
    for number, face in enumerate(faces):
        looks = np.asarray(face.embedding, np.float32)
        people.append(
            Person((Stretch(number, 0, 0, 1, looks, quality(face), (0, face), float(face.box[0])),))
        )
    return People(tuple(people))


def see(frame: Frame, finder: FaceFinder, recogniser: Recogniser) -> Seen:
    """Find all faces of a frame; in some frames, and where faces could be confused, with their embeddings.

    Which frames these are depends on the frame alone, so that it does not matter where a film is cut.
    """
    faces = finder.find(frame.pixels)
    close = [True] * len(faces) if _close_look(frame) else crowded(faces)
    chosen = [number for number, wanted in enumerate(close) if wanted]
    for number, face in zip(
        chosen, identify(recogniser, frame.pixels, [faces[n] for n in chosen]), strict=True
    ):
        faces[number] = face
    return Seen(faces, thumbnail(frame.pixels))


def _close_look(frame: Frame) -> bool:
    """Whether another `_EVERY` seconds are full while this frame is shown."""
    every = max(int(_EVERY / frame.time_base), 1)
    return (frame.pts % every) < (frame.duration or 0) or not frame.duration
