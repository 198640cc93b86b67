"""Pairs: who shall get whose face, and who else is looked through when a swapped face is recognised."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.evaluation.photos import Photos

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """What is swapped. Numbers are those of photos.

    Attributes:
        photos: all faces that occur.
        sources: (P,) whose face is given.
        targets: (P,) into which it is put; always another person.
        others: (P,) another photo of the source's person, -1 where there is none; never the same file.
        gallery: (G,) the faces among which a swapped one is looked up; all sources are among them.
        protocol: how the pairs were made, in words.
    """

    photos: Photos
    sources: Indices
    targets: Indices
    others: Indices
    gallery: Indices
    protocol: str

    def __len__(self) -> int:
        return len(self.sources)


def held_out_pairs(photos: Photos, count: int | None = None, seed: int = 1) -> Pairs:
    """People in a random ring: a photo of each is given to a photo of the next.

    So everybody is a source once and a target once, and nobody counts more for having more photos.

    Args:
        photos: of at least two people.
        count: at most so many people; all unless said.
        seed: of all that is drawn.

    Raises:
        InputError: there are fewer than two people.
    """
    people = np.unique(photos.people)
    if len(people) < 2:
        raise InputError("to swap faces it takes two people, the set has fewer")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(people)[:count]
    own = [np.flatnonzero(photos.people == person) for person in chosen]
    sources = np.array([rng.choice(numbers) for numbers in own])
    targets = np.array([rng.choice(numbers) for numbers in (*own[1:], own[0])])
    return Pairs(
        photos,
        sources,
        targets,
        another_photo(photos, sources, rng),
        sources,
        "held-out people in a random ring: a photo of each is given to a photo of the next",
    )


def crossed_pairs(photos: Photos, sources: Indices, targets: Indices, count: int | None, seed: int) -> Pairs:
    """Targets with sources in turn: in every round each target gets a source that it has not had yet.

    Args:
        photos: all of them.
        sources: numbers of the photos whose faces are given.
        targets: numbers of the photos that get them.
        count: pairs; one round unless said. No more than there are.
        seed: of the order.

    Raises:
        InputError: no source is another person than a target.
    """
    rng = np.random.default_rng(seed)
    givers, takers = rng.permutation(sources), rng.permutation(targets)
    _, people = np.unique(photos.people, return_inverse=True)
    shots, wanted, found = photos.shots, count or len(takers), 0
    rounds = []
    for turn in range(len(givers)):
        turned = givers[(np.arange(len(takers)) + turn) % len(givers)]
        strangers = (people[turned] != people[takers]) & (shots[turned] != shots[takers])
        rounds.append(np.stack([turned, takers])[:, strangers])
        found += int(strangers.sum())
        if found >= wanted:
            break
    if not found:
        raise InputError("sources and targets show one person only: there is nothing to swap")
    given, taken = np.concatenate(rounds, 1)[:, :wanted]
    return Pairs(
        photos,
        given,
        taken,
        another_photo(photos, given, rng),
        np.unique(sources),
        "two folders: each target with sources in turn, in random order",
    )


def another_photo(photos: Photos, chosen: Indices, rng: np.random.Generator) -> Indices:
    """For each chosen photo another one of the same person, -1 where there is none."""
    found, shots = [], photos.shots
    for number in chosen:
        rest = np.flatnonzero(photos.people == photos.people[number])
        rest = rest[shots[rest] != shots[number]]
        found.append(rng.choice(rest) if len(rest) else -1)
    return np.array(found)


def derangement(count: int, rng: np.random.Generator) -> Indices:
    """A random permutation that leaves nothing in its place: one cycle through all."""
    order = rng.permutation(count)
    result = np.empty(count, np.intp)
    result[order] = np.roll(order, 1)
    return result
