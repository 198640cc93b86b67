"""The random numbers of a step: drawn for the whole batch, whoever computes which part of it."""

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.training.data.seeds import NETWORKS, generator

TABLE = 2**22
"""Length of the table of noise."""


@cache
def _table(device: torch.device) -> Tensor:
    return torch.randn(TABLE, generator=torch.Generator().manual_seed(0)).to(device)


class Draws:
    """Random numbers that follow from the seed and the step alone.

    Every call draws one row per sample of the whole batch and returns the rows of this part. So two processes
    with half the batch each, or one that must take it in pieces, see the numbers that one process would see;
    and a resumed run needs no saved state of a generator. Calls must come in the same order in every part.

    Args:
        seed: of the run.
        step: number of the step.
        batch: samples of the whole batch.
        part: which of them are here.
        device: where the numbers are wanted.
    """

    def __init__(self, seed: int, step: int, batch: int, part: slice, device: torch.device) -> None:
        self._random = generator(seed, step, NETWORKS)
        self._batch, self._part, self._device = batch, part, device

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(part, *shape) float32 in [low, high)."""
        return self._rows(self._random.random((self._batch, *shape), np.float32) * (high - low) + low)

    def normal(self, *shape: int) -> Tensor:
        """(part, *shape) float32, standard normal."""
        return self._rows(self._random.standard_normal((self._batch, *shape), np.float32))

    def noise(self, *shape: int) -> Tensor:
        """(part, *shape) float32, standard normal: windows of a fixed table, where `normal` would be slow.

        Rows may overlap; a row holds at most `TABLE` numbers.
        """
        length = math.prod(shape)
        begin = torch.from_numpy(self._random.integers(TABLE - length + 1, size=self._batch)[self._part])
        return _table(self._device).unfold(0, length, 1)[begin.to(self._device)].reshape(-1, *shape)

    def choice(self, below: int) -> int:
        """One number in [0, below) for the whole batch."""
        return int(self._random.integers(below))

    def _rows(self, drawn: npt.NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(drawn[self._part]).to(self._device)
