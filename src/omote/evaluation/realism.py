"""Realism: how far a set of swapped faces is from real ones, as Fréchet distance of a network's features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SPLITS = 8
"""Random halvings over which distances are averaged."""


def frechet_distance(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Squared Fréchet distance of the Gaussians with the means and covariances of two sets of features.

    |μ₁ - μ₂|² + tr(C₁ + C₂ - 2 (C₁C₂)^½). With C = XᵀX the trace of the root is the sum of the singular
    values of X₁X₂ᵀ, so that no root of a matrix is needed, and nothing is lost if there are fewer rows than
    columns. Heusel et al., GANs Trained by a Two Time-Scale Update Rule ..., 2017.

    Args:
        first: (N, F), N ≥ 2.
        second: (M, F), M ≥ 2.
    """
    a, b = (np.asarray(rows, np.float64) for rows in (first, second))
    shift = a.mean(0) - b.mean(0)
    roots = [_root(rows) for rows in (a, b)]
    spread = sum(float((root**2).sum()) for root in roots)
    mixed = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    return float(max(shift @ shift + spread - 2 * mixed, 0))


def _root(rows: Array) -> Array:
    """X with XᵀX the covariance, with no more rows than columns."""
    centred = (rows - rows.mean(0)) / np.sqrt(len(rows) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(rows) > rows.shape[1] else centred


@dataclass(frozen=True, slots=True)
class Realism:
    """Distances to real faces, each between sets of the same size that share no target.

    The distance of small sets is too large by an amount that depends on their size alone, so only numbers
    of one report can be compared.

    Attributes:
        halves: between two halves of the real targets; what a swap that changes nothing would get.
        swap: between the swaps of one half and the targets of the other.
        spread: standard deviation of the swap's over the random halvings.
        pictures: in each half.
    """

    halves: float
    swap: float
    spread: float
    pictures: int


def realism(target: Array, made: Array, people: npt.NDArray[np.str_], seed: int = 0) -> Realism | None:
    """Compare features of swaps with those of real faces.

    Args:
        target: (P, F) features of the targets.
        made: (P, F) of the swaps.
        people: (P,) who the targets are: nobody's targets are in both halves. Whose faces they got is not
            looked at, so a person may give a face to one half and be a real target of the other.
        seed: of the halvings.

    Returns:
        None if there are no features, or fewer than four targets.
    """
    names = np.unique(people)
    if not target.shape[1] or len(names) < 4:
        return None
    rng = np.random.default_rng(seed)
    found = {"halves": target, "swap": made}
    drawn: dict[str, list[float]] = {name: [] for name in found}
    size = 0
    for _ in range(SPLITS):
        here = np.isin(people, rng.permutation(names)[: len(names) // 2])
        first, second = (rng.permutation(np.flatnonzero(side)) for side in (here, ~here))
        size = min(len(first), len(second))
        first, second = first[:size], second[:size]
        for name, rows in found.items():
            drawn[name].append(frechet_distance(rows[first], target[second]))
    means = {name: float(np.mean(values)) for name, values in drawn.items()}
    return Realism(**means, spread=float(np.std(drawn["swap"])), pictures=size)
