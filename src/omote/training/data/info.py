"""What a data set holds, counted from its table alone."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.training.data.shards import Shards, open_shards

_YAW = (0, 15, 30, 45, 60, 180)
_AGE = (0, 18, 30, 45, 60, 75, 150)


@dataclass(frozen=True, slots=True)
class Group:
    """Faces of one source and licence."""

    source: str
    licence: str
    faces: int
    people: int
    train: int
    val: int


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What a set holds.

    Attributes:
        square: side of the pictures in pixels.
        side: side of the crop inside the border.
        template: of alignment.
        faces: all of them.
        people: among these.
        several: people with two photos or more.
        splits: faces and people of each split.
        groups: by source and licence, largest first.
        yaw: faces by the turn of the head to either side, in degrees; `?` where not known.
        age: faces by years; likewise.
    """

    square: int
    side: int
    template: str
    faces: int
    people: int
    several: int
    splits: dict[str, tuple[int, int]]
    groups: tuple[Group, ...]
    yaw: dict[str, int]
    age: dict[str, int]

    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def describe(folder: Path, square: int | None = None) -> SetFacts:
    """Count the faces of a folder of shards; no picture is decoded.

    Raises:
        InputError: as `open_shards`.
    """
    shards = open_shards(folder, square)
    columns = shards.columns
    _, photos = np.unique(columns["identity"].astype(str), return_counts=True)
    splits = {
        str(split): (int((columns["split"] == split).sum()), _people(shards, columns["split"] == split))
        for split in np.unique(columns["split"].astype(str))
    }
    return SetFacts(
        square=shards.square,
        side=shards.square - 2 * shards.border,
        template=shards.template,
        faces=len(shards),
        people=len(photos),
        several=int((photos > 1).sum()),
        splits=splits,
        groups=_groups(shards),
        yaw=_bands(np.abs(columns["yaw"]), _YAW),
        age=_bands(columns["age"], _AGE),
    )


def _people(shards: Shards, mask: npt.NDArray[np.bool_]) -> int:
    return len(set(shards.columns["identity"][mask]))


def _groups(shards: Shards) -> tuple[Group, ...]:
    columns = shards.columns
    found = []
    for source, licence in sorted(set(zip(columns["source"], columns["licence"], strict=True))):
        mask = (columns["source"] == source) & (columns["licence"] == licence)
        train, val = (int((columns["split"][mask] == split).sum()) for split in ("train", "val"))
        found.append(Group(source, licence, int(mask.sum()), _people(shards, mask), train, val))
    return tuple(sorted(found, key=lambda group: -group.faces))


def _bands(values: npt.NDArray[np.float32], edges: tuple[int, ...]) -> dict[str, int]:
    """How many values lie in each band, the upper edge left out; and how many are not known."""
    counts, _ = np.histogram(values[np.isfinite(values)], edges)
    bands = {f"{low}-{high}": int(n) for low, high, n in zip(edges, edges[1:], counts, strict=False)}
    unknown = int((~np.isfinite(values)).sum())
    return bands | ({"?": unknown} if unknown else {})
