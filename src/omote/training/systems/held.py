"""What the phases of omote-swap-128 share in a step."""

from dataclasses import dataclass

from torch import Tensor

from omote.training.data.sampler import OTHER_PERSON, OTHER_PHOTO, SAME_PHOTO
from omote.training.systems.looks import Look, Parts
from omote.training.systems.oneshot import Swap

_OTHER_PHOTO = 0.4
"""Weight of reconstruction from another photo of the same person: age and make-up may differ."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldSwap(Swap):
    """A swap with all that holds it to what it was made of.

    A cycle triplet counts as a pair of one photo: `batch.target` is the true answer, whatever the network was
    given.

    Attributes:
        mask: (B, 1, S, S) of the fakes.
        kept: (B, 3, S, S) what the swap is to stay near: the target where it is the true answer, else what
            was given, a draft.
        maps: perceptual maps of the fakes, pasted with the largest mask; with their graph.
        real_maps: of the targets.
        kept_maps: of `kept`.
        filled: (B, 3, S, S) those pictures.
        parts: where eyes and mouth are.
        points: (B, 478, 2) meshes of the targets in the canonical crop.
        looks: how real and fake pictures are varied before they are judged.
    """

    mask: Tensor
    kept: Tensor
    filled: Tensor
    maps: list[Tensor]
    real_maps: list[Tensor]
    kept_maps: list[Tensor]
    parts: Parts
    points: Tensor
    looks: tuple[Look, Look]

    @property
    def different(self) -> Tensor:
        """(B,) 1 for pairs of different people, else 0."""
        return (self.batch.kind == OTHER_PERSON).float()

    @property
    def paired(self) -> Tensor:
        """(B,) how much the target is the true answer."""
        kind = self.batch.kind
        return (kind == SAME_PHOTO).float() + _OTHER_PHOTO * (kind == OTHER_PHOTO).float()
