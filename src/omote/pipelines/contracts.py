"""All adapters by task: who reads a network, and whether a file is what its card says."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from omote.compose.parsers import MASKERS
from omote.compose.restorers import RESTORERS
from omote.engines.oneshot import SWAPPERS, EmbeddingSwapper
from omote.faces.detectors import DETECTORS
from omote.faces.expression import EXPRESSIONS
from omote.faces.identity import CONVERTERS, RECOGNISERS
from omote.faces.iris import IRISES
from omote.faces.landmarks import LANDMARKERS
from omote.faces.pose_network import POSERS
from omote.zoo import Card, Network, Runtime, Session, Task

Adapter = Callable[[Network], object]

CHECKS: Mapping[Task, Mapping[str, Adapter]] = MappingProxyType(
    {
        "detector": DETECTORS,
        "landmarks": LANDMARKERS,
        "pose": POSERS,
        "iris": IRISES,
        "expression": EXPRESSIONS,
        "identity": RECOGNISERS,
        "converter": CONVERTERS,
        # Its identity network may not be on this machine; the graph can be looked at without it.
        "swapper": {
            **SWAPPERS,
            "embedding": EmbeddingSwapper.check_graph,
            "drafted": EmbeddingSwapper.check_graph,
        },
        "mask": MASKERS,
        "restorer": RESTORERS,
    }
)
"""Task → adapter name → what raises ModelError if a network does not meet its contract."""


def check_contract(card: Card, data: bytes) -> None:
    """Check that a file is a network with the inputs and outputs that its card promises.

    Raises:
        ModelError: says which input or output, what was expected, what was found.
    """
    network = Network(card, Session(data, Runtime(), label=card.name), lambda: data)
    CHECKS[card.task][card.adapter](network)
