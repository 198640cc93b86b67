"""omote-identity: a small encoder that learns from a larger one, on faces that are harder than the teacher's.

The teacher sees a clean crop, the student the same crop degraded, in poor light, behind glasses or partly
covered. Part of the faces are mixed of two: a teacher has an answer for a face of nobody, too, and what a
few thousand people leave open between them is filled (Beyer et al., "Knowledge distillation: A good teacher
is patient and consistent", CVPR 2022).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.tables import from_table
from omote.training import losses
from omote.training.data.batches import Batches
from omote.training.exported import Exported
from omote.training.networks.arcface import ArcFaceHead
from omote.training.networks.least_squares import LeastSquares
from omote.training.networks.slim import SlimIdentity
from omote.training.system import Learnt, Moment, Phase, Terms
from omote.training.systems.lessons import Hardships, Lesson, Lessons
from omote.training.systems.oneshot import Task
from omote.training.teachers.identity import NetworkIdentity
from omote.training.teachers.maps import InnerMaps

NOBODY = -1

_LEARNT = 0.9
"""Cosine to the teacher above which eight pictures are learnt by heart."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """The table `[networks]`; see `SlimIdentity` and `ArcFaceHead`.

    Attributes:
        maps: inner values of the teacher that the last of the student's maps are to resemble; none if empty.
        map_channels: their channels.
    """

    widths: tuple[int, ...] = (24, 40, 96, 112)
    blocks: tuple[int, ...] = (0, 2, 3, 1)
    last: int = 512
    scale: float = 32.0
    margin: float = 0.2
    maps: tuple[str, ...] = ()
    map_channels: tuple[int, ...] = ()


class Student(SlimIdentity):
    """The encoder, and what helps it to learn and is not exported: the way from its last maps to the
    teacher's, and a place for each person of the set of whom there are several photos.

    Args:
        settings: of the encoder.
        embedding: length of the embedding.
        size: side of the faces.
        centres: (people, embedding) where the places of the people begin.
    """

    def __init__(self, settings: IdentitySettings, embedding: int, size: int, centres: Tensor) -> None:
        self.shape = (embedding, settings.widths, settings.blocks, settings.last, size)
        super().__init__(*self.shape)
        wanted = settings.map_channels
        self.regressors = nn.ModuleList(
            nn.Conv2d(ours, theirs, 1)
            for ours, theirs in zip(self.channels[len(self.channels) - len(wanted) :], wanted, strict=True)
        )
        self.people = ArcFaceHead(embedding, max(len(centres), 1), settings.scale, settings.margin)
        if len(centres):
            self.people.centres.data.copy_(centres)

    def encoder(self) -> SlimIdentity:
        """A copy of the encoder alone."""
        alone = SlimIdentity(*self.shape)
        own = alone.state_dict()
        alone.load_state_dict({name: value for name, value in self.state_dict().items() if name in own})
        return alone

    def regressed(self, maps: list[Tensor]) -> list[Tensor]:
        """The last of the student's maps as the teacher's."""
        last = maps[len(maps) - len(self.regressors) :]
        return [regressor(one) for regressor, one in zip(self.regressors, last, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the phase of a step sees; all have B rows.

    Attributes:
        lesson: what was shown, and what the teacher says of it.
        embedding: (B, D) of unit length, with its graph.
        maps: with their graph.
    """

    lesson: Lesson
    embedding: Tensor
    maps: list[Tensor]


