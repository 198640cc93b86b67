"""The word that every live picture carries: live pictures cannot be signed, so they say it themselves."""

import cv2

from omote.pipelines.live_source import Pixels

WORD = "synthetic"
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHARE = 0.16
"""Of the picture's width that the badge takes, about; at least `_LEAST` pixels, so that it can be read."""
_LEAST = 64


def add_badge(pixels: Pixels) -> None:
    """Write `synthetic` into the lower right corner of (H, W, 3) RGB uint8, in place: white on black."""
    height, width = pixels.shape[:2]
    wanted = min(max(_SHARE * width, _LEAST), width)
    (unit, _), _ = cv2.getTextSize(WORD, _FONT, 1.0, 1)
    scale = wanted / (1.15 * unit)
    (wide, tall), base = cv2.getTextSize(WORD, _FONT, scale, 1)
    edge = max(round(0.3 * tall), 2)
    left, top = max(width - wide - 2 * edge, 0), max(height - tall - base - 2 * edge, 0)
    pixels[top:, left:] = 0
    place = (left + edge, min(top + edge + tall, height - 1))
    cv2.putText(pixels, WORD, place, _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
