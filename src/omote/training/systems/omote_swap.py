"""omote-swap-128: SimSwap's idea, small, and held where strangers look first: eyes, mouth, colour, edge.

What is its own: cycle triplets from the average (see `omote.training.losses.cycle`); likeness only up to that
of real pairs; a mask that is free in a ring alone, and reconstruction judged without its help; expression and
gaze by a differentiable mesh; discriminators of the crop, of eyes and mouth, and of perceptual maps.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.faces.align import template
from omote.tables import from_table
from omote.training import losses
from omote.training.data.batches import Batch, Batches
from omote.training.data.drafted import DraftedBatches
from omote.training.data.framed import FramedBatch, FramedBatches
from omote.training.data.sampler import OTHER_PERSON, SAME_PHOTO
from omote.training.data.shards import TEMPLATE
from omote.training.drafter import Drafter, open_drafter
from omote.training.exported import Exported
from omote.training.networks.swap128 import Swap128, paste
from omote.training.networks.swap128_judges import FaceJudges, unit_maps
from omote.training.system import Moment, Phase, Terms
from omote.training.systems.held import HeldSwap
from omote.training.systems.looks import Look, Parts, face_masks, found_points, softened, varied
from omote.training.systems.oneshot import Identities, OneShot, Swap, Task
from omote.training.teachers.features import feature_teacher
from omote.training.teachers.identity import identity_teacher
from omote.training.teachers.mesh import MeshTeacher
from omote.training.teachers.several import SeveralIdentities, side_by_side

_BLUR = 0.25
"""Standard deviation of the noise on the identities of sources, relative to their length, at most."""

_SIGMA = 0.05
"""Step of the finite differences of the penalties."""

_SELDOM = 4
"""Steps between penalties: they change slowly, and take as long as the losses (StyleGAN2 takes 16)."""

_EYE_DISTANCE = 2 * float(template(TEMPLATE)[1, 0] - template(TEMPLATE)[0, 0])
"""In half sides of the canonical crop."""


@dataclass(frozen=True, slots=True)
class OmoteSwapSettings:
    """The table `[networks]`; see `Swap128` and `FaceJudges`.

    Attributes:
        drafted: whether the generator is given the target after the mesh engine, not the target itself.
    """

    width: int = 32
    deep: int = 256
    blocks: int = 4
    style: int = 256
    judge_width: int = 16
    part_width: int = 24
    feature_width: int = 64
    drafted: bool = True


@dataclass(frozen=True, slots=True)
class OmoteSwapTeachers:
    """The table `[teachers]`.

    Attributes:
        identity: whose embeddings the generator is given, here and in use; see `identity_teacher`.
        judges: whose embeddings the losses compare; the same network if there are none. So a small network
            that may be shipped gives the identity, and better ones that may not say how well it was met.
        features: see `feature_teacher`.
        likeness: cosine to the source beyond which the identity network is not asked any more: about that of
            two photos of one person.
        margin: cosine to the target below which the swap is different enough.
        triplets: share of the pairs of different people that the average turns into cycle triplets.
    """

    identity: str = ""
    judges: tuple[str, ...] = ()
    features: str = ""
    likeness: float = 0.5
    margin: float = 0.15
    triplets: float = 0.41


class OmoteSwapSystem(OneShot):
    """Generator and discriminators of omote-swap-128. Real pictures are the targets.

    Values of losses that concern some pairs only are 0 for the others, and the mean is over all.

    - of all pairs: `adversarial`, `part_adversarial`, `feature_adversarial`, `identity`, `part_matching`,
      `colour`, `expression`, `gaze`, `ring`;
    - of pairs that have a true answer: `reconstruction`, `perceptual`;
    - of different people: `away` (from the target's identity), and from what was given: `change`, `matching`,
      `attributes` (deep perceptual distance), `held` and `held_features` (eyes and mouth);
    - of the discriminators: `discriminator`, `part_discriminator`, `feature_discriminator`, `part_penalty`,
      `feature_penalty`.

    Args:
        settings: of the networks.
        task: what is asked for.

    Raises:
        UsageError: the table `[teachers]` does not fit.
    """

    losses = (
        "discriminator",
        "part_discriminator",
        "feature_discriminator",
        "part_penalty",
        "feature_penalty",
        "adversarial",
        "part_adversarial",
        "feature_adversarial",
        "identity",
        "away",
        "reconstruction",
        "change",
        "perceptual",
        "matching",
        "part_matching",
        "colour",
        "attributes",
        "held",
        "held_features",
        "expression",
        "gaze",
        "ring",
    )

    def __init__(self, settings: OmoteSwapSettings, task: Task) -> None:
        self.teachers = from_table(OmoteSwapTeachers, task.teachers, "omote-swap", "[teachers]", UsageError)
        generator = Swap128(
            settings.width,
            settings.deep,
            settings.blocks,
            settings.style,
            task.identities.teacher.width,
            task.size,
        )
        judges = FaceJudges(settings.judge_width, settings.part_width, settings.feature_width)
        for network in (generator, judges):
            # On a CPU convolutions in bf16 are a third quicker so.
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(generator, judges, task)
        self.phases = (
            Phase("discriminator", self.judge),
            Phase("discriminator", self.penalise, every=_SELDOM),
            Phase("generator", self.make),
        )
        self.maker, self.judges = generator, judges
        self._drafted = settings.drafted

    @cached_property
    def features(self) -> nn.Module:
        """The perceptual network; opened when it is first needed, which an export does not."""
        if not self.teachers.features:
            raise UsageError("[teachers] needs 'features': the path of SqueezeNet 1.1 (ONNX), or 'random'")
        return feature_teacher(self.teachers.features).to(self.task.device)

    @cached_property
    def judged(self) -> Identities:
        """The people, through the eyes of what the losses ask."""
        if not self.teachers.judges:
            return self.task.identities
        judges = [identity_teacher(name).to(self.task.device) for name in self.teachers.judges]
        tables = [self.task.embeddings(judge) for judge in judges]
        return Identities(SeveralIdentities(judges), side_by_side(tables))

    @property
    def looks_through(self) -> tuple[str, ...]:
        """See `OneShot`."""
        judges = (f"the identity network {Path(name).stem}" for name in self.teachers.judges)
        return ("the mesh teacher omote-mesh", *judges)

    @property
    def identity_digests(self) -> frozenset[str]:
        """See `OneShot`."""
        judge = self.judged.teacher
        more = judge.digests if isinstance(judge, SeveralIdentities) else ()
        return super().identity_digests.union(more)

    @cached_property
    def mesh(self) -> MeshTeacher:
        """The mesh network."""
        return MeshTeacher().to(self.task.device).eval()

    @cached_property
    def points(self) -> Tensor:
        """Meshes of the face set, (N, 478, 2)."""
        return self.task.points(self.mesh)

    @cached_property
    def drafter(self) -> Drafter | None:  # type: ignore[override]
        """See `OneShot`."""
        return open_drafter(self.task.device) if self._drafted else None

    def lessons(self, batches: Batches) -> FramedBatches:
        """Batches with what lies about the crops, for the mesh network, and drafts, for the generator."""
        return DraftedBatches(batches, self.drafter) if self.drafter else FramedBatches(batches)

    def give(self, network: nn.Module, target: Tensor, embedding: Tensor) -> Tensor:
        """The identity enters at unit length."""
        assert isinstance(network, Swap128)
        return network.swap(target, F.normalize(embedding))

    def export(self) -> Exported:
        """Target in -1..1, identity of unit length → colours in -1..1, and their mask."""
        size, width = self.task.size, self.task.identities.teacher.width
        return Exported(
            module=self.average,
            inputs={
                "target": torch.rand(2, 3, size, size) * 2 - 1,
                "source": F.normalize(torch.randn(2, width)),
            },
            outputs=("output", "mask", "detail"),
            contract="omote_swap",
            settings={"side": size},
        )

    def sheet(self, batch: Batch) -> Tensor:
        """Rows of source, target, what is given, swap: (B, 4, 3, S, S)."""
        swapped = self.swap(batch.given, self.task.identities.of(batch.source_index))
        return torch.stack([batch.source, batch.target, batch.given, swapped], 1)

    # ------------------------------------------------------------------ a step

    def prepare(self, batch: Batch, moment: Moment) -> HeldSwap:
        """Swap the batch and look at the result."""
        assert isinstance(batch, FramedBatch)
        draws, judged = moment.draws, self.judged
        batch, given = self._with_triplets(batch, draws.uniform())
        identity = F.normalize(self.task.identities.of(batch.source_index))
        noise = draws.normal(identity.shape[1]) * draws.uniform(1) * (_BLUR / identity.shape[1] ** 0.5)
        colours, mask, _ = self.maker(given, F.normalize(identity + noise))
        points = self.points[batch.target_index]
        shown = torch.minimum(mask, face_masks(points, batch.back, self.task.size))
        fake = paste(given, colours, shown)
        filled = self.maker.filled(batch.target, colours)
        different = (batch.kind == OTHER_PERSON)[:, None, None, None]
        kept = torch.where(different, given, batch.target)
        with torch.no_grad():
            real_maps, kept_maps = (
                [level.float() for level in self.features(shown)] for shown in (batch.target, kept)
            )
        return HeldSwap(
            self.task,
            batch,
            judged.of(batch.source_index),
            judged.of(batch.target_index),
            fake,
            judged.seen(softened(fake, draws), batch.back, draws),
            mask,
            kept,
            filled,
            [level.float() for level in self.features(filled)],
            real_maps,
            kept_maps,
            Parts.of(points, batch.back),
            points,
            (Look.of(draws), Look.of(draws)),
        )

    @torch.no_grad()
    def _with_triplets(self, batch: FramedBatch, chance: Tensor) -> tuple[FramedBatch, Tensor]:
        """Turn some pairs of different people into cycle triplets: returns the batch, and what to swap."""
        turned = (batch.kind == OTHER_PERSON) & (chance < self.teachers.triplets)
        given = batch.given.clone(memory_format=torch.channels_last)
        if turned.any():
            people = self.task.identities
            triplet = losses.cycle_triplet(
                self.swap,
                given[turned],
                people.of(batch.target_index[turned]),
                people.of(batch.source_index[turned]),
            )
            given[turned] = triplet.target.float()
        return replace(
            batch,
            kind=torch.where(turned, SAME_PHOTO, batch.kind),
            source_index=torch.where(turned, batch.target_index, batch.source_index),
        ), given

    def judge(self, shared: Swap, moment: Moment) -> Terms:
        """The hinge for the crop, logistic losses for parts and maps."""
        assert isinstance(shared, HeldSwap)
        judges, real, fake = self.judges, shared.batch.target, shared.fake.detach()
        at_real, at_fake = shared.looks
        patches, made = shared.parts.patches(real), shared.parts.patches(fake)
        part_judges = (judges.eyes, judges.mouth)
        terms = {
            "discriminator": losses.hinge_discriminator_loss(
                real=[verdict.logits for verdict in judges.crop(at_real(real))],
                fake=[verdict.logits for verdict in judges.crop(at_fake(fake))],
            ),
            "part_discriminator": losses.non_saturating_discriminator_loss(
                real=[judge(patch).logits for judge, patch in zip(part_judges, patches, strict=True)],
                fake=[judge(patch).logits for judge, patch in zip(part_judges, made, strict=True)],
            ),
            "feature_discriminator": losses.non_saturating_discriminator_loss(
                real=judges.features(shared.real_maps),
                fake=judges.features([level.detach() for level in shared.maps]),
            ),
        }
        return terms

    def penalise(self, shared: Swap, moment: Moment) -> Terms:
        """What keeps the discriminators of parts and maps from being too sure of themselves."""
        assert isinstance(shared, HeldSwap)
        judges, patches = self.judges, shared.parts.patches(shared.batch.target)
        part_judges = (judges.eyes, judges.mouth)
        terms: Terms = {}
        critics = {
            "part_penalty": [
                (lambda x, judge=judge: [judge(x).logits], patch)
                for judge, patch in zip(part_judges, patches, strict=True)
            ],
            "feature_penalty": [
                (lambda x, head=head: [head(x)], unit_maps(level))
                for head, level in zip(judges.features.heads, shared.real_maps, strict=True)
            ],
        }
        for name, pairs in critics.items():
            if moment.weights.get(name):
                penalties = [
                    losses.approximate_r1_penalty(critic, seen, moment.draws.noise(*seen.shape[1:]), _SIGMA)
                    for critic, seen in pairs
                ]
                terms[name] = torch.stack(penalties).mean(0)
        return terms

    def make(self, shared: Swap, moment: Moment) -> Terms:
        """All losses of the generator; meshes only while they have a weight."""
        assert isinstance(shared, HeldSwap)
        return {
            **self._judged(shared),
            **self._likeness(shared),
            **self._held(shared),
            **self._meshes(shared, moment),
            "colour": sum(
                (
                    losses.low_frequency_colour_loss(shared.fake, shared.batch.target, cells)
                    for cells in (8, 4)
                ),
                shared.fake.new_zeros(()),
            ),
            "ring": losses.ring_loss(shared.mask, self.maker.ring.expand_as(shared.mask)),
        }

    def _judged(self, shared: HeldSwap) -> Terms:
        """What the discriminators say, and how far their features are from those of what is kept."""
        judges, kept = self.judges, shared.kept
        look, _ = shared.looks
        crop = judges.crop(look(shared.fake))
        patches, wanted = shared.parts.patches(shared.fake), shared.parts.patches(kept)
        parts = [judge(patch) for judge, patch in zip((judges.eyes, judges.mouth), patches, strict=True)]
        with torch.no_grad():
            real = judges.crop(look(kept))
            real_parts = [judge(p) for judge, p in zip((judges.eyes, judges.mouth), wanted, strict=True)]
        return {
            "adversarial": losses.hinge_generator_loss([verdict.logits for verdict in crop]),
            "part_adversarial": losses.non_saturating_generator_loss([verdict.logits for verdict in parts]),
            "feature_adversarial": losses.non_saturating_generator_loss(judges.features(shared.maps)),
            "matching": shared.different
            * losses.weak_feature_matching_loss(
                [verdict.features for verdict in crop], [verdict.features for verdict in real], 2
            ),
            "part_matching": losses.weak_feature_matching_loss(
                [verdict.features for verdict in parts], [verdict.features for verdict in real_parts], 2
            ),
        }

    def _likeness(self, shared: HeldSwap) -> Terms:
        """The source's identity, and not the target's."""
        limit, margin = self.teachers.likeness, self.teachers.margin
        return {
            "identity": losses.capped_identity_loss(shared.seen, shared.source, limit),
            "away": shared.different * losses.target_margin_loss(shared.seen, shared.target, margin),
        }

    def _held(self, shared: HeldSwap) -> Terms:
        """The target where it is the true answer, else the draft: all of it, deep maps, eyes and mouth."""
        kept, region = shared.kept, shared.parts.region
        ours, theirs = shared.maps, shared.kept_maps
        different, paired = shared.different, shared.paired
        return {
            "reconstruction": paired * losses.l1_reconstruction_loss(shared.filled, kept),
            "change": different * losses.l2_reconstruction_loss(shared.fake, kept),
            "perceptual": paired * losses.feature_loss(ours, theirs),
            "attributes": different * losses.feature_loss(ours[2:], theirs[2:]),
            "held": different * losses.region_loss(shared.fake, kept, region),
            "held_features": different * losses.region_feature_loss(ours[:2], theirs[:2], region),
        }

    def _meshes(self, shared: HeldSwap, moment: Moment) -> Terms:
        """Expression and gaze: meshes of the swap in its photo, beside that of the target or the draft."""
        if not (moment.weights.get("expression") or moment.weights.get("gaze")):
            return {}
        batch = shared.batch
        assert isinstance(batch, FramedBatch)
        framing = varied(self.mesh.framing, len(shared.fake), moment.draws)
        found = found_points(self.mesh, shared.fake, batch, framing)
        with torch.no_grad():
            drafted = found_points(self.mesh, shared.kept, batch, framing)
        wanted = torch.where(shared.different[:, None, None] > 0, drafted, shared.points)
        return {
            "expression": losses.expression_loss(found, wanted, _EYE_DISTANCE),
            "gaze": losses.gaze_loss(found, wanted, _EYE_DISTANCE),
        }
