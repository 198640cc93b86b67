"""Batches whose targets come with a draft: the source's skin laid over them by the mesh engine."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.engines.mesh import MeshSwapper, open_cover_parser
from omote.evaluation.engines import CropSwap
from omote.faces.mesh import FaceMesh
from omote.training.data.augment import draw
from omote.training.data.batches import ALL, Batch, Batches
from omote.training.data.crops import as_pictures, warp
from omote.training.data.framed import FramedBatch, FramedBatches
from omote.training.data.photometric import degrade, recolour
from omote.training.data.sampler import SAME_PHOTO
from omote.zoo import Networks, Runtime

Pixels = npt.NDArray[np.uint8]
Drafter = Callable[[Pixels, Pixels], Pixels]
"""Targets and sources, (n, H, H, 3) uint8 RGB squares with border → the targets with the sources' skin."""


@dataclass(frozen=True, slots=True, eq=False)
class DraftedBatch(FramedBatch):
    """Pairs of faces, framed, with what a swapper that works on drafts is given.

    Attributes:
        draft: (B, 3, S, S) float32, [-1, 1]: the target after the mesh engine, augmented as the target is;
            the target itself where the source is the same photo.
    """

    draft: Tensor


class DraftedBatches(FramedBatches):
    """Makes the batch of any step; see `Batches`."""

    drafter: Drafter

    @classmethod
    def by(cls, batches: Batches, drafter: Drafter) -> "DraftedBatches":
        """The same batches, framed, and drafted by a drafter that is safe for threads."""
        made = cls(
            batches.faces, batches.sampler, batches.augment, batches.size, batches.side, batches.device
        )
        made.drafter = drafter
        return made

    def batch(self, step: int, part: slice = ALL) -> DraftedBatch:
        """Make the batch of a step, or part of it."""
        pairs = super().batch(step, part)
        drawn = draw(self.augment, self.sampler.seed, step, self.size)[part]
        squares = as_pictures(self._drafts(pairs).to(self.device))
        share = self.faces.side / squares.shape[-1]
        crops = (warp(squares, drawn.theta(share), self.side) + 1) / 2
        draft = degrade(recolour(crops, drawn.colour), drawn) * 2 - 1
        return DraftedBatch(
            pairs.target,
            pairs.source,
            pairs.kind,
            pairs.target_index,
            pairs.source_index,
            pairs.back,
            pairs.square,
            pairs.into,
            draft,
        )

    def _drafts(self, pairs: Batch) -> Tensor:
        """Squares (B, H, H, 3) uint8 of the targets, drafted unless the source is the same photo."""
        targets, sources = (
            self.faces.gather(index.cpu()).cpu().numpy() for index in (pairs.target_index, pairs.source_index)
        )
        other = (pairs.kind != SAME_PHOTO).cpu().numpy()
        if other.any():
            targets[other] = self.drafter(targets[other], sources[other])
        return torch.from_numpy(targets)


def open_drafter() -> Drafter:
    """The mesh engine on aligned faces, on one thread of the CPU."""
    networks = Networks(runtime=Runtime("cpu", workers=2))
    engine = MeshSwapper(parser=open_cover_parser(networks))
    return CropSwap(engine, FaceMesh(networks.open("omote-mesh", "landmarks"), passes=2))
