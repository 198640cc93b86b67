"""Which faces are good enough to learn from, and why the others are not."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import UsageError

REASONS = {
    "uncertain": "the mesh network is not sure that it is a face",
    "small": "enlarged too much",
    "outside": "too much of it lies outside the photo",
    "turned": "turned away too far",
    "blurred": "not sharp enough",
    "duplicate": "the same picture as another",
}
"""Why a face is left out, in the order in which it is asked."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a face must meet.

    Attributes:
        presence: least presence that the mesh network gives, 0..1: ears that a detector takes for faces have
            less.
        enlargement: greatest number of crop pixels per pixel of the photo.
        valid: least share of the square that lies in the photo, 0..1.
        yaw: greatest turn to either side, in degrees.
        pitch: greatest turn up or down, in degrees.
        sharpness: least sharpness, 0..1; see `sharpness`.

    Raises:
        UsageError: a limit is out of its range.
    """

    presence: float = 0.98
    enlargement: float = 1.5
    valid: float = 0.7
    yaw: float = 60.0
    pitch: float = 45.0
    sharpness: float = 0.35

    def __post_init__(self) -> None:
        for name, top in (("presence", 1), ("valid", 1), ("sharpness", 1), ("yaw", 180), ("pitch", 180)):
            value = getattr(self, name)
            if not 0 <= value <= top:
                raise UsageError(f"limit of {name} {value:g}: give 0 to {top}")
        if not self.enlargement > 0:
            raise UsageError(f"limit of enlargement {self.enlargement:g}: give more than 0")

    def fault(
        self, *, presence: float, scale: float, valid: float, yaw: float, pitch: float, sharp: float
    ) -> str | None:
        """Return the first of `REASONS` for which a face is left out; None if it meets all limits."""
        faults = {
            "uncertain": presence < self.presence,
            "small": scale > self.enlargement,
            "outside": valid < self.valid,
            "turned": abs(yaw) > self.yaw or abs(pitch) > self.pitch,
            "blurred": sharp < self.sharpness,
        }
        return next((reason for reason, met in faults.items() if met), None)


def sharpness(pixels: npt.NDArray[Any]) -> float:
    """How sharp a picture is: 0 (no detail that blur could take away) to 1; contrast does not count.

    The share of the differences between neighbours that a blur along their direction takes away; the lesser
    of both directions. Crété et al., The Blur Effect: Perception and Estimation with a New No-Reference
    Perceptual Blur Metric, 2007, from where the blur of 9 pixels is; what is returned is 1 - their blur.

    Args:
        pixels: (H, W, 3) uint8 RGB.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    lost = []
    for axis, kernel in ((0, (1, 9)), (1, (9, 1))):
        before = np.abs(np.diff(grey, axis=axis))
        after = np.abs(np.diff(cv2.blur(grey, kernel), axis=axis))
        lost.append(float(np.maximum(before - after, 0).sum() / max(float(before.sum()), 1e-6)))
    return min(lost)
