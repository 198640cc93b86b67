"""What the networks of this room have in common, whichever of them is chosen."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from omote.faces.face import Face

Pixels = npt.NDArray[Any]


class FaceDetector(Protocol):
    """Finds faces. Stateless, safe to call from several threads."""

    def find(self, pixels: Pixels) -> list[Face]:
        """Return the faces of (H, W, 3) RGB pixels, uint8 or uint16, largest first, with five points."""
        ...


class Landmarker(Protocol):
    """Makes the five points of faces better, and adds what else it knows. Stateless, safe for threads."""

    def refine(self, pixels: Pixels, faces: Sequence[Face]) -> list[Face]:
        """Return new faces in the same order, with `points` and `landmarks` or `mesh` filled in."""
        ...


class Recogniser(Protocol):
    """Turns faces into embeddings. Stateless, safe for threads."""

    def embed(self, pixels: Pixels, faces: Sequence[Face]) -> npt.NDArray[np.float32]:
        """Return (N, D) float32 as the network gives them, *not* of unit length: converters want them raw."""
        ...