class IdentitySystem:
    """The student of an identity teacher.

    Losses: `identity` (cosine distance to the teacher), `relations`, `hints` (inner maps) and `margin`
    (ArcFace, over people with several photos). Relations are those of the part of a batch that is computed at
    once.

    Args:
        settings: of the networks.
        task: who teaches, who is in the set, and what the student is shown.

    Raises:
        UsageError: maps are wanted of a teacher that is no network, or their channels are not given; or the
            table `[hardships]` does not fit.
    """

    averaged = "student"
    losses = ("identity", "relations", "hints", "margin")
    falling = ("identity", "relations")

    def __init__(self, settings: IdentitySettings, task: Task) -> None:
        self.settings, self.task = settings, task
        self.hardships = from_table(Hardships, task.hardships, "identity", "[hardships]", UsageError)
        teacher = task.identities.teacher
        if len(settings.maps) != len(settings.map_channels):
            raise UsageError("[networks] maps and map_channels must be as many")
        self.inner: InnerMaps | None = None
        if settings.maps:
            if not isinstance(teacher, NetworkIdentity):
                raise UsageError(f"[networks] maps: the identity teacher {teacher.name} has none")
            self.inner = InnerMaps(teacher, settings.maps, task.device)
        self.label, centres = _people(task)
        self.student = Student(settings, teacher.width, task.size, centres).to(task.device)
        self.networks: Mapping[str, nn.Module] = {"student": self.student}
        self.average = self.student.encoder().to(task.device).requires_grad_(False).eval()
        self.phases = (Phase("student", self._learn),)

    def lessons(self, batches: Batches) -> Lessons:
        """Batches with the teacher's answers, which this system is trained with."""
        return Lessons(batches, self.hardships, self._teach)

    def prepare(self, batch: Lesson, moment: Moment) -> Answer:
        """Let the student look at the hard faces."""
        maps = self.student.maps(batch.hard.contiguous(memory_format=torch.channels_last))
        return Answer(batch, self.student.embed(maps[-1]), maps)

    def observed(self, shared: Answer) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Likeness of the student to the teacher, of real faces and of mixed ones."""
        likeness = (shared.embedding.detach() * shared.lesson.wanted).sum(1)
        whole = shared.lesson.whole
        return {"likeness": (likeness, whole), "mixed_likeness": (likeness, ~whole)}

    def sheet(self, batch: Lesson) -> Tensor:
        """Rows of what the teacher and what the student is shown: (B, 2, 3, S, S)."""
        return torch.stack([batch.clean, batch.hard], 1)

    @torch.no_grad()
    def learnt(self, crops: Tensor, index: Tensor) -> Learnt:
        """Mean cosine to the teacher."""
        likeness = F.cosine_similarity(self.average(crops), self.task.identities.of(index))
        return Learnt("mean cosine to the teacher", float(likeness.mean()), _LEARNT)

    @torch.no_grad()
    def settle(self, examples: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Solve for the last layer of the average, which gradients leave short of its best."""
        layer, squares = self.average.linear, LeastSquares(self.average.linear)
        for crops, wanted in examples:
            features = self.average.features(crops)
            size = layer(features).norm(dim=1, keepdim=True)  # so that all weigh the same at unit length
            squares.add(features, F.normalize(wanted, dim=1), 1 / size)
        squares.solve()

    def export(self) -> Exported:
        """The contract `arcface`: faces in -1..1 → embeddings of unit length."""
        size = self.task.size
        return Exported(
            module=self.average,
            inputs={"faces": torch.rand(2, 3, size, size) * 2 - 1},
            outputs=("embeddings",),
            contract="arcface",
            settings={} if size == 112 else {"height": size, "width": size},
            identity=False,
        )

    def _teach(self, clean: Tensor) -> tuple[Tensor, list[Tensor]]:
        if self.inner is not None:
            return self.inner(clean)
        return self.task.identities.teacher.embed(clean), []

    def _learn(self, shared: Answer, moment: Moment) -> Terms:
        lesson, embedding = shared.lesson, shared.embedding
        terms = {
            "identity": losses.identity_loss(embedding, lesson.wanted),
            "relations": losses.relation_loss(embedding, lesson.wanted, embedding, lesson.wanted),
        }
        if moment.weights["hints"]:
            terms["hints"] = losses.hint_loss(self.student.regressed(shared.maps), lesson.maps)
        if moment.weights["margin"]:
            number = self.label[lesson.index]
            missed = F.cross_entropy(
                self.student.people(embedding, number.clamp(min=0)), number.clamp(min=0), reduction="none"
            )
            terms["margin"] = torch.where(lesson.whole & (number != NOBODY), missed, 0.0)
        return terms


def _people(task: Task) -> tuple[Tensor, Tensor]:
    """Labels (N,) of the set's faces, and mean embeddings (people, D) of those who have several photos."""
    person, table = task.person, task.identities.table
    _, which, count = torch.unique(person, return_inverse=True, return_counts=True)
    several = count > 1
    number = torch.where(several, several.cumsum(0) - 1, NOBODY)
    label = number[which]
    known = label != NOBODY
    centres = torch.zeros(int(several.sum()), table.shape[1], device=table.device)
    centres.index_add_(0, label[known], F.normalize(table[known], dim=1))
    return label, F.normalize(centres, dim=1)
