"""Who somebody is: embeddings of faces, their averages and likeness, converters between spaces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.align import similarity, template, warp
from omote.faces.checks import check_scaling, check_template
from omote.faces.crops import tensor
from omote.faces.face import Face
from omote.faces.protocols import Recogniser
from omote.zoo import Network, Port, read_settings, require

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ArcFaceSettings:
    """What a recogniser of ArcFace's kind wants; it gives (B, D), not of unit length.

    Attributes:
        template: of alignment.
        mean: of red, green and blue, taken from pixels in 0..1.
        std: likewise; what remains is divided by it.
        bgr: whether the network wants blue first.
        height: of the crop in pixels.
        width: of the crop; where it is less than the height, the middle columns of the square crop.

    Source: Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, 2019.
    """

    template: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = False
    height: int = 112
    width: int = 112


class ArcFace:
    """Turns aligned faces into embeddings, all at once if the graph allows. Stateless, safe for threads.

    Raises:
        ModelError: the network does not meet its contract.
    """

    def __init__(self, network: Network) -> None:
        self.settings = read_settings(network.card, ArcFaceSettings)
        self.session = network.session
        height, width = self.settings.height, self.settings.width
        check_template(network.card.name, self.settings.template)
        check_scaling(network.card.name, self.settings.mean, self.settings.std)
        self._target = template(self.settings.template) * height - ((height - width) / 2, 0)
        require(
            self.session, network.card.name, [Port((None, 3, height, width))], outputs=[Port((None, None))]
        )

    def embed(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> Array:
        """Return (N, D) float32 as the network gives them, not of unit length: converters want them raw.

        Args:
            pixels: (H, W, 3) RGB, uint8, uint16 or float32 0..1.
            faces: faces of that picture; at least one.
        """
        if not faces:
            raise ValueError("no face to embed")
        look, size = self.settings, (self.settings.width, self.settings.height)
        crops = [warp(pixels, similarity(face.points, self._target), size) for face in faces]
        found = self.session.run_batch(tensor(crops, look.mean, look.std, bgr=look.bgr))[0]
        return np.asarray(found, np.float32)


@dataclass(frozen=True, slots=True)
class CrossFaceSettings:
    """What a converter wants and gives.

    Attributes:
        unit: whether the swapper that it is for wants its output at unit length.
        size: numbers in an embedding, before and after.
    """

    unit: bool
    size: int = 512


class CrossFace:
    """Carries embeddings of one recogniser into another's space (FaceFusion's CrossFace). Stateless.

    Raises:
        ModelError: the network does not meet its contract.
    """

    def __init__(self, network: Network) -> None:
        self.settings = read_settings(network.card, CrossFaceSettings)
        self.session = network.session
        port = Port((None, self.settings.size))
        require(self.session, network.card.name, [port], [port])

    def convert(self, embeddings: Array) -> Array:
        """Convert (N, 512) raw embeddings, as `Recogniser.embed` gives them."""
        converted = np.asarray(self.session.run_batch(np.asarray(embeddings, np.float32))[0], np.float32)
        return unit_vectors(converted) if self.settings.unit else converted


RECOGNISERS: dict[str, Callable[[Network], Recogniser]] = {"arcface": ArcFace}
"""Adapters of recognisers by the name that contracts give."""

CONVERTERS: dict[str, Callable[[Network], CrossFace]] = {"crossface": CrossFace}
"""Adapters of converters by the name that contracts give."""


def identify(recogniser: Recogniser, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> list[Face]:
    """Return the faces with their `embedding`, of unit length."""
    if not faces:
        return []
    embeddings = unit_vectors(recogniser.embed(pixels, faces))
    return [replace(face, embedding=row) for face, row in zip(faces, embeddings, strict=True)]


def unit_vectors(vectors: npt.ArrayLike) -> Array:
    """Scale vectors, (..., D), to unit length; zero stays zero."""
    array = np.asarray(vectors, np.float32)
    return np.asarray(array / np.maximum(np.linalg.norm(array, axis=-1, keepdims=True), 1e-12), np.float32)


def average(embeddings: npt.ArrayLike, *, raw: bool = False) -> Array:
    """The mean direction of several embeddings of a person: the mean of their unit vectors, (D,).

    Args:
        embeddings: (N, D), N ≥ 1, of any length; sharp photos have longer ones, which gives them no more say.
        raw: whether the result gets their mean length, as converters want; else unit length.

    Raises:
        ModelError: the embeddings cancel out or are not finite, so that no direction is left.
    """
    array = np.atleast_2d(np.asarray(embeddings, np.float32))
    mean = unit_vectors(array).mean(0)
    if not float(np.linalg.norm(mean)) > 1e-6:
        raise ModelError(
            "the recogniser's embeddings of the sources have no common direction: use other photos"
        )
    direction = unit_vectors(mean)
    return direction * np.linalg.norm(array, axis=1).mean() if raw else direction


def cosine(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Likeness of embeddings (..., D), -1..1: 1 is the same direction, about 0 are two strangers."""
    left, right = unit_vectors(a).astype(np.float64), unit_vectors(b).astype(np.float64)
    return np.asarray(np.clip((left * right).sum(-1), -1, 1))
