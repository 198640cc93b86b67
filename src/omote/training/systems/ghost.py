"""FaceShifter's AEI-Net as GHOST trains it: attributes by an encoder, identity by AAD layers, then the gaze.

Li et al., "FaceShifter: Towards High Fidelity And Occlusion Aware Face Swapping", CVPR 2020; Groshev et al.,
"GHOST: A New Face Swap Approach for Image and Video Domains", IEEE Access 2022.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from omote.faces.contours import LEFT_IRIS, RIGHT_IRIS
from omote.training import losses
from omote.training.exported import Exported
from omote.training.networks.aei import AEINet
from omote.training.networks.attributes import EncoderKind
from omote.training.networks.blocks import Norm
from omote.training.networks.discriminators import MultiScaleDiscriminator
from omote.training.system import Moment, Terms
from omote.training.systems.oneshot import OneShot, Swap, Task
from omote.training.teachers.mesh import MeshTeacher

PUPILS = (LEFT_IRIS[0], RIGHT_IRIS[0])
"""The centres of the irises among the 478 points: they stand for the pupils of GHOST's 98-point network."""


@dataclass(frozen=True, slots=True)
class GhostSettings:
    """The table `[networks]`; see `AEINet` and `MultiScaleDiscriminator`."""

    layers: int = 2
    encoder: EncoderKind = "unet"
    width: int = 32
    limit: int = 1024
    norm: Norm = "batch"
    judge_width: int = 64
    judge_halvings: int = 5
    judge_scales: int = 3
    judge_norm: Norm = "instance"


class GhostSystem(OneShot):
    """AEI-Net and its discriminator. Real pictures are the sources, as published.

    Losses: `adversarial`, `attributes`, `identity`, `reconstruction` (pairs of one person) and, where it has
    a weight, `eyes`; `discriminator`.

    Args:
        settings: of the networks.
        task: what is asked for.
    """

    losses = ("discriminator", "adversarial", "attributes", "identity", "reconstruction", "eyes")

    def __init__(self, settings: GhostSettings, task: Task) -> None:
        self.settings = settings
        generator = AEINet(
            task.size,
            task.identities.teacher.width,
            settings.layers,
            settings.encoder,
            settings.width,
            settings.limit,
            settings.norm,
        )
        discriminator = MultiScaleDiscriminator(
            settings.judge_scales,
            settings.judge_width,
            settings.judge_halvings,
            padding=2,
            norm=settings.judge_norm,
            limit=8 * settings.judge_width,
        )
        super().__init__(generator, discriminator, task)
        self.attributes = generator.attributes
        self.mesh = MeshTeacher().to(task.device).eval()

    @property
    def looks_through(self) -> tuple[str, ...]:
        """See `OneShot`."""
        return ("the mesh teacher omote-mesh",)

    def give(self, network: nn.Module, target: Tensor, embedding: Tensor) -> Tensor:
        """The identity enters at its own length."""
        result: Tensor = network(target, embedding)
        return result

    def export(self) -> Exported:
        """The graph of the public files: target in -1..1, embedding at its own length → picture in -1..1."""
        size, width = self.task.size, self.task.identities.teacher.width
        return Exported(
            module=self.average,
            inputs={"target": torch.rand(2, 3, size, size) * 2 - 1, "source": torch.randn(2, width)},
            outputs=("output",),
            contract="ghost_original",
            settings={"side": size},
        )

    def judge(self, shared: Swap, moment: Moment) -> Terms:
        """The hinge, on pairs of different people."""
        values = losses.hinge_discriminator_loss(
            real=self.logits(shared.batch.source), fake=self.logits(shared.fake.detach()), scales="sum"
        )
        return {"discriminator": 0.5 * shared.of_different_people(values)}

    def make(self, shared: Swap, moment: Moment) -> Terms:
        """What is adversarial on pairs of different people; the gaze only while it has a weight."""
        target = shared.batch.target
        adversarial = losses.clipped_hinge_generator_loss(self.logits(shared.fake), scales="sum")
        terms = {
            "adversarial": shared.of_different_people(adversarial),
            "attributes": losses.attribute_loss(self.attributes(shared.fake), self.attributes(target)),
            "identity": losses.identity_loss(shared.seen, shared.source),
            "reconstruction": shared.of_one_person(losses.half_l2_reconstruction_loss(shared.fake, target)),
        }
        if moment.weights.get("eyes"):
            back = shared.batch.back
            terms["eyes"] = losses.eye_point_loss(
                lambda pictures: self.mesh(pictures, back), shared.fake, target, PUPILS
            )
        return terms
