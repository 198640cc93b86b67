"""Statistics of pairs: means, correlations, ratios, their intervals, and gaps between groups."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""From rows of pairs, (..., n, k), to one number each, (...)."""

LEAST = 20
"""Pairs that a group must have to be compared."""
_DRAWS = 1000
_SHUFFLES = 200


def mean(rows: Array) -> Array:
    """Mean of the first column."""
    return np.asarray(rows[..., 0].mean(-1))


def ratio(rows: Array) -> Array:
    """Sum of the first column by that of the second; not a number where that is 0."""
    below = rows[..., 1].sum(-1)
    return np.asarray(rows[..., 0].sum(-1) / np.where(below == 0, np.nan, below))


def correlation(rows: Array) -> Array:
    """Pearson's correlation of two columns; not a number where one of them is constant."""
    a, b = (rows[..., column] - rows[..., column].mean(-1, keepdims=True) for column in (0, 1))
    spread = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return np.asarray((a * b).sum(-1) / np.where(spread <= 1e-12, np.nan, spread))


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, its 95 % interval, and how many pairs it is of."""

    value: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Gap:
    """How far groups lie apart.

    Attributes:
        lowest: group with the lowest number.
        highest: group with the highest number.
        size: difference of their numbers.
        chance: mean of the same when pairs are dealt to the groups at random: so much is no finding.
    """

    lowest: str
    highest: str
    size: float
    chance: float


def cell(rows: Array, statistic: Statistic, people: npt.NDArray[Any], seed: int = 0) -> Cell:
    """The number of all pairs, with the percentile interval of a bootstrap.

    People are drawn, not pairs: photos of one person, frames of one film, say much the same.
    Efron, Bootstrap Methods: Another Look at the Jackknife, 1979.

    Args:
        rows: (P, K).
        statistic: what makes a number of them.
        people: (P,) whom each pair is about.
        seed: of the draws.
    """
    owners = [np.flatnonzero(people == person) for person in np.unique(people)]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(owners), (_DRAWS, len(owners)))
    if len(owners) == len(rows):
        found = statistic(rows[np.concatenate(owners)[drawn]])
    else:
        found = np.array([statistic(rows[np.concatenate([owners[n] for n in draw])]) for draw in drawn])
    found = found[np.isfinite(found)]
    low, high = np.percentile(found, (2.5, 97.5)) if len(found) else (np.nan, np.nan)
    return Cell(float(statistic(rows)), float(low), float(high), len(rows))


@dataclass(frozen=True, slots=True)
class Group:
    """The number of one group, the same if nothing were swapped, and how many pairs they are of."""

    value: float
    floor: float
    pairs: int


def by_group(
    rows: Array, floor: Array, groups: npt.NDArray[np.str_], statistic: Statistic
) -> dict[str, Group]:
    """The numbers of every group, of swaps and of unchanged targets; pairs without a group are left out."""
    found = {}
    for name in np.unique(groups):
        own = groups == name
        if name:
            found[str(name)] = Group(
                float(statistic(rows[own])), float(statistic(floor[own])), int(own.sum())
            )
    return found


def largest_gap(rows: Array, groups: npt.NDArray[np.str_], statistic: Statistic, seed: int = 0) -> Gap | None:
    """The largest difference between groups of at least `LEAST` pairs; None if there are no two of them.

    Groups whose statistic is not a number, such as the correlation of a constant, are not compared.
    """
    names, counts = np.unique(groups, return_counts=True)
    large = [str(name) for name, count in zip(names, counts, strict=True) if name and count >= LEAST]
    values = _values(rows, groups, large, statistic)
    if len(values) < 2:
        return None
    kept = np.isin(groups, list(values))
    rows, groups = rows[kept], groups[kept]
    rng = np.random.default_rng(seed)
    dealt = [_values(rows, rng.permutation(groups), list(values), statistic) for _ in range(_SHUFFLES)]
    chance = [np.ptp(list(found.values())) for found in dealt if found]
    lowest, highest = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return Gap(lowest, highest, values[highest] - values[lowest], float(np.mean(chance)))


def _values(
    rows: Array, groups: npt.NDArray[np.str_], names: list[str], statistic: Statistic
) -> Mapping[str, float]:
    """The numbers of the groups that have one."""
    found = {name: float(statistic(rows[groups == name])) for name in names}
    return {name: value for name, value in found.items() if np.isfinite(value)}
