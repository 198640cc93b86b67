"""How large a picture may be."""

from __future__ import annotations

from pathlib import Path

from omote.errors import InputError


def require_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise InputError if a picture is empty or larger than the limit."""
    if width <= 0 or height <= 0:
        raise InputError(f"{path}: its header gives no size for the picture; the file is damaged")
    if width * height > max_pixels:
        raise InputError(
            f"{path}: {width} x {height} is {width * height / 1e6:.0f} megapixels, more than the limit of "
            f"{max_pixels / 1e6:g}; raise --max-pixels if you trust the file"
        )
