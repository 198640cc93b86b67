"""How large a picture and how long a film may be."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from omote.errors import InputError

MAX_SECONDS = 48 * 3600
MAX_FRAMES = 20_000_000
MAX_RATE = 10_000
"""Frames a second; the quickest cameras write films of 1000."""
MAX_TRACKS = 256
"""Fonts that films of many languages carry are tracks, too."""


def require_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise InputError if a picture is empty or larger than the limit."""
    if width <= 0 or height <= 0:
        raise InputError(
            f"{path}: its header gives no size for the picture, or one far beyond --max-pixels; the file is "
            "damaged"
        )
    if width * height > max_pixels:
        raise InputError(
            f"{path}: {width} x {height} is {width * height / 1e6:.0f} megapixels, more than the limit of "
            f"{max_pixels / 1e6:g}; raise --max-pixels if you trust the file"
        )


def require_length(
    path: Path, seconds: float | None, frames: int | None, rate: Fraction | None, tracks: int
) -> None:
    """Raise InputError if a film's header promises more than any film has; None is what it does not say."""
    promised = (
        ("seconds", seconds, MAX_SECONDS),
        ("frames", frames, MAX_FRAMES),
        ("frames a second", rate, MAX_RATE),
        ("tracks", tracks, MAX_TRACKS),
    )
    for name, value, most in promised:
        if value is not None and value > most:
            raise InputError(
                f"{path}: its header promises {float(value):.0f} {name}, more than the limit of {most}; "
                "the file is damaged, or must be cut first"
            )
