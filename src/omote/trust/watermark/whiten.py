"""From frames to one plane in which the mark stands out: without slow parts, without loud places."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.trust.watermark.pattern import Plane

Pixels = npt.NDArray[Any]

_LARGEST = (
    2600  # pixels of the shorter side; larger pictures are halved first: they were marked with larger tiles
)
_QUIET = 0.5  # levels of 255: below this deviation all places count alike


def whitened_sum(frames: Iterator[Pixels]) -> Plane:
    """The sum of whitened frames, float32 (H, W).

    Raises:
        InputError: frames of different sizes, or none.
    """
    total: Plane | None = None
    for frame in frames:
        plane = whitened(frame)
        if total is None:
            total = plane
        elif total.shape != plane.shape:
            raise InputError("watermark: frames of different sizes; give those of one film")
        else:
            total += plane
    if total is None:
        raise InputError("watermark: no frame to search; give a picture or a film that has frames")
    return total


def whitened(frame: Pixels) -> Plane:
    """Luma without its slow part, limited to twice its local deviation, float32.

    Dividing by the deviation once gives all places the same loudness, and dividing by its square would be
    right for a mark of the same strength everywhere; the mark is stronger in texture, so the power lies
    between.

    Args:
        frame: RGB (H, W, 3) or luma (H, W); uint8, or uint16 of which white is 65535.
    """
    luma = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame
    plane = luma.astype(np.float32) * np.float32(1 if luma.dtype == np.uint8 else 255 / 65535)
    while min(plane.shape) >= _LARGEST:
        plane = cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = plane - cv2.GaussianBlur(plane, (0, 0), 3)
    variance = np.maximum(cv2.blur(detail * detail, (11, 11)), 0)  # OpenCV's running sums may fall below 0
    deviation = np.sqrt(variance) + np.float32(_QUIET)
    limited: Plane = np.clip(detail / deviation, -2, 2) / np.sqrt(deviation)
    return limited
