"""Paste a composed crop back into its picture."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.align import Crop, invert, transform, warp

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[Any]


def full_scale(dtype: npt.DTypeLike) -> float:
    """Value of white: 255 for uint8, 65535 for uint16."""
    return float(np.iinfo(np.dtype(dtype)).max)


def to_float(pixels: Pixels) -> Array:
    """uint8 or uint16 pixels as float32 in 0..1."""
    return pixels.astype(np.float32) * np.float32(1 / full_scale(pixels.dtype))


def paste(pixels: Pixels, crop: Crop, composed: Array) -> None:
    """Change a picture in place so that the crop shows `composed`.

    What is laid back is the *difference* between the composed crop and the crop as it was cut. Where
    nothing was changed nothing is touched, bit for bit; elsewhere the picture keeps the finest detail
    that the crop could not hold, and an unchanged crop gives an unchanged picture.

    Args:
        pixels: (H, W, 3) uint8 or uint16, changed in place.
        crop: as it was cut from these pixels.
        composed: (N, N, 3) float32 in 0..1, the crop with its new face.
    """
    difference = composed - to_float(crop.pixels)
    changed = np.abs(difference).reshape(len(difference), -1) > 1e-6
    x, y, width, height = cv2.boundingRect(changed.view(np.uint8))
    if width == 0:
        return
    x, width = x // 3, width // 3 + 2  # three channels side by side
    back = invert(crop.matrix)
    left, top, right, bottom = x - 1, y - 1, x + width, y + height
    corners = transform([(left, top), (right, top), (right, bottom), (left, bottom)], back)
    x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, (pixels.shape[1], pixels.shape[0]))
    if x1 <= x0 or y1 <= y0:
        return
    back[:, 2] -= (x0, y0)
    size = (int(x1 - x0), int(y1 - y0))
    difference *= full_scale(pixels.dtype)
    moved = warp(difference, back, size, cv2.BORDER_CONSTANT)
    region = pixels[y0:y1, x0:x1]
    region[:] = cv2.add(region, moved, dtype=cv2.CV_8U if pixels.dtype == np.uint8 else cv2.CV_16U)
