"""Batches of faces with masks: picture and mask turned alike, things drawn before some faces."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from omote.training.data.augment import NONE, Parameters, draw
from omote.training.data.batches import ALL, Batches
from omote.training.data.crops import as_pictures, warp
from omote.training.data.headwear import with_headwear
from omote.training.data.lent import Lender
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
        lent: share of faces that get the hat or the glasses of another.
        hats: share of faces that a hat is drawn on.
        smooth: share of faces whose hair is made smooth.
    """

    faces: RegionFaces

    def __init__(
        self, batches: Batches, covered: float, lent: float, hats: float = 0.0, smooth: float = 0.0
    ) -> None:
        assert isinstance(batches.faces, RegionFaces)
        super().__init__(
            batches.faces, batches.sampler, batches.augment, batches.size, batches.side, batches.device
        )
        self.covered, self.hats, self.smooth = covered, hats, smooth
        self._lender = Lender(self.faces, lent)

    def batch(self, step: int, part: slice = ALL) -> RegionBatch:  # type: ignore[override]
        """Make the batch of a step, or part of it. Things are drawn before the picture is made worse."""
        seed = self.sampler.seed
        index = torch.from_numpy(self.sampler.draw(step, self.size)[part].target)
        drawn = draw(self.augment, seed, step, self.size)[part]
        first = range(self.size)[part].start if len(index) else 0
        squares = self._lender.lend(*squares_of(self.faces, index), seed, step, first)
        squares = with_headwear(*squares, self.hats, self.smooth, seed, step, first)
        pictures, masks = cut(self.faces, *squares, drawn, self.side)
        pictures, masks = occluded(pictures, masks, self.covered, seed, step, first)
        pictures = degrade(recolour(pictures.to(self.device), drawn.colour), drawn)
        return RegionBatch(pictures * 2 - 1, masks.to(self.device))


def squares_of(faces: RegionFaces, index: Tensor) -> tuple[Tensor, Tensor]:
    """Squares (B, N, N, 3) of some faces and their masks (B, N, N), uint8."""
    return faces.gather(index), faces.masks.index_select(0, index)


def cut(
    faces: RegionFaces, squares: Tensor, masks: Tensor, drawn: Parameters, side: int
) -> tuple[Tensor, Tensor]:
    """Crops of squares of a set and of their masks by the same geometry.

    Returns:
        (B, 3, S, S) in 0..1, and (B, S, S) int64.
    """
    theta = drawn.theta(faces.side / faces.pixels.shape[1])
    pictures = warp(as_pictures(squares), theta, side)
    labels = warp(masks.float()[:, None], theta, side, "nearest")
    return (pictures + 1) / 2, labels[:, 0].round().long()


def judged(faces: RegionFaces, side: int, *, covered: bool, index: Tensor | None = None) -> RegionBatch:
    """Faces as a network is judged by them: without augmentation, always the same things before them.

    Args:
        faces: the set.
        side: S.
        covered: whether something is drawn before every face.
        index: of these faces only.
    """
    chosen = torch.arange(len(faces)) if index is None else index
    pictures, masks = cut(faces, *squares_of(faces, chosen), draw(NONE, 0, 0, len(chosen)), side)
    if covered:
        pictures, masks = occluded(pictures, masks, 1.0, _CHECKED, 0)
    return RegionBatch(pictures * 2 - 1, masks)
