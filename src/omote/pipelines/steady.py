"""Take the tremble out of the meshes of a film, without lag."""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from omote.faces.face import Face
from omote.faces.mesh import mesh_points

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
    total = face.mesh.astype(np.float64)
    weights = np.ones((len(total), 1))
    for distance, others in neighbours:
        meshes = [other.mesh for other in others if other.mesh is not None]
        if not meshes:
            continue
        gaps = [np.linalg.norm(mesh - face.mesh, axis=1, keepdims=True) for mesh in meshes]
        nearest = int(np.argmin([gap.mean() for gap in gaps]))
        moved = gaps[nearest] / (_TOLERANCE * face.eye_distance * distance)
        weight = np.exp(-(moved**2)) / distance
        total += weight * meshes[nearest]
        weights += weight
    mesh = (total / weights).astype(np.float32)
    # The points may be those of another network: they move as the mesh does.
    return replace(face, mesh=mesh, points=face.points + mesh_points(mesh) - mesh_points(face.mesh))
