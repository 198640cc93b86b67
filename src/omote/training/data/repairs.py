"""Poor small pictures of faces and the good large ones that they come from."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from omote.training.data.augment import Augmentation, draw
from omote.training.data.batches import ALL, Batches
from omote.training.data.crops import canonical, resized
from omote.training.data.faces import FaceSet
from omote.training.data.photometric import degrade

SCALE = 2
_CHECKED = 7
"""Seed of how the pictures are made worse on which a network is judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """What is given and what is wanted. Both have B rows.

    Attributes:
        poor: (B, 3, S / 2, S / 2) float32, [-1, 1].
        good: (B, 3, S, S) float32, [-1, 1].
    """

    poor: Tensor
    good: Tensor

    def __len__(self) -> int:
        return len(self.good)

    def __getitem__(self, part: slice) -> "Repair":
        return Repair(*(getattr(self, f.name)[part] for f in fields(self)))

    def to(self, device: torch.device | str) -> "Repair":
        """The same batch on a device."""
        return Repair(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


class Repairs(Batches):
    """Makes the batch of any step: turned and coloured at full size, then halved and made worse.

    Args:
        batches: its targets are taken. Strengths of its augmentation that blur, shrink, add noise or JPEG's
            traces are for the halved picture, in its pixels.
    """

    def __init__(self, batches: Batches) -> None:
        self._good = Batches(
            batches.faces, batches.sampler, whole(batches.augment), batches.size, batches.side, batches.device
        )
        super().__init__(
            batches.faces, batches.sampler, batches.augment, batches.size, batches.side, batches.device
        )

    def batch(self, step: int, part: slice = ALL) -> Repair:  # type: ignore[override]
        """Make the batch of a step, or part of it."""
        good = self._good.batch(step, part).target
        # Drawn in the same order whatever the strengths: the rows are those of the good pictures.
        drawn = draw(self.augment, self.sampler.seed, step, self.size)[part]
        return Repair(degrade((halved(good) + 1) / 2, drawn) * 2 - 1, good)


def whole(augment: Augmentation) -> Augmentation:
    """The same augmentation without what makes a picture worse."""
    return replace(augment, blur=0.0, shrink=0.0, noise=0.0, jpeg=0.0)


def halved(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) at half the side, averaged."""
    return F.avg_pool2d(pictures, SCALE)


def judged(faces: FaceSet, side: int, augment: Augmentation | None, index: Tensor) -> Repair:
    """Faces as a restorer is judged by them: upright, made worse by the same draws whenever asked.

    Args:
        faces: the set.
        side: S of the good pictures.
        augment: how the halved pictures are made worse; not at all if None.
        index: of these faces.
    """
    good = resized(canonical(faces.gather(index), faces.border, faces.side), side)
    poor = halved(good)
    if augment is not None:
        drawn = draw(augment, _CHECKED, 0, len(faces))[index.numpy()]  # type: ignore[index]
        poor = degrade((poor + 1) / 2, drawn) * 2 - 1
    return Repair(poor, good)
