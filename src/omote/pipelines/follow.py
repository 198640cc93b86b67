"""Stay with the same person through a film."""

from collections.abc import Generator, Iterable
from typing import TypeVar

import numpy as np

from omote.faces.face import Face
from omote.faces.finder import CLEARLY

Item = TypeVar("Item")
Found = tuple[Item, list[Face]]

_SAME = 0.3
"""Least overlap of a person's boxes in neighbouring frames."""


def follow_largest(items: Iterable[Found[Item]]) -> Generator[Found[Item], None, None]:
    """Choose one face per frame: the largest, but the same person as before while nobody is clearly larger.

    Two people of about one size would otherwise take turns. Each item comes with the faces that may be
    meant, and goes on with the one that is; see `FaceFinder.find_rivals`.
    """
    last: Face | None = None
    for item, faces in items:
        if not faces:
            yield item, faces
            continue
        chosen = max(faces, key=lambda face: face.area)
        if last is not None:
            overlap, same = max(((_overlap(face, last), face) for face in faces), key=lambda pair: pair[0])
            if overlap > _SAME and chosen.area < CLEARLY * same.area:
                chosen = same
        last = chosen
        yield item, [chosen]


def _overlap(one: Face, other: Face) -> float:
    """Intersection over union of two boxes."""
    span = np.minimum(one.box[2:], other.box[2:]) - np.maximum(one.box[:2], other.box[:2])
    shared = float(np.prod(np.maximum(span, 0)))
    return shared / (one.area + other.area - shared)
