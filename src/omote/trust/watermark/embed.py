"""Putting the mark into pictures and into the luma of frames.

What is added depends on the pixels at hand, the identifier and the key alone, so films can be marked in pieces
by several processes.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import UsageError
from omote.trust.watermark.code import IDENTIFIER_BITS
from omote.trust.watermark.pattern import PUBLIC, Carriers, Plane

SMALLEST = 256  # pixels on the shorter side
_DOUBLED = 1600  # from this shorter side on, the tile is twice as large, and again for each doubling

Pixels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Strength:
    """How strongly to mark, in levels of 255 (standard deviation of what is added).

    Attributes:
        smooth: where the picture has no texture.
        gain: more for each level of the picture's own local deviation.
        most: at most.
    """

    smooth: float
    gain: float
    most: float


PICTURE = Strength(0.8, 0.2, 4.0)
FILM = Strength(1.0, 0.0, 1.0)


@dataclass(frozen=True)
class Watermark:
    """The mark of one file.

    Attributes:
        identifier: 48 bits: provider and version (8), file (40).
        key: the public one, which every `omote verify` tries, or one's own.
        picture: the strength for `mark`.
        film: the strength for `mark_luma`.
    """

    identifier: int
    key: bytes = PUBLIC
    picture: Strength = PICTURE
    film: Strength = FILM
    _tiled: dict[tuple[int, int], Plane] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.identifier < 1 << IDENTIFIER_BITS:
            raise UsageError(f"watermark identifier {self.identifier}: must be a number of 48 bits")

    def mark(self, pixels: Pixels) -> Pixels:
        """A marked copy of a picture.

        Args:
            pixels: RGB (H, W, 3), uint8 or uint16; both sides at least `SMALLEST`.

        Returns:
            The same shape and dtype; the same amount is added to R, G and B, so that colours stay.

        Raises:
            UsageError: the picture is too small to be marked.
        """
        peak = np.iinfo(pixels.dtype).max
        luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        delta = self._delta(luma, float(peak), self.picture)
        marked: Pixels = np.empty_like(pixels)
        for channel in range(3):
            marked[..., channel] = _added(pixels[..., channel], delta)
        return marked

    def mark_luma(self, plane: Pixels, peak: int, *, full_range: bool) -> Pixels:
        """A marked copy of the luma of a film's frame.

        Args:
            plane: (H, W), uint8 or uint16; both sides at least `SMALLEST`.
            peak: the largest value that its bits can hold: 255, 1023, ...
            full_range: whether white is `peak`, or 235/255 of it as in most films.

        Returns:
            The same shape and dtype.

        Raises:
            UsageError: the frame is too small to be marked.
        """
        white = peak if full_range else peak * 219 / 255
        return np.minimum(_added(plane, self._delta(plane, white, self.film)), peak)

    def _delta(self, luma: Pixels, white: float, strength: Strength) -> Plane:
        """What to add to each pixel, in the picture's own levels, float32 (H, W)."""
        height, width = luma.shape
        if min(height, width) < SMALLEST:
            raise UsageError(
                f"picture of {width}×{height}: too small to be marked, both sides must be at least {SMALLEST} px"
            )
        half = ((width + 1) // 2, (height + 1) // 2)
        small = cv2.resize(luma, half, interpolation=cv2.INTER_AREA).astype(np.float32)
        level = white / 255
        deviation = local_deviation(small, 5)
        amount = np.clip(strength.smooth * level + strength.gain * deviation, 0, strength.most * level)
        amount *= self._tiles(*half, doubling(height, width))
        whole = cv2.resize(amount, (2 * half[0], 2 * half[1]), interpolation=cv2.INTER_LINEAR)
        delta: Plane = whole[:height, :width]
        return delta

    @cached_property
    def _tile(self) -> Plane:
        return Carriers(self.key).tile(self.identifier)

    def _tiles(self, width: int, height: int, scale: int) -> Plane:
        """The pattern at half the picture's resolution, for a whole frame."""
        if (width, height) not in self._tiled:
            side = self._tile.shape[0] * scale // 2
            tile = cv2.resize(self._tile, (side, side), interpolation=cv2.INTER_AREA)
            repeats = (-(-height // side), -(-width // side))
            self._tiled[width, height] = np.tile(tile / tile.std(), repeats)[:height, :width].copy()
        return self._tiled[width, height]


def doubling(height: int, width: int) -> int:
    """How many times larger than usual the tile of a picture of this size is: 1, 2, 4, ..."""
    scale = 1
    while min(height, width) >= _DOUBLED * scale:
        scale *= 2
    return scale


def local_deviation(plane: Plane, side: int) -> Plane:
    """The standard deviation around each pixel in a window of `side` pixels, float32 (H, W)."""
    mean = cv2.blur(plane, (side, side))
    deviation: Plane = np.sqrt(np.maximum(cv2.blur(plane * plane, (side, side)) - mean * mean, 0))
    return deviation


def _added(plane: Pixels, delta: Plane) -> Pixels:
    depth = cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U
    added: Pixels = cv2.add(plane, delta, dtype=depth)  # rounds and saturates
    return added
