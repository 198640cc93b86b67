"""What all networks that tell regions of a face apart have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.compose.parsers.edges import crop_mask
from omote.compose.parsers.protocol import LooksAt
from omote.compose.tensors import stacked
from omote.errors import ModelError, UsageError
from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD, tensor
from omote.zoo import Network, Port, read_settings, require

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a card can say.

    Attributes:
        regions: names of the network's classes in their order; left and right as seen in the picture.
        face: those of them that belong to a face, taken where no regions are asked for.
        front: those of the face that stay before a new one: glasses.
        side: of the network's square input in pixels.
    """

    regions: tuple[str, ...]
    face: tuple[str, ...]
    front: tuple[str, ...] = ()
    side: int = 512


class RegionParser(ABC):
    """Contract: one input (B, 3, S, S), RGB, ImageNet's mean and deviation; one output (B, classes, S, S).

    Args:
        network: the parser.
        regions: where the new face may show: names of its card, or their ends: `eye` is both eyes. All that
            belong to a face unless said; of a target, less what stays in front.
        looks_at: the result, to show chosen regions of the new face; the target, to keep what lies before
            the old one.

    Raises:
        UsageError: the network knows no such region.
        ModelError: the graph does not meet the contract.
    """

    def __init__(self, network: Network, regions: Sequence[str] = (), looks_at: LooksAt = "result") -> None:
        name, settings = network.card.name, read_settings(network.card, Settings)
        if missing := {*settings.face, *settings.front} - set(settings.regions):
            raise ModelError(f"{name}: its face has regions that it does not know: {', '.join(missing)}")
        side = settings.side
        require(
            network.session,
            name,
            inputs=[Port((None, 3, side, side))],
            outputs=[Port((None, len(settings.regions), side, side))],
        )
        self.looks_at = looks_at
        self._session = network.session
        self._side = side
        kept = settings.front if looks_at == "target" else ()
        bare = [region for region in settings.face if region not in kept]
        self._chosen = _indices(name, settings.regions, regions or bare)

    def mask(self, crops: Sequence[Array]) -> list[Array]:
        """Return where the chosen regions are; see `Masker.mask`."""
        planes = tensor(stacked(crops, self._side), IMAGENET_MEAN, IMAGENET_STD)
        maps = self._session.run_batch(planes)[0]
        return [
            crop_mask(self.together(seen, self._chosen), len(crop))
            for seen, crop in zip(maps, crops, strict=True)
        ]

    @staticmethod
    @abstractmethod
    def together(maps: Array, chosen: Sequence[int]) -> Array:
        """Join the chosen classes of (classes, S, S) to one (S, S) mask in 0..1."""


def _indices(label: str, known: Sequence[str], asked: Sequence[str]) -> list[int]:
    chosen: set[int] = set()
    for name in asked:
        found = [i for i, region in enumerate(known) if region == name or region.endswith(f"-{name}")]
        if not found:
            raise UsageError(f"{label} knows no region '{name}': use {', '.join(known)}")
        chosen.update(found)
    return sorted(chosen)
