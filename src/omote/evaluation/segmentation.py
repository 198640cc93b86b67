"""How well regions are found: the overlap of found and true pixels, class by class."""

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer]
Counts = npt.NDArray[np.int64]


def confusion(truth: Labels, found: Labels, classes: int) -> Counts:
    """Count pixels by true class (row) and found class (column): (classes, classes).

    Args:
        truth: of any shape, 0 .. classes - 1.
        found: of the same shape.
        classes: how many.

    Raises:
        ValueError: the shapes differ.
    """
    if truth.shape != found.shape:
        raise ValueError(f"labels of shape {found.shape} for a truth of {truth.shape}: give the same shape")
    joint = truth.astype(np.int64).ravel() * classes + found.astype(np.int64).ravel()
    return np.bincount(joint, minlength=classes * classes).reshape(classes, classes)


def intersection_over_union(counts: Counts) -> npt.NDArray[np.float64]:
    """Right pixels over those that are of the class in truth or in what was found: (classes,), 0..1.

    NaN for a class of which the truth has no pixel; what was wrongly taken for it counts against the others.

    Args:
        counts: of `confusion`, summed over all pictures.
    """
    right = np.diag(counts).astype(np.float64)
    there, found = counts.sum(1), counts.sum(0)
    union = there + found - right
    return np.where(there > 0, right / np.maximum(union, 1), np.nan)
