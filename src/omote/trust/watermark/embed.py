"""Putting the mark into pictures and into the luma of frames.

What is added depends on the pixels at hand, the identifier and the key alone, so films can be marked in
pieces by several processes.
"""

from dataclasses import dataclass, field
from functools import cached_property
from secrets import randbits

import cv2
import numpy as np

from omote.errors import UsageError
from omote.trust.watermark.code import IDENTIFIER_BITS
from omote.trust.watermark.pattern import PUBLIC, Carriers, Plane
from omote.trust.watermark.whiten import Pixels

PROVIDER = 1  # the first 8 bits of an identifier: Omote, first version of the mark
SMALLEST = 128  # pixels on the shorter side: one tile
RELIABLE = 300  # pixels on the shorter side: from here on the mark outlives what docs/trust.md promises
_LOUDEST = 10 ** (-42.2 / 20)  # of a whole picture: its PSNR stays above 42 dB
_FULL = 400  # pixels of the shorter side: the larger a picture, the more of the mark, so the weaker it may be
_EASED = 0.6  # at least
_CELL = 4  # pixels of the halved picture
_DOUBLED = 1600  # from this shorter side on, the tile is twice as large, and again for each doubling


@dataclass(frozen=True, slots=True)
class Strength:
    """How strongly to mark, in levels of 255 (standard deviation of what is added).

    Attributes:
        smooth: where the picture has no texture.
        gain: more for each level of texture (`amounts`).
        most: at most.
    """

    smooth: float
    gain: float
    most: float


def new_identifier() -> int:
    """48 bits for a new file: the provider, and 40 at random."""
    return PROVIDER << (IDENTIFIER_BITS - 8) | randbits(IDENTIFIER_BITS - 8)


PICTURE = Strength(0.5, 1.0, 4.0)
FILM = Strength(0.8, 0.4, 1.7)


@dataclass(frozen=True)
class Watermark:
    """The mark of one file.

    Attributes:
        identifier: 48 bits: provider and version (8), file (40); see `new_identifier`.
        key: the public one, which every `omote verify` tries, or one's own.
        picture: the strength for `mark`.
        film: the strength for `mark_luma`.
    """

    identifier: int
    key: bytes = PUBLIC
    picture: Strength = PICTURE
    film: Strength = FILM
    _whole: dict[tuple[int, int], Plane] = field(default_factory=dict, compare=False, repr=False)

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
        peak = float(np.iinfo(pixels.dtype).max)
        luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        delta = self._delta(luma, peak, self.picture)
        deviation = float(cv2.norm(delta)) / delta.size**0.5
        ease = max(_EASED, min(1.0, (_FULL / min(luma.shape)) ** 0.5))
        delta *= min(ease, _LOUDEST * peak / max(deviation, 1e-9))
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
            size = f"picture of {width}×{height}"
            raise UsageError(f"{size}: too small to be marked, both sides must be at least {SMALLEST} px")
        half = ((width + 1) // 2, (height + 1) // 2)
        small = cv2.resize(luma, half, interpolation=cv2.INTER_AREA)
        amount = cv2.resize(amounts(small, white / 255, strength), half, interpolation=cv2.INTER_LINEAR)
        halved = cv2.multiply(amount, self._laid(half, doubling(height, width)))
        delta = cv2.resize(halved, (2 * half[0], 2 * half[1]), interpolation=cv2.INTER_LINEAR)
        cut: Plane = delta[:height, :width].astype(np.float32, copy=False)
        return cut

    @cached_property
    def _tile(self) -> Plane:
        return Carriers(self.key).tile(self.identifier)

    def _laid(self, size: tuple[int, int], scale: int) -> Plane:
        """Repeats of the tile at half the picture's resolution, for a whole frame of that size (W, H)."""
        if size not in self._whole:
            side = self._tile.shape[0] * scale // 2
            how = cv2.INTER_AREA if scale == 1 else cv2.INTER_CUBIC
            small = cv2.resize(self._tile, (side, side), interpolation=how)
            repeats = (-(-size[1] // side), -(-size[0] // side))
            self._whole[size] = np.tile(small / small.std(), repeats)[: size[1], : size[0]].copy()
        return self._whole[size]


def doubling(height: int, width: int) -> int:
    """How many times larger than usual the tile of a picture of this size is: 1, 2, 4, ..."""
    scale = 1
    while min(height, width) >= _DOUBLED * scale:
        scale *= 2
    return scale


def amounts(luma: Pixels, level: float, strength: Strength) -> Plane:
    """How strongly to mark each cell of 4 pixels of a luma plane, float32, in the plane's own levels.

    Texture is the mean distance of a pixel from its surroundings. A cell counts as its smoothest
    neighbour, so that nothing spills over an edge into a smooth area.

    Args:
        luma: (H, W).
        level: 1/255 of the luma's range.
        strength: the settings.
    """
    rough = cv2.absdiff(luma, cv2.blur(luma, (5, 5)))
    cells = (-(-luma.shape[1] // _CELL), -(-luma.shape[0] // _CELL))
    texture = cv2.resize(rough.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
    texture = cv2.erode(texture, np.ones((3, 3), np.uint8))
    chosen: Plane = np.minimum(texture * strength.gain + strength.smooth * level, strength.most * level)
    return chosen


def _added(plane: Pixels, delta: Plane) -> Pixels:
    depth = cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U
    added: Pixels = cv2.add(plane, delta, dtype=depth)  # rounds and saturates
    return added
