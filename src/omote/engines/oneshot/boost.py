"""Resolution boost: a large crop as N × N small ones of a network's size, and exactly back.

Sub-picture (a, b) has the pixels (i·N + a, j·N + b): every N-th pixel of every N-th row, so that each
sub-picture shows the whole face and each swapped pixel goes back where it came from.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import UsageError

Pixels = npt.NDArray[Any]


def split(pixels: Pixels, parts: int) -> Pixels:
    """Take a crop apart.

    Args:
        pixels: (parts · h, parts · w, C).
        parts: N.

    Returns:
        (N², h, w, C); sub-picture a · N + b starts at pixel (a, b).
    """
    height, width, channels = pixels.shape
    cells = pixels.reshape(height // parts, parts, width // parts, parts, channels)
    return cells.transpose(1, 3, 0, 2, 4).reshape(parts**2, height // parts, width // parts, channels)


def join(pieces: Pixels) -> Pixels:
    """Put a crop together again: the inverse of `split`, (N², h, w, C) → (N · h, N · w, C)."""
    count, height, width, channels = pieces.shape
    parts = int(np.sqrt(count))
    cells = pieces.reshape(parts, parts, height, width, channels).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(cells.reshape(parts * height, parts * width, channels))


def boosted_parts(name: str, size: int, boost: int | None) -> int:
    """How many sub-pictures lie side by side in a crop of `boost` pixels.

    Args:
        name: of the network, for the message.
        size: side in pixels that the network works at.
        boost: side of the crop in pixels; None for no boost.

    Raises:
        UsageError: `boost` is no multiple of `size`.
    """
    if boost is None:
        return 1
    if boost < size or boost % size:
        examples = ", ".join(str(size * factor) for factor in (1, 2, 3, 4))
        raise UsageError(f"{name}: boost {boost} is no multiple of its {size} pixels: use {examples} or so")
    return boost // size
