"""What a system hands to the export: a graph, and how the rest of Omote is to use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """A network to be written as an ONNX file.

    Attributes:
        module: the network, in evaluation mode; it takes the inputs in their order.
        inputs: name → an example of at least two samples; the first axis becomes free.
        outputs: their names.
        contract: of the catalogue: how the file is used.
        settings: what its card says on top of the contract.
        identity: whether it needs the embeddings of the network that it was trained with.
        framed: whether its crops are canonical, and the card says so; a parser takes what a swapper gives it.
        given: from a batch of its lessons to its inputs, by name; None if nobody has said.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    contract: str
    settings: Mapping[str, Any]
    identity: bool = True
    framed: bool = True
    given: Callable[[Any], Mapping[str, Tensor]] | None = None
