"""Which embeddings are of one person: agglomerative clustering."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from omote.faces.identity import unit_vectors

Array = npt.NDArray[np.float32]


def agglomerate(
    embeddings: Array, weights: Array, apart: Sequence[tuple[int, int]], likeness: float
) -> npt.NDArray[np.int64]:
    """Join the two groups whose mean embeddings are most alike, again and again, until none are alike enough.

    Centroid linkage on the unit sphere (Sneath & Sokal 1973), with pairs that cannot be linked (Wagstaff et
    al., Constrained K-means Clustering with Background Knowledge, 2001).

    Args:
        embeddings: (N, D).
        weights: (N,) what each counts in the mean of its group, > 0.
        apart: pairs of numbers that are not of one person, whatever they look like.
        likeness: least cosine of the means of two groups that are joined.

    Returns:
        (N,) int64, the group of each, numbered by first appearance.
    """
    count = len(embeddings)
    sums = unit_vectors(embeddings) * np.asarray(weights, np.float32)[:, None]
    means = unit_vectors(sums)
    alike = (means @ means.T).astype(np.float64)
    barred = np.zeros((count, count), bool)
    for one, other in apart:
        barred[one, other] = barred[other, one] = True
    alike[barred] = -np.inf
    np.fill_diagonal(alike, -np.inf)
    group = np.arange(count)
    best = alike.argmax(1) if count else np.zeros(0, np.int64)
    while count:
        row = int(alike[np.arange(count), best].argmax())
        column = int(best[row])
        if not alike[row, column] >= likeness:
            break
        kept, lost = min(row, column), max(row, column)
        group[group == lost] = kept
        sums[kept] += sums[lost]
        means[kept] = unit_vectors(sums[kept])
        barred[kept] |= barred[lost]
        barred[:, kept] = barred[kept]
        gone = barred[kept] | ~np.isfinite(alike[kept]) & (np.arange(count) != lost)
        alike[kept] = np.where(gone, -np.inf, means @ means[kept])
        alike[kept, [kept, lost]] = -np.inf
        alike[:, kept] = alike[kept]
        alike[lost] = alike[:, lost] = -np.inf
        # Only rows whose best changed must be searched anew.
        stale = np.flatnonzero((best == lost) | (best == kept))
        best[stale] = alike[stale].argmax(1)
        best[kept] = alike[kept].argmax()
        nearer = alike[:, kept] > alike[np.arange(count), best]
        best[nearer] = kept
    _, first, which = np.unique(group, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[which.reshape(-1)]
