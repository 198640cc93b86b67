"""Who is who from frame to frame: faces joined into tracks by where they are and whom they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from omote.faces.face import Array, Face
from omote.faces.identity import unit_vectors

REMEMBERED = 5
"""How many frames a face may be missing from its track."""
_REACH = 0.5
"""How far a face may be from where its track expects it, in sides of its box."""
_GROWTH = 0.7
"""How much larger or smaller a face may be than the last of its track: logarithm of the ratio of sides."""
_STRANGER = 0.15
"""Faces less alike than this are not joined where there is any doubt."""
_LOOKS = 0.5
"""What a difference of looks counts, beside a distance in sides of the box."""
_HELD = 0.8
"""Share of its velocity that a track keeps from frame to frame: heads do not fly on."""


class Tracker:
    """Numbers faces, frame after frame: the same face keeps its number while it is seen.

    A track expects its face where the last movement leads. The nearest pairs of tracks and faces are joined
    first; where both have embeddings, unlike looks count as distance. If a face was missing, or another is
    near, a stranger is refused. A cut ends all tracks, being missed for more than `REMEMBERED` frames ends
    one. Numbers are never used again. For use by one thread; frames must come in their order.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._next = 0

    def update(self, faces: Sequence[Face], *, cut: bool = False) -> list[Face]:
        """Return the faces of the next frame, in their order, each with its `track`.

        Args:
            faces: of one frame; embeddings are of unit length.
            cut: whether a new shot begins with this frame.
        """
        if cut:
            self._tracks = []
        joined = self._join(faces)
        result = []
        for number, face in enumerate(faces):
            track = joined.get(number)
            if track is None:
                track = _Track(self._next, face)
                self._next += 1
                self._tracks.append(track)
            else:
                track.follow(face)
            result.append(replace(face, track=track.number))
        seen = {face.track for face in result}
        for track in self._tracks:
            track.missed = 0 if track.number in seen else track.missed + 1
        self._tracks = [track for track in self._tracks if track.missed <= REMEMBERED]
        return result

    def _join(self, faces: Sequence[Face]) -> dict[int, _Track]:
        """The track of each face that has one, by the face's place."""
        pairs = [
            (distance, place, number)
            for place, track in enumerate(self._tracks)
            for number, face in enumerate(faces)
            if (distance := track.distance(face, _crowded(face, faces))) is not None
        ]
        joined: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, place, number in sorted(pairs):
            if place not in taken and number not in joined:
                taken.add(place)
                joined[number] = self._tracks[place]
        return joined


@dataclass
class _Track:
    number: int
    face: Face
    missed: int = 0

    def __post_init__(self) -> None:
        self._velocity = np.zeros(2, np.float32)
        self._looks: Array | None = self.face.embedding

    def follow(self, face: Face) -> None:
        moved = (_centre(face) - _centre(self.face)) / (self.missed + 1)
        self._velocity = np.asarray((self._velocity + moved) / 2, np.float32)
        if face.embedding is not None:
            self._looks = face.embedding if self._looks is None else self._looks + face.embedding
        self.face = face

    def distance(self, face: Face, crowded: bool) -> float | None:
        """How ill a face fits, in sides of its box; None if it cannot be the same."""
        gap = self.missed + 1
        travel = self._velocity * _HELD * (1 - _HELD**gap) / (1 - _HELD)
        sides = _side(face), _side(self.face)
        distance = float(np.linalg.norm(_centre(face) - _centre(self.face) - travel)) / max(sides)
        growth = abs(float(np.log(sides[0] / sides[1])))
        if distance > _REACH or growth > _GROWTH:
            return None
        if face.embedding is None or self._looks is None:
            return distance + growth
        alike = float(unit_vectors(self._looks) @ face.embedding)
        # A hand before a face changes its looks, too: they decide only where there is a choice.
        if alike < _STRANGER and (crowded or self.missed):
            return None
        return distance + growth + _LOOKS * (1 - alike)


def crowded(faces: Sequence[Face]) -> list[bool]:
    """Which faces of a frame have another one so near that the two might be confused."""
    return [_crowded(face, faces) for face in faces]


def _crowded(face: Face, faces: Sequence[Face]) -> bool:
    return any(
        other is not face
        and float(np.linalg.norm(_centre(face) - _centre(other))) < 1.5 * max(_side(face), _side(other))
        for other in faces
    )


def _centre(face: Face) -> Array:
    return np.asarray((face.box[:2] + face.box[2:]) / 2, np.float32)


def _side(face: Face) -> float:
    return max(float(np.sqrt(max(face.area, 0.0))), 1.0)
