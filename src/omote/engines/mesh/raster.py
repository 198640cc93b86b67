"""Piecewise-affine interpolation over a triangle mesh, all triangles at once."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Triangles = npt.NDArray[np.int32]


def interpolate(
    vertices: npt.ArrayLike, triangles: Triangles, values: npt.ArrayLike, size: int
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Spread values given at vertices over the pixels of a square, linearly inside each triangle.

    Where triangles overlap the nearest one (smallest mean z) wins. Triangles that run counter-clockwise as
    seen are drawn, as those of a frontal face do; those that run clockwise face away and are not.

    Args:
        vertices: (V, 3) x, y in pixels and z.
        triangles: (T, 3) vertex numbers.
        values: (V, C) one row per vertex.
        size: side of the square in pixels.

    Returns:
        (size, size, C) float32, 0 where no triangle lies, and (size, size) bool, where one does.
    """
    triangles = triangles[:, ::-1]  # clockwise has a positive area where y points down
    corners = np.asarray(vertices, np.float32)[triangles]
    # Nearest last: later writes win.
    order = np.argsort(-corners[:, :, 2].mean(1))
    corners, triangles = corners[order], triangles[order]
    doubled_area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = doubled_area > 1e-3
    corners, triangles, doubled_area = corners[facing], triangles[facing], doubled_area[facing]

    numbers, x, y = _pixels_of_boxes(corners[..., :2], size)
    weights = _barycentric(corners, doubled_area)
    w1 = weights[numbers, 0, 0] * x + weights[numbers, 0, 1] * y + weights[numbers, 0, 2]
    w2 = weights[numbers, 1, 0] * x + weights[numbers, 1, 1] * y + weights[numbers, 1, 2]
    inside = (w1 >= -1e-4) & (w2 >= -1e-4) & (w1 + w2 <= 1.0001)

    owner = np.full(size * size, -1, np.int32)
    owner[(y * size + x)[inside]] = numbers[inside]
    covered = np.flatnonzero(owner >= 0)

    # Per triangle, each value is an affine function of x and y.
    at_corners = np.asarray(values, np.float32)[triangles]
    base, edges = at_corners[:, 0], at_corners[:, 1:] - at_corners[:, :1]
    affine = np.einsum("tec,tek->tkc", edges, weights)
    affine[:, 2] += base
    mine = affine[owner[covered]]
    px, py = (covered % size).astype(np.float32), (covered // size).astype(np.float32)
    result = np.zeros((size * size, mine.shape[2]), np.float32)
    result[covered] = mine[:, 0] * px[:, None] + mine[:, 1] * py[:, None] + mine[:, 2]
    return result.reshape(size, size, -1), (owner >= 0).reshape(size, size)


def _cross(a: Array, b: Array) -> Array:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _barycentric(corners: Array, doubled_area: Array) -> Array:
    """(T, 2, 3): the weights of the second and third corner as affine functions of x, y and 1."""
    a, b, c = corners[:, 0, :2], corners[:, 1, :2], corners[:, 2, :2]
    to_b = np.stack([c[:, 1] - a[:, 1], a[:, 0] - c[:, 0], _cross(c, a)], 1)
    to_c = np.stack([a[:, 1] - b[:, 1], b[:, 0] - a[:, 0], _cross(a, b)], 1)
    return (np.stack([to_b, to_c], 1) / doubled_area[:, None, None]).astype(np.float32)


def _pixels_of_boxes(
    corners: Array, size: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Every pixel of every triangle's bounding box: triangle numbers, x and y, triangle by triangle."""
    low = np.clip(np.ceil(corners.min(1)), 0, size).astype(np.int32)
    high = np.clip(np.floor(corners.max(1)) + 1, 0, size).astype(np.int32)
    width, height = np.maximum(high - low, 0).T
    counts = width * height
    numbers = np.repeat(np.arange(len(corners), dtype=np.int32), counts)
    starts = np.cumsum(counts) - counts
    within = np.arange(len(numbers), dtype=np.int32) - starts[numbers].astype(np.int32)
    rows = within // np.maximum(width, 1)[numbers]
    x = low[numbers, 0] + within - rows * width[numbers]
    return numbers, x.astype(np.int32), (low[numbers, 1] + rows).astype(np.int32)
