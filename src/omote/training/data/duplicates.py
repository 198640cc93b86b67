"""Pictures that are the same but for their coding, found by perceptual hashes that hardly differ."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint8]

_SIDE = 16
BYTES = _SIDE * _SIDE // 8
"""Length of a hash."""
DIFFERENCE = 20
"""Hashes that differ in so many of their 256 bits at most are of one picture."""

_ALIKE, _VERY_ALIKE = 0.7, 0.9
_BLOCK = 1024


def picture_hash(pixels: npt.NDArray[Any]) -> Bits:
    """Hash of a picture (H, W, 3) uint8 RGB, (32,) uint8: the signs of 256 horizontal differences.

    Size, coding, light and slight blur hardly change it (the difference hash of Krawetz, Kind of Like That,
    2013, with 16 x 16 cells).
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.packbits(cells[:, 1:] > cells[:, :-1])


def duplicates(
    hashes: Bits, worth: npt.NDArray[np.float64], embeddings: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.bool_]:
    """Say which pictures can go because a better one of the same is there.

    Two are the same if their hashes differ in `DIFFERENCE` bits at most and, where embeddings are known, the
    faces are alike, too; with embeddings that say the very same face, twice as many bits may differ.

    Args:
        hashes: (N, 32) uint8.
        worth: (N,) of each; the best is kept, the first among equals.
        embeddings: (N, D) of unit length.

    Returns:
        (N,) True for those that can go.
    """
    order = np.argsort(-worth, kind="stable")
    signs = np.unpackbits(hashes[order], axis=1).astype(np.float32) * 2 - 1
    known = None if embeddings is None else embeddings[order]
    gone = np.zeros(len(order), bool)
    for first in range(0, len(order), _BLOCK):
        last = min(first + _BLOCK, len(order))
        differ = (signs.shape[1] - signs[first:last] @ signs[:last].T) / 2
        if known is None:
            same = differ <= DIFFERENCE
        else:
            alike = known[first:last] @ known[:last].T
            same = (differ <= DIFFERENCE) & (alike >= _ALIKE)
            same |= (differ <= 2 * DIFFERENCE) & (alike >= _VERY_ALIKE)
        for row, column in np.argwhere(np.tril(same, first - 1)):  # only with those that are worth more
            if not gone[column]:
                gone[first + row] = True
    result = np.zeros(len(order), bool)
    result[order] = gone
    return result
