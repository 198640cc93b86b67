"""Batches whose targets come with what lies about them: some networks look beyond the crop."""

from dataclasses import dataclass

from torch import Tensor

from omote.training.data.augment import draw
from omote.training.data.batches import ALL, Batch, Batches
from omote.training.data.crops import as_pictures, middle
from omote.training.data.photometric import recolour


@dataclass(frozen=True, slots=True, eq=False)
class FramedBatch(Batch):
    """Pairs of faces, and the photos that the targets were cut out of.

    Attributes:
        square: (B, 3, H, H) float32, [-1, 1]: the target's square, border included, in its new colours but
            where it was.
        into: (B, 2, 3) float32, a map: `crops.warp(square, into, S)` is the canonical crop, its middle.
    """

    square: Tensor
    into: Tensor


class FramedBatches(Batches):
    """Makes the batch of any step; see `Batches`.

    Args:
        batches: what is to be framed.
    """

    def __init__(self, batches: Batches) -> None:
        super().__init__(
            batches.faces, batches.sampler, batches.augment, batches.size, batches.side, batches.device
        )

    def batch(self, step: int, part: slice = ALL) -> FramedBatch:
        """Make the batch of a step, or part of it."""
        pairs = super().batch(step, part)
        colour = draw(self.augment, self.sampler.seed, step, self.size)[part].colour
        squares = as_pictures(self._gather(pairs.target_index.cpu()))
        square = recolour((squares + 1) / 2, colour) * 2 - 1
        into = middle(self.faces.side / square.shape[-1]).to(square).expand(len(square), 2, 3)
        return FramedBatch(*(*pairs.values, square, into))
