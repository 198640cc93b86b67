"""Swapper: what every engine that gives a face a new identity has in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from omote.compose import ColourMethod
from omote.faces.align import Crop
from omote.faces.face import Face

Array = npt.NDArray[np.float32]
Identity = TypeVar("Identity")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A photo of the person whose face is wanted: (H, W, 3) RGB pixels and the face in it, with its mesh."""

    pixels: npt.NDArray[Any]
    face: Face


@dataclass(frozen=True, slots=True, eq=False)
class SwappedCrop:
    """What an engine made of one crop.

    Attributes:
        pixels: (N, N, 3) float32 RGB in 0..1, before colour transfer.
        mask: (N, N) float32 in 0..1, where the engine vouches for its pixels.
        detail: (N, N) float32 in 0..1, how much of the target's fine detail they contain; None where the
            engine does not say.
    """

    pixels: Array
    mask: Array
    detail: Array | None = None


class Swapper(Protocol[Identity]):
    """An engine. Stateless and safe to call from several threads at once."""

    template: str
    """Name of the alignment template of the crops that the engine wants."""

    @property
    def colour(self) -> ColourMethod | None:
        """The colour transfer that suits what the engine makes, unless the user wants another; None where it
        has done that itself.
        """
        ...

    def crop_size(self, face: Face) -> int:
        """Side in pixels of the crop that this face should be cut to."""
        ...

    def identity(self, sources: Sequence[Source]) -> Identity:
        """Take from one or more photos of a person what the engine needs to know of them."""
        ...

    def swap(self, crops: Sequence[Crop], identity: Identity) -> list[SwappedCrop]:
        """Give each crop's face the identity."""
        ...
