"""Pixels for a network: the crop that it wants, cut from the least part of a picture, and its tensor."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.align import Matrix, invert, transform, warp

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[Any]

_FULL = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


def cut(pixels: Pixels, matrix: Matrix, size: tuple[int, int], border: int = cv2.BORDER_REPLICATE) -> Pixels:
    """Warp a crop out of the part of the picture that it needs: reducing all of a large one takes long.

    Args:
        pixels: (H, W, 3).
        matrix: (2, 3), picture to crop.
        size: width and height of the crop.
        border: OpenCV's flag for what lies outside the picture.
    """
    width, height = size
    corners = transform([[0, 0], [width, 0], [0, height], [width, height]], invert(matrix))
    margin = 4 + 2 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    limits = np.array([pixels.shape[1], pixels.shape[0]])
    x0, y0 = np.clip(corners.min(0) - margin, 0, np.maximum(limits - margin, 0)).astype(int)
    x1, y1 = np.clip(corners.max(0) + margin, (x0 + margin, y0 + margin), limits).astype(int)
    shift = matrix[:, :2] @ (x0, y0)
    moved = np.column_stack([matrix[:, :2], matrix[:, 2] + shift])
    return warp(pixels[y0:y1, x0:x1], moved, size, border)


def unit(pixels: Pixels) -> Array:
    """Return uint8, uint16 or float32 pixels as float32 in 0..1."""
    return np.asarray(pixels, np.float32) / np.float32(_FULL[pixels.dtype.name])


def tensor(
    crops: Sequence[Pixels],
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    bgr: bool = False,
) -> Array:
    """Return pictures of one size as (B, 3, H, W) float32, (pixel - mean) / std of pixels in 0..1.

    Args:
        crops: (H, W, 3) RGB each, uint8, uint16 or float32 in 0..1.
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
