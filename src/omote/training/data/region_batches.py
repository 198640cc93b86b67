"""Batches of faces with masks: picture and mask turned alike, things drawn before some faces."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from omote.training.data.augment import NONE, Parameters, draw
from omote.training.data.batches import ALL, Batches
from omote.training.data.crops import as_pictures, warp
from omote.training.data.occluders import occluded
from omote.training.data.photometric import degrade, recolour
from omote.training.data.regions import RegionFaces

_CHECKED = 7
"""Seed of what is drawn before faces on which a network is judged."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionBatch:
    """Faces and their regions. All have B rows.

    Attributes:
        picture: (B, 3, S, S) float32, [-1, 1].
        mask: (B, S, S) int64, numbers of `omote.training.data.regions.REGIONS`.
    """

    picture: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, part: slice) -> "RegionBatch":
        return RegionBatch(*(getattr(self, f.name)[part] for f in fields(self)))

    def to(self, device: torch.device | str) -> "RegionBatch":
        """The same batch on a device."""
        return RegionBatch(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


class RegionBatches(Batches):
    """Makes the batch of any step.

    Args:
        batches: of a `RegionFaces`; its targets are taken.
        covered: share of faces that something is drawn before.
    """

    faces: RegionFaces

    def __init__(self, batches: Batches, covered: float) -> None:
        assert isinstance(batches.faces, RegionFaces)
        super().__init__(
            batches.faces, batches.sampler, batches.augment, batches.size, batches.side, batches.device
        )
        self.covered = covered

    def batch(self, step: int, part: slice = ALL) -> RegionBatch:  # type: ignore[override]
        """Make the batch of a step, or part of it. Things are drawn before the picture is made worse."""
        seed = self.sampler.seed
        index = torch.from_numpy(self.sampler.draw(step, self.size)[part].target)
        drawn = draw(self.augment, seed, step, self.size)[part]
        pictures, masks = cut(self.faces, index, drawn, self.side)
        pictures, masks = occluded(
            pictures, masks, self.covered, seed, step, range(self.size)[part].start if len(index) else 0
        )
        pictures = degrade(recolour(pictures.to(self.device), drawn.colour), drawn)
        return RegionBatch(pictures * 2 - 1, masks.to(self.device))


def cut(faces: RegionFaces, index: Tensor, drawn: Parameters, side: int) -> tuple[Tensor, Tensor]:
    """Crops of some faces and of their masks by the same geometry.

    Returns:
        (B, 3, S, S) in 0..1, and (B, S, S) int64.
    """
    theta = drawn.theta(faces.side / faces.pixels.shape[1])
    pictures = warp(as_pictures(faces.gather(index)), theta, side)
    labels = faces.masks.index_select(0, index).float()[:, None]
    return (pictures + 1) / 2, warp(labels, theta, side, "nearest")[:, 0].round().long()


def judged(faces: RegionFaces, side: int, *, covered: bool, index: Tensor | None = None) -> RegionBatch:
    """Faces as a network is judged by them: without augmentation, always the same things before them.

    Args:
        faces: the set.
        side: S.
        covered: whether something is drawn before every face.
        index: of these faces only.
    """
    chosen = torch.arange(len(faces)) if index is None else index
    pictures, masks = cut(faces, chosen, draw(NONE, 0, 0, len(chosen)), side)
    if covered:
        pictures, masks = occluded(pictures, masks, 1.0, _CHECKED, 0)
    return RegionBatch(pictures * 2 - 1, masks)
