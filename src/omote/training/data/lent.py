"""Hats and glasses of some faces put on others: few people of a set wear them, and a network must know both.

Pixels and masks are copied (Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation", CVPR 2021). All
faces stand in the same place, so that what one wears fits the next.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.training.data.regions import REGIONS, RegionFaces
from omote.training.data.seeds import generator

Bytes = npt.NDArray[np.uint8]

_STREAM = 2000
"""Streams of numbers from here on belong to the rows of a batch."""
_LEAST = {"hat": 0.03, "glasses": 0.01}
"""Which things are lent, and of which share of the picture on."""
_FARTHEST = 5
"""Pixels of a square by which a thing may sit elsewhere."""
_BACKGROUND = REGIONS.index("background")


class Lender:
    """Puts hats and glasses of some faces of a set on others.

    Args:
        faces: those that lend.
        share: of faces that borrow, 0..1.
    """

    def __init__(self, faces: RegionFaces, share: float) -> None:
        self._faces, self._share = faces, share
        part = {
            name: (faces.masks == REGIONS.index(name)).float().mean((1, 2)).numpy() > least
            for name, least in _LEAST.items()
        }
        self._wearers = {name: np.flatnonzero(worn) for name, worn in part.items() if worn.any()}

    def lend(
        self, squares: Tensor, masks: Tensor, seed: int, step: int, first: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Give some faces a hat or glasses; those that wear them already keep theirs.

        Args:
            squares: (B, N, N, 3) uint8.
            masks: (B, N, N) uint8, numbers of `REGIONS`.
            seed: of the run.
            step: number of the step.
            first: number of the first row in the whole batch.

        Returns:
            Squares and masks, new ones.
        """
        pixels, labels = squares.numpy().copy(), masks.numpy().copy()
        for row in range(len(pixels)):
            random = generator(seed, step, _STREAM + first + row)
            if self._wearers and random.random() < self._share:
                name = str(random.choice(sorted(self._wearers)))
                if not (labels[row] == REGIONS.index(name)).any():
                    lender = int(random.choice(self._wearers[name]))
                    things, where = self._faces.pixels[lender].numpy(), self._faces.masks[lender].numpy()
                    _put(random, pixels[row], labels[row], things, where, name)
        return torch.from_numpy(pixels), torch.from_numpy(labels)


def _put(
    random: np.random.Generator, pixels: Bytes, labels: Bytes, things: Bytes, where: Bytes, name: str
) -> None:
    """Copy what one face wears to another, in place, perhaps mirrored and a little aside."""
    if random.random() < 0.5:
        things, where = things[:, ::-1], where[:, ::-1]
    shift = tuple(random.integers(-_FARTHEST, _FARTHEST + 1, 2))
    things, where = np.roll(things, shift, (0, 1)), np.roll(where, shift, (0, 1))
    piece = where == REGIONS.index(name)
    if name == "hat":
        # The borrower's hair would stand above the hat: what lies there comes along.
        from_here_on = np.maximum.accumulate(piece[::-1], axis=0)[::-1]
        piece |= from_here_on & (where == _BACKGROUND)
    pixels[piece], labels[piece] = things[piece], where[piece]
