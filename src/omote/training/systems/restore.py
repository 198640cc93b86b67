"""omote-restore: a small network that makes a swapped face twice as large and sharp."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.training import losses
from omote.training.data.batches import Batches
from omote.training.data.repairs import SCALE, Repair, Repairs
from omote.training.exported import Exported
from omote.training.losses.perceptual import WANG_WEIGHTS
from omote.training.networks.blocks import PixelSpace
from omote.training.networks.discriminators import PatchDiscriminator
from omote.training.networks.restore import RestoreNet
from omote.training.system import Learnt, Moment, Phase, Terms
from omote.training.systems.oneshot import Task
from omote.training.teachers.features import feature_teacher

STRUCTURE = "structure"
"""The perceptual teacher that needs no network: MS-SSIM."""
LAYERS = (1.0, 1.0, 1.0, 1.0)
"""Weights of SqueezeNet's four maps in the perceptual distance."""
_SCALES = 3  # of MS-SSIM
_LEARNT = 1.0
"""Gain in dB over bicubic above which eight pictures are learnt by heart."""


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """The table `[networks]`; see `RestoreNet` and `PatchDiscriminator`."""

    width: int = 40
    fine: int = 1
    coarse: int = 3
    judge_width: int = 24
    judge_halvings: int = 3
    judge_limit: int = 96


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """What the phases of a step share.

    Attributes:
        batch: poor and good pictures.
        made: (B, 3, S, S), with their graph.
    """

    batch: Repair
    made: Tensor


class RestoreSystem:
    """A restorer, and a discriminator that comes late.

    Losses: `pixels` (L1), `perceptual` (SqueezeNet's maps, or MS-SSIM), `adversarial` and `discriminator`
    (hinge, patches of a spectrally normalised discriminator).

    Args:
        settings: of the networks.
        task: side of the good pictures, the device, and in `teachers` the `perceptual` one.

    Raises:
        UsageError: the side does not suit the network.
    """

    averaged = "restorer"
    losses = ("pixels", "perceptual", "adversarial", "discriminator")
    falling = ("pixels", "perceptual")

    def __init__(self, settings: RestoreSettings, task: Task) -> None:
        if task.size % (4 * SCALE):
            raise UsageError(f"data.size {task.size}: this network needs a multiple of {4 * SCALE}")
        self.settings, self.task = settings, task
        self.restorer = RestoreNet(settings.width, settings.fine, settings.coarse).to(task.device)
        self.discriminator = PatchDiscriminator(
            settings.judge_width,
            settings.judge_halvings,
            norm="none",
            spectral=True,
            limit=settings.judge_limit,
        ).to(task.device)
        self.networks: Mapping[str, nn.Module] = {
            "restorer": self.restorer,
            "discriminator": self.discriminator,
        }
        self.average = deepcopy(self.restorer).requires_grad_(False).eval()
        self.phases = (Phase("discriminator", self._judge), Phase("restorer", self._make))

    def lessons(self, batches: Batches) -> Batches:
        """Good pictures, halved and made worse."""
        return Repairs(batches)

    def prepare(self, batch: Repair, moment: Moment) -> Restored:
        """Restore the poor pictures."""
        made = self.restorer(batch.poor.contiguous(memory_format=torch.channels_last))
        return Restored(batch, made.float())

    @torch.no_grad()
    def observed(self, shared: Restored) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Mean error of pixels relative to that of bicubic enlargement."""
        good = shared.batch.good
        ours, plain = (
            losses.l1_reconstruction_loss(x, good) for x in (shared.made, bicubic(shared.batch.poor))
        )
        everything = torch.ones(len(good), dtype=torch.bool, device=good.device)
        return {"error_ratio": (ours / plain.clamp(min=1e-6), everything)}

    @torch.no_grad()
    def sheet(self, batch: Repair) -> Tensor:
        """Rows of the poor picture enlarged bicubically, restored, and the good one: (B, 3, 3, S, S)."""
        return torch.stack([bicubic(batch.poor), self.restore(batch.poor), batch.good], 1)

    @torch.no_grad()
    def restore(self, pictures: Tensor) -> Tensor:
        """Restore by the average: (B, 3, S, S) in -1..1 → (B, 3, 2S, 2S) in -1..1."""
        made: Tensor = self.average(pictures)
        return made.clamp(-1, 1)

    @torch.no_grad()
    def learnt(self, crops: Tensor, index: Tensor) -> Learnt:
        """Gain over bicubic enlargement, of faces that are halved and nothing worse."""
        poor = F.avg_pool2d(crops, SCALE)
        ours, plain = (F.mse_loss(made, crops) for made in (self.restore(poor), bicubic(poor)))
        return Learnt("PSNR above bicubic in dB", float(10 * torch.log10(plain / ours)), _LEARNT)

    def export(self) -> Exported:
        """The contract `upscaler`: faces in 0..1 → the same, twice as large."""
        side = self.task.size
        small = side // SCALE
        return Exported(
            module=_Unit(self.average),
            inputs={"picture": torch.rand(2, 3, small, small)},
            outputs=("restored",),
            contract="upscaler",
            settings={"side": side, "entrance": small, "scale": SCALE},
            identity=False,
            given=lambda batch: {"picture": PixelSpace("unit").enter(batch.poor)},
        )

    def _judge(self, shared: Restored, moment: Moment) -> Terms:
        if not moment.weights["discriminator"]:
            return {}
        real = self.discriminator(shared.batch.good).logits
        fake = self.discriminator(shared.made.detach()).logits
        return {"discriminator": losses.hinge_discriminator_loss(real=[real], fake=[fake])}

    def _make(self, shared: Restored, moment: Moment) -> Terms:
        made, good = shared.made, shared.batch.good
        terms = {"pixels": losses.l1_reconstruction_loss(made, good)}
        if moment.weights["perceptual"]:
            terms["perceptual"] = self.distance(made, good)
        if moment.weights["adversarial"]:
            terms["adversarial"] = losses.hinge_generator_loss([self.discriminator(made).logits])
        return terms

    def distance(self, made: Tensor, good: Tensor) -> Tensor:
        """Perceptual distance (B,) of pictures in -1..1 by the teacher."""
        if self._features is None:
            weights = WANG_WEIGHTS[:_SCALES]
            return losses.ms_ssim_loss(made, good, [w / sum(weights) for w in weights])
        return losses.perceptual_loss(self._features, made, good, LAYERS)

    @cached_property
    def _features(self) -> nn.Module | None:
        """The teacher, opened when it is first needed: an export does without."""
        reference = self.task.teachers.get("perceptual", STRUCTURE)
        if reference == STRUCTURE:
            return None
        return feature_teacher(reference).to(self.task.device)


class _Unit(nn.Module):
    """A network for pictures in 0..1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.space = network, PixelSpace("unit")

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 _ _"]:
        """(B, 3, H, W) in 0..1 → (B, 3, 2H, 2W), about 0..1."""
        return self.space.enter(self.network(self.space.leave(picture)))


def bicubic(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) in -1..1 at twice the side by bicubic enlargement, clipped."""
    large = F.interpolate(pictures, scale_factor=SCALE, mode="bicubic", align_corners=False)
    return large.clamp(-1, 1)
