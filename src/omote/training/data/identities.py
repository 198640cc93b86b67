"""Who is who, from embeddings alone: spherical DP-means, which finds the number of people by itself."""

import numpy as np
import numpy.typing as npt

from omote.faces.identity import unit_vectors

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

LIKENESS = 0.5
"""Least cosine of a face and the mean of its person."""

_PASSES = 10
_BLOCK = 4096


def clustered(embeddings: Array, likeness: float = LIKENESS) -> Labels:
    """Number the people of faces, by first appearance from 0.

    A face belongs to the person whose mean embedding is nearest, or is somebody new if none is near enough;
    means and memberships follow one another until nothing changes (Kulis and Jordan, Revisiting k-means: New
    Algorithms via Bayesian Nonparametrics, 2012, on the unit sphere). People whose means come as near are
    joined.

    Args:
        embeddings: (N, D), of any length.
        likeness: least cosine of a face and the mean of its person, 0..1: higher makes more people of fewer
            faces each.

    Returns:
        (N,) int64.
    """
    faces = unit_vectors(embeddings)
    labels = _first_pass(faces, likeness)
    for _ in range(_PASSES):
        before = labels
        labels = _joined(faces, _reassigned(faces, labels, likeness), likeness)
        if np.array_equal(labels, before):
            break
    return labels


def _first_pass(faces: Array, likeness: float) -> Labels:
    """One face after the other: to the nearest person so far, or to somebody new."""
    labels = np.zeros(len(faces), np.int64)
    sums, people = np.zeros_like(faces), 0
    means = np.zeros_like(faces)
    for number, face in enumerate(faces):
        near = means[:people] @ face
        nearest = int(near.argmax()) if people else 0
        if not people or near[nearest] < likeness:
            nearest, people = people, people + 1
        labels[number] = nearest
        sums[nearest] += face
        means[nearest] = unit_vectors(sums[nearest])
    return labels


def _means(faces: Array, labels: Labels) -> Array:
    sums = np.zeros((int(labels.max(initial=-1)) + 1, faces.shape[1]), np.float32)
    np.add.at(sums, labels, faces)
    return unit_vectors(sums)


def _reassigned(faces: Array, labels: Labels, likeness: float) -> Labels:
    """Every face to the nearest mean; those that are near none are somebody new, each by himself."""
    means = _means(faces, labels)
    result = np.empty_like(labels)
    for first in range(0, len(faces), _BLOCK):
        part = slice(first, first + _BLOCK)
        near = faces[part] @ means.T
        result[part] = near.argmax(1)
        strange = near.max(1) < likeness
        result[part][strange] = -1
    strangers = np.flatnonzero(result < 0)
    result[strangers] = len(means) + np.arange(len(strangers))
    return _dense(result)


def _joined(faces: Array, labels: Labels, likeness: float) -> Labels:
    """Join the pairs of people whose means are as near as a face must be to its own; the nearest first."""
    means = _means(faces, labels)
    pairs: list[tuple[float, int, int]] = []
    for first in range(0, len(means), _BLOCK):
        near = means[first : first + _BLOCK] @ means.T
        for row, column in np.argwhere(np.triu(near, first + 1) >= likeness):
            pairs.append((-float(near[row, column]), first + int(row), int(column)))
    joined: set[int] = set()
    into = np.arange(len(means))
    for _, one, other in sorted(pairs):
        # A person is joined once a pass: the mean of the pair must be looked at before a third is added.
        if one not in joined and other not in joined:
            joined |= {one, other}
            into[other] = one
    return _dense(into[labels])


def _dense(labels: Labels) -> Labels:
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[which.reshape(-1)]
