"""Where a new shot begins, seen on thumbnails of the frames."""

from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.face import Face

Item = TypeVar("Item")
Thumbnail = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 32, 18
"""Of a thumbnail in pixels, whatever the shape of the frame."""
_BEFORE, _AFTER = 4, 2
"""How many differences before and after count for what is usual here."""
_LEAST = 8.0
"""Mean difference of two thumbnails, of 255, below which nothing is a cut."""
_TIMES = 3.0
"""How many times as large as what is usual here the difference at a cut is."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was found in one frame: its faces, and a thumbnail, (18, 32, 3) uint8 RGB."""

    faces: list[Face]
    thumbnail: Thumbnail


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The faces of one frame, and whether a new shot begins with it; the first frame begins one."""

    faces: list[Face]
    cut: bool = False


def thumbnail(pixels: npt.NDArray[Any]) -> Thumbnail:
    """Make a frame, (H, W, 3) uint8 or uint16, very small."""
    # Every n-th pixel is enough to begin with, and much faster than all.
    step = max(min(pixels.shape[0] // (4 * HEIGHT), pixels.shape[1] // (4 * WIDTH)), 1)
    fewer = np.ascontiguousarray(pixels[::step, ::step])
    small = cv2.resize(fewer, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(small if pixels.dtype == np.uint8 else small // 257, np.uint8)


def mark_cuts(items: Iterable[tuple[Item, Seen]]) -> Generator[tuple[Item, Moment], None, None]:
    """Say of every frame whether a new shot begins with it.

    A cut is where the picture changes much, and several times more than in the frames before and after: a
    fast pan, a shaking camera and a flash are none. Items are held back by two frames.
    """
    window: deque[tuple[Item, Seen, float]] = deque()
    usual: deque[float] = deque(maxlen=_BEFORE)
    last: Thumbnail | None = None

    def marked() -> tuple[Item, Moment]:
        item, seen, change = window.popleft()
        others = [*usual, *(later for _, _, later in window)]
        cut = not began or (change > _LEAST and change > _TIMES * max(others, default=0.0))
        usual.clear() if cut else usual.append(change)
        return item, Moment(seen.faces, cut)

    began = False
    for item, seen in items:
        change = 0.0 if last is None else _difference(last, seen.thumbnail)
        last = seen.thumbnail
        window.append((item, seen, change))
        if len(window) > _AFTER:
            yield marked()
            began = True
    while window:
        yield marked()
        began = True


def _difference(one: Thumbnail, other: Thumbnail) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())
