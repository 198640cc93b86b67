"""The template of a face: what a consent or the do-not-swap list keeps of somebody, and how it is compared.

**What a template reveals.** It is biometric data: with the network that made it, anybody can tell whether a
photo shows the same person, and a rough likeness of the face can be computed from it. Rounding hides nothing
of that. It cannot be salted or hashed away, because two photos of a person never give the same numbers and
the comparison needs all of them; schemes that hide it (fuzzy commitment, homomorphic encryption) need far
fewer errors than the network makes. So a template is kept where it is needed and nowhere else: in the consent
that its person signs, and in the private folder of this computer. It is never written into an output, its
credentials or the audit log; there stands only the digest of the record, which holds random digits and hence
cannot be found by trying.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.faces.face import Face
from omote.faces.identity import RECOGNISERS, average, unit_vectors
from omote.zoo import Network, Networks

Array = npt.NDArray[np.float32]

NETWORK = "omote-identity"
"""The identity network of consents and the do-not-swap list: it ships, so every installation has the same."""

THRESHOLD = 0.37
"""Least cosine at which two faces count as one person; see `docs/trust.md` for the error rates."""

_ODD = 0.25
"""Least cosine of a photo to the others that a template is made of: they are few, so the line is lower."""

_SCALE = 127
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class FaceTemplate:
    """A face as numbers.

    Attributes:
        codes: (D,) signed bytes, base64: the unit vector by its largest number, in 127 steps.
        photos: of how many photos it is the mean direction.
    """

    codes: str
    photos: int

    @classmethod
    def of(cls, embeddings: npt.ArrayLike) -> "FaceTemplate":
        """Make the template of (N, D) embeddings of one person, N ≥ 1, of any length.

        Raises:
            ModelError: the embeddings have no common direction.
        """
        array = np.atleast_2d(np.asarray(embeddings, np.float32))
        mean = average(array)
        steps = np.rint(mean * (_SCALE / np.abs(mean).max())).astype(np.int8)
        return cls(base64.b64encode(steps.tobytes()).decode(), len(array))

    def vector(self) -> Array:
        """The unit vector, (D,).

        Raises:
            InputError: the codes are no base64, too many, or all zero.
        """
        try:
            raw = base64.b64decode(self.codes, validate=True)
        except (binascii.Error, ValueError):
            raise InputError("the template of a face is no base64") from None
        steps = np.frombuffer(raw, np.int8).astype(np.float32)
        if not 0 < len(steps) <= _LARGEST or not steps.any():
            raise InputError("the template of a face is empty or too long")
        return unit_vectors(steps)

    def likeness(self, embeddings: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Cosine, -1..1, to each of (N, D) embeddings; N may be 0.

        Raises:
            InputError: they have another number of dimensions, or the template is none.
        """
        own, others = self.vector(), unit_vectors(embeddings)
        if not others.size:
            return np.zeros(0)
        others = np.atleast_2d(others)
        if others.shape[1] != len(own):
            raise InputError(f"the template has {len(own)} numbers, a face has {others.shape[1]}")
        return np.asarray(np.clip(others.astype(np.float64) @ own.astype(np.float64), -1, 1))


def odd_one(embeddings: npt.ArrayLike) -> int | None:
    """Which of several photos shows another face than the rest; None if none does.

    Args:
        embeddings: (N, D), N ≥ 1, each of one photo.
    """
    array = unit_vectors(embeddings)
    if len(array) < 2:
        return None
    # Each against the mean of the others: its own part in the mean would hide it.
    rest = unit_vectors(array.sum(0) - array)
    likeness = (array * rest).sum(1)
    worst = int(likeness.argmin())
    return worst if likeness[worst] < _ODD else None


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """Who faces are, by the network that templates are made with. Safe for threads.

    Attributes:
        sha256: digest of the network, which every template's record names.
    """

    sha256: str
    _network: Network

    @classmethod
    def open(cls, networks: Networks) -> "Recognition":
        """Open it among a job's networks.

        Raises:
            ModelError: it cannot be loaded.
        """
        network = networks.open(NETWORK, "identity")
        return cls(hashlib.sha256(network.read()).hexdigest(), network)

    def embed(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> Array:
        """Return (N, D) unit vectors of faces of a picture (H, W, 3) RGB, by their five points."""
        recogniser = RECOGNISERS[self._network.card.adapter](self._network)
        return unit_vectors(recogniser.embed(pixels, faces))
