"""Paste a composed crop back into its picture."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose.masks import smooth_step
from omote.faces.align import Crop, Matrix, invert, transform, warp

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[Any]


_COARSE = 0.8
"""Crop pixels per picture pixel below which a crop is coarse."""
_CHANGE = 0.06
"""Change of a colour from which on nothing of the old detail stays."""
_REACH = 0.05
"""Over which part of the crop's side changes are averaged."""


def full_scale(dtype: npt.DTypeLike) -> float:
    """Value of white: 255 for uint8, 65535 for uint16."""
    return float(np.iinfo(np.dtype(dtype)).max)


def to_float(pixels: Pixels) -> Array:
    """uint8 or uint16 pixels as float32 in 0..1."""
    return pixels.astype(np.float32) * np.float32(1 / full_scale(pixels.dtype))


def paste(pixels: Pixels, crop: Crop, composed: Array) -> None:
    """Change a picture in place so that the crop shows `composed`.

    What is laid back is the *difference* between the composed crop and the crop as it was cut. Where
    nothing was changed nothing is touched, bit for bit, and an unchanged crop gives an unchanged picture.
    Detail that is finer than a coarse crop stays where little was changed; where another face came, the
    fine lines of the old one go.

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
    region = pixels[y0:y1, x0:x1]
    moved = warp(difference * full_scale(pixels.dtype), back, size, cv2.BORDER_CONSTANT)
    if crop.scale < _COARSE:
        moved = cv2.subtract(moved, _old_detail(region, crop, difference, back))
    region[:] = cv2.add(region, moved, dtype=cv2.CV_8U if pixels.dtype == np.uint8 else cv2.CV_16U)


def _old_detail(region: Pixels, crop: Crop, difference: Array, back: Matrix) -> Array:
    """Detail of a picture that its coarse crop does not hold, as far as the crop was changed there.

    Args:
        region: (H, W, 3) part of the picture.
        crop: as it was cut.
        difference: (N, N, 3) float32, what the crop is changed by.
        back: from crop to region.
    """
    change = np.abs(difference).max(axis=2)
    reach = max(3, round(_REACH * crop.size))
    weight = smooth_step(cv2.blur(change, (reach, reach)) / _CHANGE) * (change > 1e-6)
    size = (region.shape[1], region.shape[0])
    detail = cv2.subtract(region, warp(crop.pixels.astype(np.float32), back, size), dtype=cv2.CV_32F)
    weight = warp(weight, back, size, cv2.BORDER_CONSTANT)
    return np.asarray(cv2.multiply(detail, cv2.merge([weight] * 3)), np.float32)
