"""Crops brought to the size that a network takes, and what it gives brought back."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def stacked(crops: Sequence[Array], size: int) -> Array:
    """Bring square crops to one size: (N, N, 3) each → (B, size, size, 3)."""
    return np.stack([resized(crop, size) for crop in crops])


def resized(image: Array, size: int) -> Array:
    """Bring a square crop or mask to a size: averaged when it shrinks, linear when it grows."""
    if len(image) == size:
        return image
    way = cv2.INTER_AREA if len(image) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=way), np.float32)


def to_pixels(planes: Array) -> Array:
    """(B, 3, H, W) → (B, H, W, 3)."""
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1), np.float32)
