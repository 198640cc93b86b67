"""The eight ways a picture can lie: told by EXIF or a display matrix, and undone."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omote.media.types import Pixels, as_pixels


@dataclass(frozen=True)
class Orientation:
    """Mirror left-right first (`flipped`), then turn clockwise by `turn` degrees (0, 90, 180, 270)."""

    turn: int = 0
    flipped: bool = False

    @property
    def swaps_sides(self) -> bool:
        """True if width and height change places."""
        return self.turn in (90, 270)

    def apply(self, pixels: Pixels) -> Pixels:
        """The upright pixels, C-contiguous; `(H, W)` or `(H, W, C)`. The argument itself if it was so."""
        turned: NDArray[Any] = pixels[:, ::-1] if self.flipped else pixels
        return as_pixels(np.ascontiguousarray(np.rot90(turned, k=-self.turn // 90)))


UPRIGHT = Orientation()

_EXIF = {
    2: Orientation(0, True),
    3: Orientation(180),
    4: Orientation(180, True),
    5: Orientation(270, True),
    6: Orientation(90),
    7: Orientation(90, True),
    8: Orientation(270),
}


def from_exif(value: int) -> Orientation:
    """The orientation for an EXIF tag value 1..8; unknown values count as upright, as viewers treat them."""
    return _EXIF.get(value, UPRIGHT)


def from_display_matrix(data: bytes) -> Orientation:
    """The orientation for a 3x3 display matrix (nine native 32-bit integers, ISO 14496-12 `tkhd`).

    Matrices that are no multiple of a quarter turn are rounded to the nearest one.
    """
    a, b, _, c, d = struct.unpack("=5i", data[:20])
    # A column vector (x, y) maps to (a x + c y, b x + d y), y downwards.
    flipped = a * d - b * c < 0
    if flipped:  # take the mirror off: it acts first, on x
        a, b = -a, -b
    turn = round(math.degrees(math.atan2(b, a)) / 90) * 90 % 360
    return Orientation(turn, flipped)
