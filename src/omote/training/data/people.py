"""Who each face of a new data set is, and which people are held out."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from omote.training.data.build_settings import Identities
from omote.training.data.candidates import Candidate
from omote.training.data.identities import clustered
from omote.training.data.labels import Label


def people_of(
    candidates: Sequence[Candidate],
    known: Sequence[Label],
    rule: Identities,
    likeness: float,
    embeddings: npt.NDArray[np.float32] | None,
) -> list[str]:
    """Name the person of each face; a label that names one has the last word.

    Args:
        candidates: the faces.
        known: their labels.
        rule: see `BuildSettings.identities`.
        likeness: for `cluster`.
        embeddings: for `cluster`, (N, D).
    """
    if rule == "cluster" and embeddings is not None:
        numbers = clustered(embeddings, likeness)
        names: dict[int, str] = {}  # of each person's first face
        people = [names.setdefault(int(n), c.name) for n, c in zip(numbers, candidates, strict=True)]
    else:
        people = [_person(candidate, rule) for candidate in candidates]
    return [label.person or person for label, person in zip(known, people, strict=True)]


def _person(candidate: Candidate, rule: Identities) -> str:
    if rule == "folders":
        return candidate.file.partition("/")[0]
    return candidate.name if np.isnan(candidate.time) else candidate.file


def split_of(person: str, held_out: float) -> str:
    """`val` for about this share of all names, else `train`; always the same for a name."""
    digest = hashlib.sha256(person.encode()).digest()
    return "val" if int.from_bytes(digest[:8]) < held_out * 2**64 else "train"
