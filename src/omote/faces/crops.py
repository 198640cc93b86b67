"""Pixels for a network: crops as a tensor."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[Any]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in 0..1; what networks that began with ImageNet's pictures take and give."""

_FULL = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


def unit(pixels: Pixels) -> Array:
    """Return uint8, uint16 or float32 pixels as float32 in 0..1."""
    return np.asarray(pixels, np.float32) / np.float32(_FULL[pixels.dtype.name])


def tensor(
    crops: Sequence[Pixels] | Pixels,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    bgr: bool = False,
) -> Array:
    """Return pictures of one size as (B, 3, H, W) float32, (pixel - mean) / std of pixels in 0..1.

    Args:
        crops: (H, W, 3) RGB each, or (B, H, W, 3), uint8, uint16 or float32 in 0..1.
        mean: of red, green and blue.
        std: likewise.
        bgr: whether the network wants blue first.
    """
    blob = np.empty((len(crops), 3, *crops[0].shape[:2]), np.float32)
    order = (2, 1, 0) if bgr else (0, 1, 2)
    for planes, crop in zip(blob, crops, strict=True):
        split = cv2.split(crop)  # many times faster than a transposed copy
        for plane, channel in zip(planes, order, strict=True):
            scale = 1 / (_FULL[crop.dtype.name] * std[channel])
            np.multiply(split[channel], np.float32(scale), out=plane, dtype=np.float32, casting="unsafe")
            if mean[channel]:
                np.subtract(plane, np.float32(mean[channel] / std[channel]), out=plane)
    return blob
