"""Detections as rows, (n, 15): score, box x0 y0 x1 y1, five points x y; and which of them stay."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from omote.faces.face import Face

Array = npt.NDArray[np.float32]

INSIDE = 0.8
"""A box of which more lies in that of a better face is a part of that face."""

_MOST = 4
"""How large a face may be, and how far from the picture's origin, in longer sides of the picture."""
SPREAD = 0.1
"""Pixels over which five points must be spread; from points in one place no crop follows."""


def sound(rows: Array, shape: tuple[int, ...]) -> Array:
    """Leave the rows, (n, 15), that can be faces of a picture of this shape, whatever a network gave.

    Dropped is what has a score of 0, a value that is no number, a box thinner than a pixel or several times
    the picture, or five points in one place.
    """
    most = _MOST * max(shape[:2])
    rows = rows[(rows[:, 0] > 0) & np.isfinite(rows[:, 0]) & (np.abs(rows[:, 1:]) <= most).all(1)]
    extent = rows[:, 3:5] - rows[:, 1:3]
    spread = np.ptp(rows[:, 5:].reshape(-1, 5, 2), axis=1).max(1)
    return np.asarray(rows[((extent >= 1) & (extent <= most)).all(1) & (spread >= SPREAD)], np.float32)


def faces_of(rows: Array) -> list[Face]:
    """Turn rows, (n, 15), into faces, largest first."""
    found = []
    for row in rows:
        xy = row[1:].reshape(7, 2)
        found.append(Face(box=xy[:2].ravel(), score=float(row[0]), points=xy[2:]))
    return largest_first(found)


def largest_first(faces: Sequence[Face]) -> list[Face]:
    """Return the faces sorted by the area of their boxes."""
    return sorted(faces, key=lambda face: -face.area)


def joint(faces: Sequence[Face], overlap: float, inside: float = INSIDE) -> list[Face]:
    """Leave one of every group of faces that several looks found twice; largest first.

    Args:
        faces: of one picture, from several looks at it.
        overlap: see `suppress`.
        inside: likewise.
    """
    boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
    scores = np.array([face.score for face in faces], np.float32)
    return largest_first([faces[index] for index in suppress(boxes, scores, overlap, inside)])


def suppress(boxes: Array, scores: Array, overlap: float, inside: float = 1.0) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (n, 4) x0 y0 x1 y1.
        scores: (n,).
        overlap: a box falls if its intersection over union with a better one is larger than this,
        inside: or if their intersection over the smaller of the two is.

    Returns:
        Indices of the boxes that stay, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        union, smaller = overlaps(boxes[best], boxes[rest])
        order = rest[(union <= overlap) & (smaller <= inside)]
    return np.array(kept, np.intp)


def vote(rows: Array, kept: npt.NDArray[np.intp], overlap: float = 0.5) -> Array:
    """Average every kept detection with those that it stands for, weighted by their scores.

    A face is seen from several cells, each a little wrong in its own way: the mean of their boxes and
    points is nearer the truth than the best of them (box voting, Gidaris & Komodakis 2015).

    Args:
        rows: (n, 15) score, box x0 y0 x1 y1, five points x y.
        kept: (k,) indices of the detections that stay.
        overlap: least intersection over union of those that count.

    Returns:
        (k, 15); the scores are those of the kept detections.
    """
    low, high = rows[:, 1:3], rows[:, 3:5]
    area = np.prod(high - low, axis=1)
    span = np.minimum(high[kept, None], high) - np.maximum(low[kept, None], low)
    shared = np.prod(np.maximum(span, 0), axis=2)
    weights = rows[:, 0] * (shared > overlap * (area[kept, None] + area - shared))
    voted = weights @ rows / np.maximum(weights.sum(1, keepdims=True), np.finfo(np.float32).tiny)
    voted[:, 0] = rows[kept, 0]
    return np.asarray(voted, np.float32)


def overlaps(box: Array, others: Array) -> tuple[Array, Array]:
    """Intersection of a box (4,) with others (n, 4): over the union, and over the smaller box."""
    span = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(span, 0), axis=1)
    mine, theirs = np.prod(box[2:] - box[:2]), np.prod(others[:, 2:] - others[:, :2], axis=1)
    union, smaller = np.maximum(mine + theirs - shared, 1e-9), np.maximum(np.minimum(mine, theirs), 1e-9)
    return np.asarray(shared / union, np.float32), np.asarray(shared / smaller, np.float32)
