"""What the systems of one-shot swappers have in common: identities, the swap of a step, numbers to watch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omote.faces.contours import POINTS
from omote.training.data.batches import Batch
from omote.training.data.crops import compose
from omote.training.data.sampler import OTHER_PERSON
from omote.training.drafter import Drafter
from omote.training.draws import Draws
from omote.training.exported import Exported
from omote.training.system import Learnt, Moment, Phase, Terms
from omote.training.teachers.identity import IdentityTeacher
from omote.training.teachers.mesh import MeshTeacher

_SHIFT = 0.03
"""How far crops are moved, either way, before the teacher looks, as a part of -1..1: a teacher that always
sees the same pixels is easier to fool than to please."""

_LEARNT = 20.0
"""PSNR in dB above which eight pictures are learnt by heart."""


@dataclass(frozen=True, slots=True, eq=False)
class Identities:
    """The people of a face set, through the eyes of a teacher.

    Attributes:
        teacher: the network.
        table: (N, D) raw embeddings of the set, by face.
    """

    teacher: IdentityTeacher
    table: Tensor

    def of(self, index: Tensor) -> Tensor:
        """Raw embeddings (B, D) of faces of the set."""
        return self.table[index]

    def seen(self, pictures: Tensor, back: Tensor, draws: Draws) -> Tensor:
        """Raw embeddings (B, D) of pictures in the framing of an augmented target, with gradient."""
        shift = draws.uniform(2, 1, low=-_SHIFT, high=_SHIFT)
        eye = torch.eye(2, device=pictures.device).expand(len(pictures), 2, 2)
        return self.teacher(pictures, compose(torch.cat([eye, shift], 2), back))


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a system is asked for, beside its networks.

    Attributes:
        identities: the people.
        size: side of the pictures.
        same_person: share of pairs of one person.
        device: where to train.
        person: (N,) int64, who is on each face of the set; empty where there is no set.
        teachers: the recipe's table: role → reference.
        hardships: the recipe's table: what a student sees harder than its teacher.
        embeddings: of the set's faces by another teacher than that of `identities`; see `embeddings_of`.
        points: meshes of the set's faces as a teacher sees them, (N, 478, 2); see `points_of`.
    """

    identities: Identities
    size: int
    same_person: float
    device: torch.device
    person: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    teachers: Mapping[str, Any] = field(default_factory=dict)
    hardships: Mapping[str, Any] = field(default_factory=dict)
    embeddings: Callable[[IdentityTeacher], Tensor] = lambda teacher: torch.zeros(0, teacher.width)
    points: Callable[[MeshTeacher], Tensor] = lambda _: torch.zeros(0, POINTS, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """What the phases of a one-shot swapper share.

    Attributes:
        task: what is asked for.
        batch: targets and sources.
        source: (B, D) raw embeddings of the sources.
        target: (B, D) of the targets.
        fake: (B, 3, S, S) the swapped targets, with their graph.
        seen: (B, D) raw embeddings of the fakes, with their graph.
    """

    task: Task
    batch: Batch
    source: Tensor
    target: Tensor
    fake: Tensor
    seen: Tensor

    @classmethod
    def of(cls, task: Task, batch: Batch, draws: Draws, swap: Callable[[Tensor, Tensor], Tensor]) -> "Swap":
        """Swap a batch and look at the result; `swap` takes targets and raw embeddings of sources."""
        people = task.identities
        source, target = people.of(batch.source_index), people.of(batch.target_index)
        fake = swap(batch.target, source).float()
        return cls(task, batch, source, target, fake, people.seen(fake, batch.back, draws))

    def of_one_person(self, values: Tensor) -> Tensor:
        """Values (B,) of pairs of one person, 0 for the others; their mean is that of those pairs alone."""
        chosen = self.batch.kind != OTHER_PERSON
        return torch.where(chosen, values, 0.0) / max(self.task.same_person, 1e-6)

    def of_different_people(self, values: Tensor) -> Tensor:
        """Likewise for the pairs of different people."""
        chosen = self.batch.kind == OTHER_PERSON
        return torch.where(chosen, values, 0.0) / max(1 - self.task.same_person, 1e-6)

    def observed(self) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Likeness to source and to target (different people), distance to the target (one person)."""
        different = self.batch.kind == OTHER_PERSON
        with torch.no_grad():
            return {
                "likeness": (F.cosine_similarity(self.seen, self.source), different),
                "target_likeness": (F.cosine_similarity(self.seen, self.target), different),
                "distance": ((self.fake.float() - self.batch.target).abs().mean((1, 2, 3)), ~different),
            }


class OneShot(ABC):
    """A system that trains a one-shot swapper against a discriminator.

    Args:
        generator: the swapper.
        discriminator: or several of them as one module.
        task: what is asked for.
    """

    averaged = "generator"
    falling = ("reconstruction", "identity")
    losses: tuple[str, ...]

    def __init__(self, generator: nn.Module, discriminator: nn.Module, task: Task) -> None:
        self.task = task
        self.generator, self.discriminator = generator.to(task.device), discriminator.to(task.device)
        self.networks: Mapping[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
        self.average = deepcopy(generator).requires_grad_(False).eval()
        self.phases: tuple[Phase, ...] = (
            Phase("discriminator", self.judge),
            Phase("generator", self.make),
        )

    @property
    def looks_through(self) -> tuple[str, ...]:
        """What its losses look through beside the identity teacher, for its card: others should judge it."""
        return ()

    @property
    def identity_digests(self) -> frozenset[str]:
        """Of the identity networks that it is trained with, none of which may judge it."""
        return frozenset({self.task.identities.teacher.digest})

    @property
    def drafter(self) -> Drafter | None:
        """What makes drafts of targets before they are swapped; None if they are swapped as they are."""
        return None

    @abstractmethod
    def give(self, network: nn.Module, target: Tensor, embedding: Tensor) -> Tensor:
        """Swap by a generator: targets (B, 3, S, S) in -1..1, raw embeddings (B, D) → pictures in -1..1."""

    @abstractmethod
    def judge(self, shared: Swap, moment: Moment) -> Terms:
        """Losses of the discriminator."""

    @abstractmethod
    def make(self, shared: Swap, moment: Moment) -> Terms:
        """Losses of the generator."""

    @abstractmethod
    def export(self) -> Exported:
        """The average, as the rest of Omote uses it."""

    def prepare(self, batch: Batch, moment: Moment) -> Swap:
        """Swap the batch and look at the result."""
        return Swap.of(self.task, batch, moment.draws, lambda x, z: self.give(self.generator, x, z))

    def observed(self, shared: Swap) -> Mapping[str, tuple[Tensor, Tensor]]:
        """See `Swap.observed`."""
        return shared.observed()

    @torch.no_grad()
    def swap(self, target: Tensor, embedding: Tensor) -> Tensor:
        """Swap by the average; see `give`."""
        return self.give(self.average, target, embedding)

    def sheet(self, batch: Batch) -> Tensor:
        """Rows of source, target, swap, and target with its own identity: (B, 4, 3, S, S)."""
        people = self.task.identities
        swapped = self.swap(batch.target, people.of(batch.source_index))
        own = self.swap(batch.target, people.of(batch.target_index))
        return torch.stack([batch.source, batch.target, swapped, own], 1)

    def learnt(self, crops: Tensor, index: Tensor) -> Learnt:
        """PSNR of faces that are given their own identity; see `System.learnt`."""
        made = self.swap(crops, self.task.identities.of(index))
        psnr = float(-10 * torch.log10(F.mse_loss(made, crops) / 4))
        return Learnt("PSNR in dB of faces given their own identity", psnr, _LEARNT)

    def logits(self, pictures: Tensor) -> list[Tensor]:
        """What a discriminator that gives a `Verdict` for each of its scales says of pictures."""
        return [verdict.logits for verdict in self.discriminator(pictures)]
