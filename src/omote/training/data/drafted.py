"""Batches whose targets come with a draft: the source's skin laid over them by the mesh engine."""

from dataclasses import dataclass

import torch
from torch import Tensor

from omote.training.data.augment import draw
from omote.training.data.batches import ALL, Batch, Batches
from omote.training.data.framed import FramedBatch, FramedBatches
from omote.training.data.sampler import SAME_PHOTO
from omote.training.drafter import Drafter


@dataclass(frozen=True, slots=True, eq=False)
class DraftedBatch(FramedBatch):
    """Pairs of faces, framed, with what a swapper that works on drafts is given.

    Attributes:
        draft: (B, 3, S, S) float32, [-1, 1]: the target with the source's skin, augmented as the target is;
            the target itself where the source is the same photo.
    """

    draft: Tensor

    @property
    def given(self) -> Tensor:
        """(B, 3, S, S) what the swapper is given: the draft."""
        return self.draft


class DraftedBatches(FramedBatches):
    """Makes the batch of any step; see `Batches`.

    Args:
        batches: what is to be framed and drafted.
        drafter: safe for threads; its drafts are the same however many it is asked for at a time.
    """

    def __init__(self, batches: Batches, drafter: Drafter) -> None:
        super().__init__(batches)
        self._drafter = drafter

    def batch(self, step: int, part: slice = ALL) -> DraftedBatch:
        """Make the batch of a step, or part of it."""
        pairs = super().batch(step, part)
        drawn = draw(self.augment, self.sampler.seed, step, self.size)[part]
        return DraftedBatch(*(*pairs.values, self._augmented(self._drafts(pairs), drawn)))

    def _drafts(self, pairs: Batch) -> Tensor:
        """Squares (B, H, H, 3) uint8 of the targets, drafted unless the source is the same photo."""
        targets, sources = (
            self.faces.gather(index).cpu().numpy() for index in (pairs.target_index, pairs.source_index)
        )
        other = (pairs.kind != SAME_PHOTO).cpu().numpy()
        if other.any():
            targets[other] = self._drafter(targets[other], sources[other])
        return torch.from_numpy(targets).to(self.device)
