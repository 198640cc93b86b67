"""SimSwap: an identity injected by AdaIN, attributes held by weak feature matching.

Chen et al., "SimSwap: An Efficient Framework For High Fidelity Face Swapping", ACM MM 2020.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD
from omote.training import losses
from omote.training.exported import Exported
from omote.training.networks.blocks import Norm
from omote.training.networks.discriminators import MultiScaleDiscriminator
from omote.training.networks.simswap import SimSwap
from omote.training.system import Moment, Terms
from omote.training.systems.oneshot import OneShot, Swap, Task


@dataclass(frozen=True, slots=True)
class SimSwapSettings:
    """The table `[networks]`; see `SimSwap` and `MultiScaleDiscriminator`.

    Attributes:
        matched: how many of the discriminator's last layers the weak feature matching compares.
    """

    width: int = 64
    levels: int = 3
    blocks: int = 9
    deep: bool = False
    norm: Norm = "batch"
    entrance: Literal["normalised", "unit"] = "normalised"
    judge_width: int = 64
    judge_halvings: int = 4
    judge_norm: Norm = "batch"
    judge_spectral: bool = False
    matched: int = 2


class SimSwapSystem(OneShot):
    """Generator and discriminator of SimSwap. Real pictures are the targets.

    Losses: `adversarial`, `identity`, `reconstruction` (pairs of one person) and `weak_features`;
    `discriminator` and, where it has a weight, `penalty`.

    Args:
        settings: of the networks.
        task: what is asked for.
    """

    losses = ("discriminator", "penalty", "adversarial", "identity", "reconstruction", "weak_features")

    def __init__(self, settings: SimSwapSettings, task: Task) -> None:
        layers = settings.judge_halvings + 1
        if not 1 <= settings.matched <= layers:
            raise UsageError(f"networks.matched is {settings.matched}: the discriminator has {layers} layers")
        self.settings = settings
        generator = SimSwap(
            settings.width,
            settings.levels,
            settings.blocks,
            settings.deep,
            task.identities.teacher.width,
            settings.entrance,
            norm=settings.norm,
        )
        discriminator = MultiScaleDiscriminator(
            2,
            settings.judge_width,
            settings.judge_halvings,
            norm=settings.judge_norm,
            spectral=settings.judge_spectral,
            limit=8 * settings.judge_width,
        )
        super().__init__(generator, discriminator, task)

    def give(self, network: nn.Module, target: Tensor, embedding: Tensor) -> Tensor:
        """The identity enters at unit length."""
        assert isinstance(network, SimSwap)
        return network.swap(target, F.normalize(embedding))

    def export(self) -> Exported:
        """The graph of the public files: target in its space, identity of unit length → picture in 0..1."""
        scaled = self.settings.entrance == "normalised"
        facts = {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)} if scaled else {}
        size, width = self.task.size, self.task.identities.teacher.width
        return Exported(
            module=self.average,
            inputs={
                "target": torch.rand(2, 3, size, size) * 4 - 2,
                "source": F.normalize(torch.randn(2, width)),
            },
            outputs=("output",),
            contract="simswap_original",
            settings={"side": size, **facts},
        )

    def judge(self, shared: Swap, moment: Moment) -> Terms:
        """The hinge, and the gradient penalty while it has a weight."""
        real, fake = shared.batch.target, shared.fake.detach()
        terms = {
            "discriminator": losses.hinge_discriminator_loss(real=self.logits(real), fake=self.logits(fake))
        }
        if moment.weights.get("penalty"):
            terms["penalty"] = losses.gradient_penalty(
                self.logits, real=real, fake=fake, mix=moment.draws.uniform()
            )
        return terms

    def make(self, shared: Swap, moment: Moment) -> Terms:
        """Reconstruction on pairs of one person, everything else on all."""
        verdicts = self.discriminator(shared.fake)
        with torch.no_grad():
            real = self.discriminator(shared.batch.target)
        return {
            "adversarial": losses.hinge_generator_loss([verdict.logits for verdict in verdicts]),
            "identity": losses.identity_loss(shared.seen, shared.source),
            "reconstruction": shared.of_one_person(
                losses.l1_reconstruction_loss(shared.fake, shared.batch.target)
            ),
            "weak_features": losses.weak_feature_matching_loss(
                [verdict.features for verdict in verdicts],
                [verdict.features for verdict in real],
                self.settings.matched,
            ),
        }
