"""Which faces are paired in a step: targets with sources, in settable shares of three kinds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.errors import InputError, UsageError
from omote.training.data.seeds import PAIRS, generator

Indices = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]

SAME_PHOTO, OTHER_PHOTO, OTHER_PERSON = 0, 1, 2
"""Kinds of a pair: the source is the target itself, another photo of the same person, another person."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """Pairs of one step: `target` and `source` (n,) number faces, `kind` (n,) is 0, 1 or 2; all int64."""

    target: Indices
    source: Indices
    kind: Indices

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, part: slice) -> "Draw":
        return Draw(self.target[part], self.source[part], self.kind[part])


class Sampler:
    """Draws pairs. Keeps no state: a step's pairs follow from the seed and the step alone.

    There are no accidental pairs: another person is never the same person, another photo never the same
    photo. Faces are drawn with replacement, in proportion to their weights.

    Args:
        person: (N,) who each face is; faces of one number are photos of one person.
        same_photo: share of pairs of kind 0, 0..1.
        other_photo: share of pairs of kind 1; what both leave of 1 is of kind 2.
        seed: of the draws.
        weights: (N,) how often a face is drawn, ≥ 0; all alike unless said. Of another photo only that it is
            not 0 counts.

    Raises:
        UsageError: the shares or weights make no sense.
        InputError: the faces cannot serve the shares: no person has two photos, or there is one person only.
    """

    def __init__(
        self,
        person: npt.NDArray[np.integer],
        *,
        same_photo: float,
        other_photo: float,
        seed: int,
        weights: npt.ArrayLike | None = None,
    ) -> None:
        if min(same_photo, other_photo) < 0 or same_photo + other_photo > 1 + 1e-9:
            raise UsageError(
                f"same_photo {same_photo:g}, other_photo {other_photo:g}: give shares, 1 together at most"
            )
        weight = np.ones(len(person)) if weights is None else np.asarray(weights, np.float64)
        if weight.shape != person.shape or not np.isfinite(weight).all() or (weight < 0).any():
            raise UsageError(f"weights must be {len(person)} finite numbers, none negative")
        self.same_photo, self.other_photo, self.seed = same_photo, other_photo, seed
        # Faces in the order of people: those of one person are a run, and a draw can leave it out.
        usable = np.flatnonzero(weight > 0)
        self._faces: Indices = usable[np.argsort(person[usable], kind="stable")].astype(np.int64)
        ordered = person[self._faces]
        _, first, count = np.unique(ordered, return_index=True, return_counts=True)
        self._begin: Indices = np.repeat(first, count)
        self._end: Indices = np.repeat(first + count, count)
        self._sum: Weights = np.concatenate([[0.0], np.cumsum(weight[self._faces])])
        self._paired: Indices = np.flatnonzero(self._end - self._begin > 1)
        self._paired_sum: Weights = np.concatenate([[0.0], np.cumsum(weight[self._faces[self._paired]])])
        self._require(len(first))

    def draw(self, step: int, n: int) -> Draw:
        """Return the n pairs of a step; the same ones whenever asked."""
        random = generator(self.seed, step, PAIRS)
        shares = np.array([self.same_photo, self.same_photo + self.other_photo])
        shares[shares > 1 - 1e-9] = 1  # 0.7 + 0.3 leave nothing
        kind = np.searchsorted(shares, random.random(n), side="right")
        u, v = random.random((2, n))
        target = _pick(self._sum, u)
        other_photo = kind == OTHER_PHOTO
        if other_photo.any():
            target[other_photo] = self._paired[_pick(self._paired_sum, u[other_photo])]
        source = target.copy()
        source[other_photo] = self._mates(target[other_photo], v[other_photo])
        other_person = kind == OTHER_PERSON
        source[other_person] = self._strangers(target[other_person], v[other_person])
        return Draw(self._faces[target], self._faces[source], kind.astype(np.int64))

    def _mates(self, place: Indices, u: Weights) -> Indices:
        """Other photos of the same people: all but the photo itself, each as likely."""
        begin, others = self._begin[place], self._end[place] - self._begin[place] - 1
        chosen = begin + np.minimum((u * others).astype(np.int64), others - 1)
        return np.asarray(chosen + (chosen >= place), np.int64)

    def _strangers(self, place: Indices, u: Weights) -> Indices:
        """Photos of other people by weight: drawn from the line of weights without the person's own run."""
        begin, end = self._begin[place], self._end[place]
        left, right, total = self._sum[begin], self._sum[end], self._sum[-1]
        at = u * (total - (right - left))
        chosen = _place(self._sum, np.where(at < left, at, at + (right - left)))
        # Rounding may put a draw on the very edge of the run.
        inside = (chosen >= begin) & (chosen < end)
        beside = np.where(end < len(self._faces), end, begin - 1)
        return np.where(inside, beside, chosen)

    def _require(self, people: int) -> None:
        faces = len(self._faces)
        if not faces:
            raise InputError("no face has a weight above 0: nothing can be drawn")
        if self.other_photo > 0 and not len(self._paired):
            raise InputError(
                f"none of the {people} people has two photos: other_photo = {self.other_photo:g} needs "
                "somebody who has; set it to 0 or add photos"
            )
        if self.same_photo + self.other_photo < 1 - 1e-9 and people < 2:
            raise InputError(
                f"the {faces} faces are of one person: pairs of different people need two at least; "
                "add people, or let same_photo and other_photo be 1 together"
            )


def balanced(labels: npt.NDArray[np.generic], power: float = 1.0) -> Weights:
    """Weights (N,) that make labels equally likely, whatever the number of faces that bear them.

    Args:
        labels: (N,) of any kind: sources, people, groups.
        power: 1 makes them equally likely, 0 leaves them as they are, 0.5 lies between.
    """
    _, which, count = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray((count / len(labels))[which] ** -power, np.float64)


def _pick(line: Weights, u: Weights) -> Indices:
    """Draw by cumulative weights (n + 1,), first 0, with u in 0..1."""
    return _place(line, u * line[-1])


def _place(line: Weights, at: Weights) -> Indices:
    chosen = np.searchsorted(line, at, side="right") - 1
    return np.asarray(np.minimum(chosen, len(line) - 2), np.int64)
