"""Soft masks of a crop: where the new face shows (1) and where the picture stays as it is (0)."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def box_mask(size: int, blur: float = 0.15, padding: float | Sequence[float] = 0.0) -> Array:
    """Mask that is 1 in the middle of the crop and falls to exactly 0 at its border.

    Args:
        size: side of the crop in pixels.
        blur: width of the soft edge as a fraction of the size, 0..0.5.
        padding: width of the empty rim as a fraction of the size, 0..1: of all sides, or of the top, right,
            bottom and left one.

    Returns:
        (size, size) float32 in 0..1.
    """
    rims = [float(padding)] * 4 if isinstance(padding, int | float) else [float(rim) for rim in padding]
    top, right, bottom, left = rims
    near, far = (np.arange(size) + 0.5) / size, (size - np.arange(size) - 0.5) / size
    rows, columns = np.minimum(near - top, far - bottom), np.minimum(near - left, far - right)
    down, across = (
        smooth_step((distance - 0.5 / size) / max(blur, 1.0 / size)) for distance in (rows, columns)
    )
    return np.minimum(down[:, None], across[None, :])


def polygon_mask(points: npt.ArrayLike, size: int, grow: float = 0.0, feather: float = 0.0) -> Array:
    """Mask of a polygon with a soft edge on its inner side.

    Args:
        points: (N, 2) corners in crop pixels, in order.
        size: side of the crop in pixels.
        grow: moves the edge outwards (or inwards when negative), in pixels.
        feather: width of the soft edge in pixels; it lies inside the (grown) edge.

    Returns:
        (size, size) float32 in 0..1, exactly 0 outside.
    """
    corners = np.asarray(points, np.float64)
    mask = np.zeros((size, size), np.float32)
    # Only the surroundings of the polygon are looked at.
    low = np.clip(np.floor(corners.min(0)) - max(grow, 0) - 2, 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + max(grow, 0) + 3, 0, size).astype(int)
    width, height = high - low
    if width <= 0 or height <= 0:
        return mask
    filled = np.zeros((height, width), np.uint8)
    cv2.fillPoly(filled, [np.round((corners - low) * 16).astype(np.int32)], 1, shift=4)
    inside = _distance(filled)
    if grow > 0:
        inside -= _distance(1 - filled)
    elif grow < 0:
        inside[filled == 0] = grow
    mask[low[1] : high[1], low[0] : high[0]] = smooth_step((inside + grow) / max(feather, 1.0))
    return mask


def hull_mask(points: npt.ArrayLike, size: int, grow: float = 0.0, feather: float = 0.0) -> Array:
    """Mask of the convex hull of points; arguments as for `polygon_mask`."""
    hull = cv2.convexHull(np.asarray(points, np.float32).reshape(-1, 1, 2))
    return polygon_mask(hull[:, 0], size, grow, feather)


def filled_mask(filled: npt.NDArray[np.bool_], feather: float) -> Array:
    """Mask of a shape, (N, N) bool, with a soft edge of `feather` pixels on its inner side."""
    return smooth_step(_distance(filled.astype(np.uint8)) / max(feather, 1.0))


def soften_inside(mask: Array, sigma: float) -> Array:
    """Give a mask a soft edge that lies on its inner side.

    A Gaussian blur spreads half of the edge outside, over the hand or the hair that the mask leaves out. Of
    the blurred mask only the upper half is kept and stretched to 0..1: the edge begins at 0 where the mask
    ended and rises inwards. Specks and gaps that are thin against `sigma` go, as noise of a network should.

    Args:
        mask: (N, N) in 0..1.
        sigma: standard deviation of the blur in pixels; 0 leaves the mask as it is.
    """
    if sigma <= 0:
        return mask
    blurred = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)
    return (np.clip(blurred, 0.5, 1) - np.float32(0.5)) * 2


def shown_part(mask: Array) -> tuple[slice, slice]:
    """Rows and columns of the smallest box that holds what a mask shows; empty if it shows nothing."""
    x, y, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
    return slice(y, y + height), slice(x, x + width)


def _distance(filled: npt.NDArray[np.uint8]) -> Array:
    """Distance of every non-zero pixel to the nearest zero, in pixels."""
    return np.asarray(cv2.distanceTransform(filled, cv2.DIST_L2, cv2.DIST_MASK_3), np.float32)


def smooth_step(x: npt.ArrayLike) -> Array:
    """Cubic step from 0 (x ≤ 0) to 1 (x ≥ 1) with flat ends."""
    t = np.clip(np.asarray(x, np.float32), 0, 1)
    return t * t * (3 - 2 * t)
