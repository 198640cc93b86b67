"""What an identity teacher says of faces that are harder for its student, made ahead of the step."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from omote.training.data.batches import ALL, Batch, Batches
from omote.training.data.crops import inverse, warp
from omote.training.data.faces import FaceSet
from omote.training.data.hardships import blend, blend_masks, covered, relit, with_glasses
from omote.training.draws import Draws

Teach = Callable[[Tensor], tuple[Tensor, list[Tensor]]]
"""Clean crops (B, 3, S, S) in -1..1 → embeddings (B, D), and inner maps."""


@dataclass(frozen=True, slots=True)
class Hardships:
    """The table `[hardships]`: what is done to the faces that a student sees, beside augmentation.

    Shares are probabilities, 0..1.

    Attributes:
        mixed: share of faces that are mixed of two, for the teacher too.
        glasses: share of faces that get glasses.
        covered: share of faces that are partly covered.
        relit: share of faces in less light.
        darkest: the least light.
    """

    mixed: float = 0.0
    glasses: float = 0.0
    covered: float = 0.0
    relit: float = 0.0
    darkest: float = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Faces as teacher and student see them. All have B rows.

    Attributes:
        clean: (B, 3, S, S) in -1..1, for the teacher, in the framing of the hard ones.
        hard: (B, 3, S, S) in -1..1, for the student.
        whole: (B,) whether a face is one, and not mixed of two.
        index: (B,) int64, the face's number in the set.
        wanted: (B, D) the teacher's embeddings, of unit length.
        maps: the teacher's inner maps.
    """

    clean: Tensor
    hard: Tensor
    whole: Tensor
    index: Tensor
    wanted: Tensor
    maps: tuple[Tensor, ...]

    @classmethod
    @torch.no_grad()
    def of(cls, batch: Batch, draws: Draws, hardships: Hardships, teach: Teach) -> "Lesson":
        """Make a lesson of pairs of the kind `same photo`: the sources are the clean faces of the targets."""
        side = batch.target.shape[-1]
        masks = blend_masks(draws, side, hardships.mixed).to(batch.target.device)
        clean = blend(warp(batch.source, inverse(batch.back), side), masks)
        hard = blend(batch.target, masks)
        hard = with_glasses(hard, draws, hardships.glasses)
        hard = covered(hard, draws, hardships.covered)
        hard = relit(hard, draws, hardships.relit, hardships.darkest)
        embeddings, maps = teach(clean)
        whole = masks.amin((1, 2, 3)) == 1
        wanted = F.normalize(embeddings, dim=1)
        return cls(clean, hard, whole, batch.target_index, wanted, tuple(maps))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, part: slice) -> "Lesson":
        return self._each(lambda value: value[part])

    def to(self, device: torch.device | str) -> "Lesson":
        """The same lesson on a device."""
        return self._each(lambda value: value.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Lesson":
        return Lesson(
            change(self.clean),
            change(self.hard),
            change(self.whole),
            change(self.index),
            change(self.wanted),
            tuple(map(change, self.maps)),
        )


class Lessons(Batches):
    """Makes the lesson of any step, in the thread that makes batches: the teacher works beside the student.

    Args:
        batches: of pairs of the kind `same photo`.
        hardships: for the student.
        teach: the teacher.
    """

    def __init__(self, batches: Batches, hardships: Hardships, teach: Teach) -> None:
        self._batches, self._hardships, self._teach = batches, hardships, teach
        self.faces: FaceSet = batches.faces

    def batch(self, step: int, part: slice = ALL) -> Lesson:  # type: ignore[override]
        """Make the lesson of a step, or part of it. Faces are mixed within the part."""
        batch = self._batches.batch(step, part)
        size = self._batches.size
        rows = slice(*part.indices(size))
        draws = Draws(self._batches.sampler.seed, step, size, rows, batch.target.device)
        return Lesson.of(batch, draws, self._hardships, self._teach)
