"""The crops in which MediaPipe's landmark network sees a face."""

import numpy as np
import numpy.typing as npt

from omote.faces.align import similarity, template, transform

Floats = npt.NDArray[np.float64]

SIZE = 192
# Side and rise in eye distances of crops by five points: around these the network is steadiest.
VIEWS = ((3.9, 0.15), (4.2, 0.1))
# Side in longer sides of the mesh's bounding box, of crops by a mesh.
MESH_VIEWS = (1.35, 1.5)


def view(points: npt.ArrayLike, side: float, rise: float, mirrored: bool = False) -> Floats:
    """Matrix from the picture to a crop `side` eye distances wide, raised by `rise` of them."""
    five = template("arcface_112_v2").astype(np.float64)
    distance = np.linalg.norm(five[1] - five[0])
    centre = five.mean(0) - (0, rise * distance)
    matrix = similarity(points, ((five - centre) / (side * distance) + 0.5) * SIZE - 0.5)
    return _mirror(matrix) if mirrored else matrix


def mesh_view(mesh: npt.ArrayLike, side: float, mirrored: bool = False) -> Floats:
    """Matrix from the picture to a crop about a mesh (478, 3), its eyes level."""
    flat = np.asarray(mesh, np.float64)[:468, :2]
    across = flat[263] - flat[33]
    cosine, sine = across / np.linalg.norm(across)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    upright = flat @ turn.T
    low, high = upright.min(0), upright.max(0)
    scale = SIZE / (side * (high - low).max())
    matrix = np.column_stack([turn * scale, (SIZE - 1) / 2 - (low + high) / 2 * scale])
    return _mirror(matrix) if mirrored else matrix


def to_picture(mesh: npt.ArrayLike, matrix: Floats) -> Floats:
    """A mesh (478, 3) in crop pixels → in picture pixels, z likewise; mirrored crops too."""
    crop = np.asarray(mesh, np.float64)
    linear = np.linalg.inv(matrix[:, :2])
    flat = transform(crop[:, :2] - matrix[:, 2], np.column_stack([linear, (0.0, 0.0)]))
    return np.column_stack([flat, crop[:, 2] / np.sqrt(abs(np.linalg.det(matrix[:, :2])))])


def _mirror(matrix: Floats) -> Floats:
    return np.asarray(matrix * [[-1], [1]] + [[0, 0, SIZE - 1], [0, 0, 0]])
