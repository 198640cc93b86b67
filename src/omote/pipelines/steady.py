"""Take the tremble out of the meshes and points of a film, without lag."""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from omote.faces.face import Face
from omote.faces.pose import head_pose

Item = TypeVar("Item")
Found = tuple[Item, list[Face]]

REACH = 2
"""How many frames before and after count."""
_BEND = 0.01
"""Distance, in eye distances, from the middle of two neighbours at which that counts about a third."""
_STEP = 0.015
"""Movement, in eye distances per frame, at which a single neighbour counts about a third."""


def steady(items: Iterable[Found[Item]]) -> Generator[Found[Item], None, None]:
    """Smooth every vertex over its neighbours in time, as far as it stands still.

    A bilateral filter in time: where a vertex was so many frames before and where it is as many after have
    their middle on its way, also while it moves; the middle counts by its distance from the vertex and in
    time. So what trembles is averaged, and what turns round (lips, lids, a nod) is too far from that middle
    to lose its height. Where only one neighbour is known it counts if the vertex stands still. Items are held
    back by `REACH` frames and keep their order.
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
    for distance in range(1, REACH + 1):
        known = [_same(face, others) for apart, others in neighbours if apart == distance]
        found = [
            (other.mesh, other.points) for other in known if other is not None and other.mesh is not None
        ]
        if not found:
            continue
        tolerance = (_BEND if len(found) == 2 else _STEP * distance) * face.eye_distance
        for number, (shape, *there) in enumerate(zip(shapes, *found, strict=True)):
            middle = np.mean(there, 0, np.float64)
            bent = np.linalg.norm(middle - shape, axis=1, keepdims=True) / tolerance
            counts = len(found) * np.exp(-(bent**2)) / distance
            totals[number] += counts * middle
            weights[number] += counts
    mesh, points = (
        (total / weight).astype(np.float32) for total, weight in zip(totals, weights, strict=True)
    )
    # How far a face fades follows from its pose, which must not tremble either.
    pose = None if face.pose is None else head_pose(mesh)
    return replace(face, mesh=mesh, points=points, pose=pose)


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
