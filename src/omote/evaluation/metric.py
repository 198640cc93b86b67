"""Metric: what every number of the report has in common, and the scene that it is taken from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from omote.evaluation.photos import Pixels
from omote.evaluation.statistics import Statistic

if TYPE_CHECKING:
    from omote.evaluation.looks import Looks

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """P swaps, real or supposed, and what was seen in them.

    Attributes:
        source: looks at the sources.
        target: looks at the targets.
        made: looks at the results.
        people: (P,) whose faces were given.
        gallery: (G, D) embeddings among which results are looked up.
        gallery_people: (G,) who they are.
        target_pixels: (P, S, S, 3) uint8.
        made_pixels: (P, S, S, 3) uint8.
        same_pixels: (P, S, S, 3) uint8, results where the target itself was the source; None if not made.
        hidden: (P, G) what of the gallery a result is not looked up among; None if it is all open.
    """

    source: Looks
    target: Looks
    made: Looks
    people: npt.NDArray[np.str_]
    gallery: Array
    gallery_people: npt.NDArray[np.str_]
    target_pixels: Pixels
    made_pixels: Pixels
    same_pixels: Pixels | None = None
    hidden: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of the report.

    Attributes:
        name: key in the report.
        title: in the table.
        unit: of the number; empty if it has none.
        better: which direction is good.
        whose: the photo of each pair whose group counts: the source for likeness, the target for the rest.
        rows: (P, K) of a scene, one row for each pair; None if the scene lacks what it takes.
        statistic: what makes one number of rows.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    whose: Literal["source", "target"]
    rows: Callable[[Scene], Array | None]
    statistic: Statistic
