"""From frames to one plane in which the mark stands out: without slow parts, without loud places."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.trust.watermark.pattern import Plane

Pixels = npt.NDArray[Any]

_LARGEST = 1250  # pixels of the shorter side; what is larger is halved, for it was marked with larger tiles
_SMALLEST = 512  # from here on half the size is searched too, for it may be a part of something larger
_QUIET = 0.5  # levels of 255: below this deviation all places count alike


@dataclass(frozen=True, slots=True)
class Level:
    """Whitened frames, summed, at a fraction of their size.

    Attributes:
        plane: float32 (H, W).
        halved: how many times each side was halved.
    """

    plane: Plane
    halved: int


def whitened_sums(frames: Iterator[Pixels]) -> list[Level]:
    """The sum of whitened frames at all sizes that the mark may have, largest first.

    Raises:
        InputError: frames of different sizes, or none.
    """
    totals: list[Level] = []
    shape: tuple[int, ...] | None = None
    for frame in frames:
        if shape is None:
            shape = frame.shape
        if shape != frame.shape:
            raise InputError("watermark: frames of different sizes; give those of one film")
        levels = [Level(whitened(plane), halved) for plane, halved in _sizes(luma_of(frame))]
        for total, level in zip(totals, levels, strict=False):
            total.plane[...] += level.plane
        totals = totals or levels
    if not totals:
        raise InputError("watermark: no frame to search; give a picture or a film that has frames")
    return totals


def luma_of(frame: Pixels) -> Plane:
    """Luma in levels of 255, float32 (H, W).

    Args:
        frame: RGB (H, W, 3) or luma (H, W); uint8, or uint16 of which white is 65535.
    """
    luma = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame
    levels: Plane = luma.astype(np.float32) * np.float32(1 if luma.dtype == np.uint8 else 255 / 65535)
    return levels


def whitened(luma: Plane) -> Plane:
    """Luma in levels of 255 without its slow part, limited to twice its local deviation, float32.

    Dividing by the deviation once gives all places the same loudness, and dividing by its square would be
    right for a mark of the same strength everywhere; the mark is stronger in texture, so the power lies
    between.
    """
    detail = luma - cv2.GaussianBlur(luma, (0, 0), 3)
    variance = np.maximum(cv2.blur(detail * detail, (11, 11)), 0)  # OpenCV's running sums may fall below 0
    deviation = np.sqrt(variance) + np.float32(_QUIET)
    limited: Plane = np.clip(detail / deviation, -2, 2) / np.sqrt(deviation)
    return limited


def _sizes(luma: Plane) -> Iterator[tuple[Plane, int]]:
    halved = 0
    while min(luma.shape) >= _LARGEST:
        luma, halved = _half(luma), halved + 1
    yield luma, halved
    while min(luma.shape) >= _SMALLEST:
        luma, halved = _half(luma), halved + 1
        yield luma, halved


def _half(luma: Plane) -> Plane:
    return cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
