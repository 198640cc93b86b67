"""One-shot swappers: networks that need a photo of a person and no training.

`SWAPPERS` gives the class that reads a network, by the adapter that its card names:
`SWAPPERS[network.card.adapter](network, strength=1.0, boost=None)`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from omote.engines.oneshot.dfm import DfmSwapper
from omote.engines.oneshot.drafted import DraftedSwapper
from omote.engines.oneshot.embedding import EmbeddingSwapper
from omote.engines.oneshot.image import ImageSwapper
from omote.engines.swapper import Swapper

SWAPPERS: Mapping[str, Callable[..., Swapper[Any]]] = MappingProxyType(
    {"embedding": EmbeddingSwapper, "image": ImageSwapper, "dfm": DfmSwapper, "drafted": DraftedSwapper}
)

__all__ = ["SWAPPERS", "DfmSwapper", "DraftedSwapper", "EmbeddingSwapper", "ImageSwapper"]
