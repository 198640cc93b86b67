"""A word in the corner that anybody can read: on live pictures, which cannot be signed, and where asked."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

WORD = "synthetic"
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHARE = 0.16
"""Of the picture's width that the badge takes, about; at least `_LEAST` pixels, so that it can be read."""
_LEAST = 64


def add_badge(pixels: npt.NDArray[Any]) -> None:
    """Write `synthetic` into the lower right corner of (H, W, 3) RGB, uint8 or uint16, in place."""
    height, width = pixels.shape[:2]
    wanted = min(max(_SHARE * width, _LEAST), width)
    (unit, _), _ = cv2.getTextSize(WORD, _FONT, 1.0, 1)
    scale = wanted / (1.15 * unit)
    (wide, tall), base = cv2.getTextSize(WORD, _FONT, scale, 1)
    edge = max(round(0.3 * tall), 2)
    left, top = max(width - wide - 2 * edge, 0), max(height - tall - base - 2 * edge, 0)
    badge = np.zeros((height - top, width - left, 3), np.uint8)
    place = (edge, min(edge + tall, len(badge) - 1))
    cv2.putText(badge, WORD, place, _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
    pixels[top:, left:] = badge if pixels.dtype == np.uint8 else badge.astype(np.uint16) * 257
