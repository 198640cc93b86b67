"""Batches of a step: pairs gathered and augmented, whole or in part, and made while the networks work."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import count
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from omote.errors import UsageError
from omote.training.data.augment import NONE, Augmentation, Parameters, draw
from omote.training.data.crops import as_pictures, canonical, warp
from omote.training.data.faces import FaceSet
from omote.training.data.photometric import degrade, recolour
from omote.training.data.sampler import Sampler

ALL = slice(None)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pairs of faces. All have B rows.

    Attributes:
        target: (B, 3, S, S) float32, [-1, 1], augmented: the face that is to be replaced.
        source: (B, 3, S, S) float32, [-1, 1], canonical: the face whose identity is wanted.
        kind: (B,) int64: 0 same photo, 1 another photo of the same person, 2 another person.
        target_index: (B,) int64, the face's number in the set.
        source_index: (B,) int64.
        back: (B, 2, 3) float32, a map: `crops.warp(x, back, S)` brings what lies in the augmented target's
            framing back to the canonical one.
    """

    target: Tensor
    source: Tensor
    kind: Tensor
    target_index: Tensor
    source_index: Tensor
    back: Tensor

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, part: slice) -> Self:
        return type(self)(*(value[part] for value in self.values))

    def to(self, device: torch.device | str) -> Self:
        """The same batch on a device."""
        return type(self)(*(value.to(device, non_blocking=True) for value in self.values))

    @property
    def values(self) -> tuple[Tensor, ...]:
        """All fields, in their order."""
        return tuple(getattr(self, f.name) for f in fields(self))

    @property
    def given(self) -> Tensor:
        """(B, 3, S, S) what the swapper is given: the target."""
        return self.target


class Batches:
    """Makes the batch of any step. Keeps no state; safe for threads.

    What is random in a step is drawn for its whole batch, so parts of it, made here or in other processes,
    are the parts of one and the same batch, on a CPU to the last bit.

    Args:
        faces: the set; pictures are gathered on the device where its pixels are.
        sampler: pairs, and the seed of the augmentation.
        augment: of the targets; none if None.
        size: pairs in the whole batch of a step.
        side: S of the crops in pixels; that of the set unless said.
        device: where batches are augmented and given; where the set's pixels are unless said.

    Raises:
        UsageError: size or side is not positive.
    """

    def __init__(
        self,
        faces: FaceSet,
        sampler: Sampler,
        augment: Augmentation | None,
        size: int,
        side: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.side = faces.side if side is None else side
        if size < 1 or self.side < 1:
            raise UsageError(f"batches of {size} crops of {self.side} pixels: both must be 1 at least")
        self.faces, self.sampler, self.augment, self.size = faces, sampler, augment or NONE, size
        self.device = faces.pixels.device if device is None else torch.device(device)

    def batch(self, step: int, part: slice = ALL) -> Batch:
        """Make the batch of a step, or the part of it that a process or a micro-batch needs."""
        pairs = self.sampler.draw(step, self.size)[part]
        drawn = draw(self.augment, self.sampler.seed, step, self.size)[part]
        target_index, source_index = torch.from_numpy(pairs.target), torch.from_numpy(pairs.source)
        share = self.faces.side / self.faces.pixels.shape[1]
        source = canonical(self._gather(source_index), self.faces.border, self.side)
        if self.augment.source_colour:
            source = _from_unit(recolour(_to_unit(source), drawn.source_colour))
        return Batch(
            target=self._augmented(self._gather(target_index), drawn),
            source=source,
            kind=torch.from_numpy(pairs.kind).to(self.device),
            target_index=target_index.to(self.device),
            source_index=source_index.to(self.device),
            back=drawn.back(share).to(self.device),
        )

    def _gather(self, index: Tensor) -> Tensor:
        squares = self.faces.gather(index)
        if self.device.type == "cuda" and squares.device.type == "cpu":
            squares = squares.pin_memory()  # only then the copy waits for nobody
        return squares.to(self.device, non_blocking=True)

    def _augmented(self, squares: Tensor, drawn: Parameters) -> Tensor:
        """Squares (n, H, H, 3) uint8 as crops (n, 3, S, S) in -1..1, turned, recoloured and made worse."""
        pictures = self._reduced(as_pictures(squares))
        share = self.faces.side / self.faces.pixels.shape[1]
        crops = _to_unit(warp(pictures, drawn.theta(share), self.side))
        return _from_unit(degrade(recolour(crops, drawn.colour), drawn))

    def _reduced(self, squares: Tensor) -> Tensor:
        """Squares that are much finer than the crops, averaged: sampling them would alias."""
        steps = self.faces.side // self.side
        if steps < 2:
            return squares
        return F.interpolate(squares, (squares.shape[-1] // steps,) * 2, mode="area")


def prefetched(batches: Batches, first_step: int, part: slice = ALL, *, depth: int = 2) -> Iterator[Batch]:
    """Yield the batches of `first_step` and all later steps, made ahead by one thread while others work.

    At most `depth` batches wait. What goes wrong in the thread is raised where the batch would have come.
    Close the iterator (`contextlib.closing`) to end the thread.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as maker:
        waiting = deque(
            maker.submit(batches.batch, step, part) for step in range(first_step, first_step + depth)
        )
        try:
            for step in count(first_step + depth):
                batch = waiting.popleft().result()
                waiting.append(maker.submit(batches.batch, step, part))
                yield batch
        finally:
            for future in waiting:
                future.cancel()


def _to_unit(pictures: Tensor) -> Tensor:
    """[-1, 1] to 0..1, in place."""
    return pictures.add_(1).mul_(0.5)


def _from_unit(pictures: Tensor) -> Tensor:
    """0..1 to [-1, 1], in place."""
    return pictures.mul_(2).sub_(1)
