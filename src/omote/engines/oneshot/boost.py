"""Resolution boost: a large crop as N × N small ones of a network's size, and exactly back.

Sub-picture (a, b) has the pixels (i·N + a, j·N + b): every N-th pixel of every N-th row, so that each
sub-picture shows the whole face and each swapped pixel goes back where it came from.
"""

import math

import numpy as np
import numpy.typing as npt

from omote.errors import UsageError

Array = npt.NDArray[np.float32]

LARGEST = 4096
"""Side in pixels of the largest crop; swapping one takes 1.5 GB of memory."""


def split(planes: Array, parts: int) -> Array:
    """Take a crop apart.

    Args:
        planes: (C, parts · h, parts · w).
        parts: N.

    Returns:
        (N², C, h, w); sub-picture a · N + b starts at pixel (a, b).
    """
    return np.stack([planes[:, a::parts, b::parts] for a in range(parts) for b in range(parts)])


def join(pieces: Array) -> Array:
    """Put a crop together again: the inverse of `split`, (N², C, h, w) → (C, N · h, N · w)."""
    count, channels, height, width = pieces.shape
    parts = math.isqrt(count)
    planes = np.empty((channels, parts * height, parts * width), pieces.dtype)
    for index, piece in enumerate(pieces):
        planes[:, index // parts :: parts, index % parts :: parts] = piece
    return planes


def boosted_parts(name: str, size: int, boost: int | None) -> int:
    """How many sub-pictures lie side by side in a crop of `boost` pixels.

    Args:
        name: of the network, for the message.
        size: side in pixels that the network works at.
        boost: side of the crop in pixels; None for no boost.

    Raises:
        UsageError: `boost` is no multiple of `size`, or larger than `LARGEST`.
    """
    if boost is None:
        return 1
    if boost > LARGEST:
        raise UsageError(f"{name}: boost {boost} is too large: give at most {LARGEST} pixels")
    if boost < size or boost % size:
        examples = ", ".join(str(size * factor) for factor in (1, 2, 3, 4))
        raise UsageError(f"{name}: boost {boost} is no multiple of its {size} pixels: use {examples} or so")
    return boost // size


def parts_of(name: str, size: int, side: int) -> int:
    """How many sub-pictures lie side by side in a crop that was cut.

    Args:
        name: of the network, for the message.
        size: side in pixels that the network works at.
        side: of the crop in pixels.

    Raises:
        ValueError: the crop is not of the size that the swapper asked for.
    """
    if side % size:
        raise ValueError(f"{name} takes crops of {size} × N pixels, not {side}")
    return side // size
