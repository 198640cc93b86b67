"""Who a person is to a swapper: embeddings of several photos averaged, and mixed with the target's.

All mixing happens in one space, that of the identity network: unit vectors are averaged or mixed, the result
is brought to unit length. Only then is it carried into the space of the swapper. An embedding travels as the
network would have given it, at its own length, because converters heed the length, too.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from omote.engines.swapper import Source
from omote.errors import ModelError, UsageError
from omote.faces.identity import CONVERTERS, RECOGNISERS, CrossFace, average, unit_vectors
from omote.faces.protocols import Recogniser
from omote.zoo import Network

Array = npt.NDArray[np.float32]

STRONGEST = 1.5


def recogniser_of(network: Network) -> Recogniser:
    """The identity network that a swapper was trained with.

    Raises:
        ModelError: the card names none.
    """
    identity = network.needs.get("identity")
    if identity is None:
        raise ModelError(f"{network.card.name}: its card names no identity network (needs.identity)")
    return RECOGNISERS[identity.card.adapter](identity)


def converter_of(network: Network) -> CrossFace | None:
    """The network that carries embeddings into the swapper's space, if it needs one."""
    converter = network.needs.get("converter")
    return None if converter is None else CONVERTERS[converter.card.adapter](converter)


def require_source(sources: Sequence[Source]) -> None:
    """Raise UsageError unless there is a photo."""
    if not sources:
        raise UsageError("no source: give at least one photo of the person")


def embedding_of(recogniser: Recogniser, sources: Sequence[Source]) -> Array:
    """The embedding of a person, from one or more photos.

    Returns:
        (D,) float32: the direction is the mean of the photos' unit vectors, the length their mean length.

    Raises:
        UsageError: there is no photo.
        ModelError: the photos have nothing in common.
    """
    require_source(sources)
    rows = [recogniser.embed(source.pixels, [source.face]) for source in sources]
    return average(np.concatenate(rows), raw=True)


def mix(target: Array, source: Array, strength: float) -> Array:
    """Mix the embeddings of two people: unit((1 - strength) · unit(target) + strength · unit(source)).

    Args:
        target: (D,), strength 0.
        source: (D,), strength 1; beyond, what tells the source from the target is exaggerated.
        strength: 0..`STRONGEST`.

    Returns:
        (D,) float32; its length lies between theirs in the same proportion.
    """
    direction = unit_vectors((1 - strength) * unit_vectors(target) + strength * unit_vectors(source))
    share = min(strength, 1.0)
    length = (1 - share) * np.linalg.norm(target) + share * np.linalg.norm(source)
    return direction * np.float32(length)


def check_strength(name: str, strength: float) -> float:
    """Return a strength that makes sense.

    Raises:
        UsageError: it is out of range.
    """
    if not 0 <= strength <= STRONGEST:
        raise UsageError(f"{name}: strength {strength} is out of range: give 0 to {STRONGEST}")
    return strength
