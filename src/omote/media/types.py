"""The nouns of the media room: a Frame of a film, and what is known about a file before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; x1 and y1 lie outside."""

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

MAX_PIXELS = 100_000_000


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a film, upright, with its place in time.

    `pixels` is RGB `(H, W, 3)`, uint8, or uint16 (full 16-bit range) where the film has more than 8 bits a
    channel; rotation metadata is already applied. `pts` counts `time_base` seconds from the film's zero.
    `index` counts the frames that the reader gave, from 0. `alpha` is `(H, W)` of the same dtype, or None for
    an opaque film. `duration` is in `time_base` units, or None if the file does not say.

    `coded` is the frame as it was decoded, where that has the same orientation and no alpha. If `changed`
    says in which box `pixels` differ from it, a writer takes the rest from there, bit for bit; None means
    anywhere.
    """

    pixels: Pixels
    pts: int
    time_base: Fraction
    index: int
    alpha: Pixels | None = None
    duration: int | None = None
    coded: VideoFrame | None = field(default=None, repr=False, compare=False)
    changed: Box | None = None

    def __post_init__(self) -> None:
        check_pixels(self.pixels, self.alpha)

    @property
    def time(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)

    def with_pixels(
        self, pixels: Pixels, alpha: Pixels | None = None, *, changed: Box | None = None
    ) -> Frame:
        """The same moment with other pixels `(H, W, 3)`; keeps the old alpha unless a new one is given."""
        return replace(self, pixels=pixels, alpha=self.alpha if alpha is None else alpha, changed=changed)


def as_pixels(array: NDArray[Any]) -> Pixels:
    """The array as it is; tells the type checker what the caller knows, that it is uint8 or uint16."""
    return cast(Pixels, array)


def check_pixels(pixels: Pixels, alpha: Pixels | None) -> None:
    """Raise ValueError unless the arrays are RGB `(H, W, 3)` and `(H, W)` of one unsigned dtype."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels must be (H, W, 3) uint8 or uint16, not {pixels.shape} {pixels.dtype}")
    if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
        raise ValueError(f"alpha must be {pixels.shape[:2]} {pixels.dtype}, not {alpha.shape} {alpha.dtype}")


@dataclass(frozen=True)
class ColourTags:
    """How a film's numbers stand for light: the integer code points of ITU-T H.273; 2 means "not said".

    `range` is 1 for limited (16..235), 2 for full (0..255), 0 for not said.
    """

    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    range: int = 0


@dataclass(frozen=True)
class Track:
    """A track beside the pictures: sound, subtitles, data or an attachment (such as a font)."""

    index: int
    kind: str
    codec: str
    language: str | None = None
    title: str | None = None
    channels: int | None = None
    sample_rate: int | None = None


@dataclass(frozen=True)
class MediaInfo:
    """What a file's header says. Widths and heights are those of the upright pixels.

    `frames`, `duration` (seconds) and `frame_rate` are None where the header does not tell; `rotation` is
    the clockwise turn in degrees (0, 90, 180, 270) that was applied to make the pixels upright, and
    `flipped` says that they were mirrored, too. `bit_depth` is that of one stored channel.
    """

    path: Path
    kind: Literal["picture", "film"]
    format: str
    codec: str
    width: int
    height: int
    frames: int | None = None
    duration: float | None = None
    frame_rate: Fraction | None = None
    time_base: Fraction | None = None
    start_pts: int | None = None
    bit_depth: int = 8
    pixel_format: str = "rgb24"
    rotation: int = 0
    flipped: bool = False
    alpha: bool = False
    sample_aspect_ratio: Fraction = Fraction(1)
    colour: ColourTags = field(default_factory=ColourTags)
    audio: tuple[Track, ...] = ()
    subtitles: tuple[Track, ...] = ()
    others: tuple[Track, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    loop: int | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_film(self) -> bool:
        """True for whatever has frames in time, animations included."""
        return self.kind == "film"
