"""Photos: aligned faces with what is known of them, all in one framing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from omote.faces.align import Matrix, template
from omote.faces.face import Face

Pixels = npt.NDArray[np.uint8]
Texts = npt.NDArray[np.str_]

BORDER = 0.1
"""Share of the side that lies around the ArcFace crop, on each side."""
SIDE = 160
"""Side in pixels of the faces that are cut here."""
LABELS = ("set", "sex", "age")
"""What faces are grouped by: where they come from, sex where it is labelled, band of age."""

_BANDS = ((30, "under 30"), (45, "30 to 44"), (60, "45 to 59"))


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where an aligned face was cut from.

    Attributes:
        path: of the photo or film.
        frame: number of the frame; None for a photo.
        matrix: (2, 3), takes picture (x, y, 1) to the aligned face.
    """

    path: Path
    frame: int | None
    matrix: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Faces aligned by five points to the template `arcface_112_v2`, with a border of `BORDER` around it.

    Attributes:
        pixels: (N, S, S, 3) uint8 RGB.
        names: by which the report calls them.
        people: (N,) who it is; equal texts are one person.
        labels: label → (N,) text, empty where unknown.
        origins: where they were cut from; empty if nobody knows.

    Raises:
        ValueError: the fields are not of one length, or not in this shape.
    """

    pixels: Pixels
    names: tuple[str, ...]
    people: Texts
    labels: Mapping[str, Texts] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        count, height, width, channels = self.pixels.shape
        if height != width or channels != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"photos have shape {self.pixels.shape}, expected (N, S, S, 3) uint8")
        lengths = {len(self.names), len(self.people), *map(len, self.labels.values())}
        if lengths != {count} or len(self.origins) not in (0, count):
            raise ValueError(f"{count} photos, but names, people and labels of {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def side(self) -> int:
        """Of the square, in pixels."""
        return int(self.pixels.shape[1])

    @property
    def shots(self) -> npt.NDArray[np.intp]:
        """(N,) equal for equal files, and frames of films, that were read more than once."""
        if not self.origins:
            return np.arange(len(self))
        first: dict[tuple[Path, int | None], int] = {}
        keys = [(origin.path.resolve(), origin.frame) for origin in self.origins]
        return np.array([first.setdefault(key, number) for number, key in enumerate(keys)])


def aligned_points(side: int = SIDE) -> npt.NDArray[np.float32]:
    """Where the five points lie in an aligned face of this side, (5, 2) in pixels."""
    return np.asarray((template("arcface_112_v2") * (1 - 2 * BORDER) + BORDER) * side, np.float32)


def aligned_face(side: int = SIDE) -> Face:
    """The face of an aligned square, as a detector would give it."""
    low, high = BORDER * side, (1 - BORDER) * side
    return Face(np.array([low, low, high, high], np.float32), 1.0, aligned_points(side))


def inner(pixels: Pixels) -> Pixels:
    """The ArcFace crops without their border: (N, S, S, 3) → (N, s, s, 3), a view."""
    border = round(BORDER * pixels.shape[1])
    return pixels[:, border : pixels.shape[1] - border, border : pixels.shape[2] - border]


def joined(parts: Sequence[Photos]) -> Photos:
    """Several sets as one, in their order; labels that a set lacks are empty there."""
    labels = {label for part in parts for label in part.labels}
    return Photos(
        np.concatenate([part.pixels for part in parts]),
        tuple(name for part in parts for name in part.names),
        np.concatenate([part.people for part in parts]),
        {
            label: np.concatenate([part.labels.get(label, np.full(len(part), "")) for part in parts])
            for label in sorted(labels)
        },
        tuple(origin for part in parts for origin in part.origins),
    )


def age_band(age: str) -> str:
    """The band of an age in years; empty if it is not known: no number, or below 0."""
    try:
        years = float(age)
    except ValueError:
        return ""
    if not 0 <= years < math.inf:
        return ""
    return next((band for limit, band in _BANDS if years < limit), "60 and over")
