"""Which frames of a film the safety gate looks at: two a second, and wherever the picture jumps."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.media import MAX_PIXELS, VideoReader
from omote.trust.safety import Gate

Pixels = npt.NDArray[Any]

RATE = 2.0
"""Frames a second."""

_SHORTEST = 0.1
"""Seconds between two frames at least, lest a flickering film have every frame looked at."""

_JUMP = 16.0
"""Mean difference of two thumbnails, of 255, that counts as a new shot; one too many costs a look."""

_WIDTH, _HEIGHT = 32, 18


class Sampler:
    """Chooses frames of one film, in the order in which they come. Not for several threads."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._before: npt.NDArray[np.int16] | None = None

    def wants(self, pixels: Pixels, seconds: float) -> bool:
        """Whether this frame should be looked at; to be called for every frame.

        Args:
            pixels: (H, W, 3) RGB, uint8 or uint16.
            seconds: its time.
        """
        small = _thumbnail(pixels)
        change = 0.0 if self._before is None else float(np.abs(small - self._before).mean())
        self._before = small
        gone = float("inf") if self._last is None else seconds - self._last
        # The grid allows for the rounding of time stamps.
        wanted = gone >= 1 / RATE - 1e-3 or (change > _JUMP and gone >= _SHORTEST)
        if wanted:
            self._last = seconds
        return wanted


def check_film(
    gate: Gate,
    path: Path,
    *,
    start: float | None = None,
    end: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Look at a film before anything is made of it; it is decoded for that once.

    Args:
        gate: looks.
        path: the film.
        start: as in `VideoReader`; only what is used is looked at.
        end: likewise.
        max_pixels: likewise.

    Raises:
        SafetyRefusedError: it shows what must not be used.
        InputError: it cannot be read.
        ModelError: a classifier cannot look.
    """
    if not gate.looks:
        return
    sampler, see = Sampler(), gate.sequence(str(path))
    with VideoReader(path, start=start, end=end, max_pixels=max_pixels) as film:
        for frame in film:
            if sampler.wants(frame.pixels, frame.time):
                see(frame.pixels, f" at {frame.time + (start or 0):.1f} s")


def _thumbnail(pixels: Pixels) -> npt.NDArray[np.int16]:
    # Every n-th pixel is enough to begin with, and much faster than all.
    step = max(min(pixels.shape[0] // (4 * _HEIGHT), pixels.shape[1] // (4 * _WIDTH)), 1)
    fewer = np.ascontiguousarray(pixels[::step, ::step])
    small = cv2.resize(fewer, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    return (small if pixels.dtype == np.uint8 else small // 257).astype(np.int16)
