"""Swappers that take the source as a vector: inswapper, SimSwap, GHOST, HiFiFace, HyperSwap, ReSwapper."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.compose import ColourMethod
from omote.engines.oneshot.crops import CropNetwork, TargetSettings
from omote.engines.oneshot.identity import (
    check_strength,
    converter_of,
    embedding_of,
    mix,
    recogniser_of,
)
from omote.engines.swapper import Source, SwappedCrop
from omote.errors import ModelError
from omote.faces.align import Crop
from omote.faces.face import Face
from omote.faces.identity import CrossFace, unit_vectors
from omote.zoo.card import read_settings
from omote.zoo.graph import Port
from omote.zoo.networks import Network
from omote.zoo.onnx_file import last_initializer

Array = npt.NDArray[np.float32]
Axis = int | str | None


@dataclass(frozen=True, slots=True)
class EmbeddingSettings(TargetSettings):
    """How the source vector is made of the identity network's embedding.

    The embedding at its own length is run through the network in the role `converter`, if there is one.

    Attributes:
        emap: then it is brought to unit length and multiplied by the last constant of the graph, a matrix
            (inswapper and its kin).
        unit: then it is brought to unit length. InsightFace does so after the emap product, FaceFusion does
            not; GHOST wants its converter's output as it is.
        shown: how much of what a network changes of its draft is shown, above 0 to 1 (`DraftedSwapper`).
    """

    emap: bool = False
    unit: bool = True
    shown: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingIdentity:
    """A person.

    Attributes:
        embedding: (D,) float32 in the space of the identity network, at its own length.
        vector: what the swapper takes at strength 1, float32.
    """

    embedding: Array
    vector: Array


class EmbeddingSwapper:
    """A swapper that takes a target crop and a source vector. Stateless, safe for threads.

    Args:
        network: the swapper, with its identity network in the role `identity`.
        strength: 0 (the target's own identity) to 1 (the source's), up to 1.5 (exaggerated); see
            `omote.engines.oneshot.identity.mix`. At 1 the target is not looked at by the identity network.
        boost: side of the crops in pixels, a multiple of the network's own; None for no boost.

    Raises:
        ModelError: a network does not meet its contract.
        UsageError: an option is out of its range.
    """

    colour: ColourMethod = "none"

    def __init__(self, network: Network, *, strength: float = 1.0, boost: int | None = None) -> None:
        settings = read_settings(network.card, EmbeddingSettings)
        self._name = network.card.name
        self._crops = CropNetwork(network, settings, Port((None, None)), boost)
        self.template = self._crops.template
        self.strength = check_strength(self._name, strength)
        self._recogniser = recogniser_of(network)
        self._converter = converter_of(network)
        self._emap = _emap(network) if settings.emap else None
        self._unit = settings.unit
        (embeddings, *_) = network.needs["identity"].session.output_shapes.values()
        self._check_widths(embeddings[-1])

    @staticmethod
    def check_graph(network: Network) -> None:
        """Check the graph alone, without the networks that it works with.

        Raises:
            ModelError: it does not meet its contract.
        """
        settings = read_settings(network.card, EmbeddingSettings)
        crops = CropNetwork(network, settings, Port((None, None)), None)
        emap = _emap(network) if settings.emap else None
        _check_widths(network.card.name, None, None, emap, crops.source_shape[-1])

    def crop_size(self, face: Face) -> int:
        """The network's own size, or the boosted one."""
        return self._crops.crop_size

    def identity(self, sources: Sequence[Source]) -> EmbeddingIdentity:
        """Average the embeddings of all sources and carry them into the swapper's space.

        Raises:
            UsageError: there is no source.
            ModelError: the networks do not fit together.
        """
        embedding = embedding_of(self._recogniser, sources)
        self._check_widths(len(embedding))
        return EmbeddingIdentity(embedding, self._vector(embedding))

    def swap(self, crops: Sequence[Crop], identity: EmbeddingIdentity) -> list[SwappedCrop]:
        """Give each crop's face the identity, all in one batch."""
        return self._crops.run(crops, [self._mixed(crop, identity) for crop in crops])

    def _mixed(self, crop: Crop, identity: EmbeddingIdentity) -> Array:
        if self.strength == 1:
            return identity.vector
        (target,) = self._recogniser.embed(crop.pixels, [crop.face])
        return self._vector(mix(target, identity.embedding, self.strength))

    def _vector(self, vector: Array) -> Array:
        """Carry an embedding into the space of the swapper."""
        if self._converter is not None:
            vector = self._converter.convert(vector[None])[0]
        if self._emap is not None:
            vector = unit_vectors(vector) @ self._emap
        return unit_vectors(vector) if self._unit else vector

    def _check_widths(self, embedding: Axis) -> None:
        source = self._crops.source_shape[-1]
        _check_widths(self._name, embedding, self._converter, self._emap, source)


def _check_widths(
    name: str, embedding: Axis, converter: CrossFace | None, emap: Array | None, source: Axis
) -> None:
    """Follow an embedding from its network to the source input; widths that are not known fit everything.

    Raises:
        ModelError: something on the way takes another number of values than it is given.
    """
    takers: list[tuple[str, Axis, Axis]] = []
    if converter is not None:
        takers.append(("its converter", converter.settings.size, converter.settings.size))
    if emap is not None:
        takers.append(("its emap", *emap.shape))
    takers.append(("its source input", source, source))
    giver, given = "the identity network", embedding
    for taker, wanted, passed in takers:
        if isinstance(given, int) and isinstance(wanted, int) and given != wanted:
            cure = (
                "use the file as it was published"
                if giver == "its emap"
                else "name the identity network that it was trained with in its card (needs.identity)"
            )
            raise ModelError(f"{name}: {taker} takes {wanted} values, {giver} gives {given}: {cure}")
        giver, given = taker, passed


def _emap(network: Network) -> Array:
    """Inswapper's matrix from embeddings to its own space: the last constant of the graph, (D, D)."""
    name, values = last_initializer(network.read(), network.card.name)
    if values.ndim != 2:
        raise ModelError(
            f"{network.card.name}: its last constant, {name}, has shape {values.shape}; the emap, a matrix, "
            "was expected: the file was rewritten, use it as it was published"
        )
    return np.asarray(values, np.float32)
