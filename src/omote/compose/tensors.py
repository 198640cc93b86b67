"""Between crops, as Omote holds them, and the batches that networks take."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def stacked(crops: Sequence[Array], size: int) -> Array:
    """Bring square crops to one size: (N, N, 3) each → (B, size, size, 3)."""
    return np.stack([resized(crop, size) for crop in crops])


def resized(image: Array, size: int) -> Array:
    """Bring a square crop or mask to a size: averaged when it shrinks, linear when it grows."""
    if len(image) == size:
        return image
    way = cv2.INTER_AREA if len(image) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=way), np.float32)


def to_planes(
    batch: Array, mean: Sequence[float] = (0.0, 0.0, 0.0), std: Sequence[float] = (1.0, 1.0, 1.0)
) -> Array:
    """(B, H, W, 3) in 0..1 → (B, 3, H, W), less `mean`, over `std`."""
    scaled = (batch - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)


def to_pixels(planes: Array) -> Array:
    """(B, 3, H, W) → (B, H, W, 3)."""
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1), np.float32)
