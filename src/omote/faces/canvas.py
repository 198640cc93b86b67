"""How a picture lies in the entrance of a detector: shrunk, never enlarged, top left on a black canvas."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import UsageError
from omote.zoo.runtime import Session

Array = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

MULTIPLE = 32
"""Sides of a canvas are multiples of the largest stride that detectors have."""


def check_options(size: int, **shares: float | None) -> None:
    """Raise UsageError unless a detector's size can be, and its other options lie in 0..1."""
    if size < MULTIPLE:
        raise UsageError(f"detector size {size} is too small: give at least {MULTIPLE} pixels")
    for name, value in shares.items():
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"detector {name} {value} is out of range: give 0 to 1")


def check_picture(pixels: npt.NDArray[Any]) -> None:
    """Raise ValueError unless pixels are (H, W, 3), uint8 or uint16."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"expected (H, W, 3) uint8 or uint16, got {pixels.shape} {pixels.dtype}")


@dataclass(frozen=True, slots=True)
class Canvas:
    """The pictures that a graph takes.

    Attributes:
        height: where the graph says it; None if any multiple of `MULTIPLE` will do.
        width: likewise.
    """

    height: int | None
    width: int | None

    @classmethod
    def of(cls, session: Session) -> "Canvas":
        """The canvas of a network whose first input is (B, 3, H, W)."""
        height, width = next(iter(session.inputs.values()))[2:]
        return cls(
            height if isinstance(height, int) else None,
            width if isinstance(width, int) else None,
        )

    def shrink(self, pixels: npt.NDArray[Any], size: int) -> Bytes:
        """Shrink a picture until its longer side has at most `size` pixels and the canvas can hold it."""
        scales = [size / max(pixels.shape[:2])]
        scales += [
            side / have
            for side, have in zip((self.height, self.width), pixels.shape, strict=False)
            if side is not None
        ]
        return shrink(pixels, min(scales))

    def lay(self, picture: Bytes, border: int = 0) -> Bytes:
        """Lay a picture with a border into the top left corner of a black canvas."""
        height, width = (
            fixed or -(-(side + 2 * border) // MULTIPLE) * MULTIPLE
            for fixed, side in zip((self.height, self.width), picture.shape, strict=False)
        )
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[border : border + picture.shape[0], border : border + picture.shape[1]] = picture
        return canvas


def shrink(pixels: npt.NDArray[Any], scale: float) -> Bytes:
    """Shrink (H, W, 3) to `scale`, at most 1, and to 8 bits.

    By halves and a rest: one step of OpenCV's INTER_AREA takes three times as long from 1080p to 640.
    """
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in pixels.shape[1::-1])
        while pixels.shape[1] >= 2 * width and pixels.shape[0] >= 2 * height:
            half = (max(width, pixels.shape[1] // 2), max(height, pixels.shape[0] // 2))
            pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)
        if pixels.shape[:2] != (height, width):
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return pixels.astype(np.uint8, copy=False)


def enlarge(rows: Array, shape: tuple[int, ...], goal: tuple[int, ...]) -> Array:
    """Carry rows from a picture of one shape to the same picture of another; pixel centres lie at .0."""
    out = rows.copy()
    out[:, 1::2] = (rows[:, 1::2] + 0.5) * np.float32(goal[1] / shape[1]) - 0.5
    out[:, 2::2] = (rows[:, 2::2] + 0.5) * np.float32(goal[0] / shape[0]) - 0.5
    return out
