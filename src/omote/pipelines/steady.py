"""Take the tremble out of the meshes and points of a film, without lag."""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from omote.faces.face import Face

Item = TypeVar("Item")
Found = tuple[Item, list[Face]]

REACH = 2
"""How many frames before and after count."""
_TOLERANCE = 0.015
"""Movement, in eye distances per frame of distance, at which a neighbouring frame counts about a third."""


def steady(items: Iterable[Found[Item]]) -> Generator[Found[Item], None, None]:
    """Smooth every vertex over its neighbours in time, as far as it stands still.

    A bilateral filter: a vertex of a neighbouring frame counts by its distance in time and in place. What
    trembles is averaged; what really moves (lips, lids, a turning head), another person, or the other side
    of a cut is too far away to count. Items are held back by `REACH` frames and keep their order.
    """
    window: deque[Found[Item]] = deque()
    place = 0
    for item in items:
        window.append(item)
        if len(window) > place + REACH:
            yield _smoothed(window, place)
            if place == REACH:
                window.popleft()
            else:
                place += 1
    while place < len(window):
        yield _smoothed(window, place)
        place += 1


def _smoothed(window: Sequence[Found[Item]], place: int) -> Found[Item]:
    item, faces = window[place]
    first = max(0, place - REACH)
    neighbours = [
        (abs(number - place), window[number][1])
        for number in range(first, min(len(window), place + REACH + 1))
        if number != place
    ]
    return item, [_smooth_face(face, neighbours) for face in faces]


def _smooth_face(face: Face, neighbours: Sequence[tuple[int, list[Face]]]) -> Face:
    if face.mesh is None:
        return face
    # The points may be those of another network, with a tremble of their own; no pixel depends on the box.
    shapes = face.mesh, face.points
    totals = [shape.astype(np.float64) for shape in shapes]
    weights = [np.ones((len(shape), 1)) for shape in shapes]
    for distance, others in neighbours:
        other = _same(face, others)
        if other is None or other.mesh is None:
            continue
        reach = _TOLERANCE * face.eye_distance * distance
        for number, (shape, there) in enumerate(zip(shapes, (other.mesh, other.points), strict=True)):
            moved = np.linalg.norm(there - shape, axis=1, keepdims=True) / reach
            counts = np.exp(-(moved**2)) / distance
            totals[number] += counts * there
            weights[number] += counts
    mesh, points = (total / weight for total, weight in zip(totals, weights, strict=True))
    return replace(face, mesh=mesh.astype(np.float32), points=points.astype(np.float32))


def _same(face: Face, others: Sequence[Face]) -> Face | None:
    """The same face in another frame: by its track, or the nearest where there are no tracks."""
    if face.track is not None:
        return next((other for other in others if other.track == face.track), None)
    meshes = [other for other in others if other.mesh is not None]
    return min(meshes, key=lambda other: _apart(face, other), default=None)


def _apart(one: Face, other: Face) -> float:
    """Mean distance of two meshes in pixels."""
    assert one.mesh is not None
    assert other.mesh is not None
    return float(np.linalg.norm(one.mesh - other.mesh, axis=1).mean())
