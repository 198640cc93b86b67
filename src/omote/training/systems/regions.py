"""omote-parse: a small network that tells the regions of a face, and what lies before it."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omote.errors import UsageError
from omote.training import losses
from omote.training.data.batches import Batches
from omote.training.data.region_batches import RegionBatch, RegionBatches, judged
from omote.training.data.regions import FACE, OCCLUDER, REGIONS, RegionFaces
from omote.training.exported import Exported
from omote.training.losses.segmentation import UNKNOWN
from omote.training.networks.blocks import PixelSpace
from omote.training.networks.parse import ParseNet
from omote.training.networks.parse_teacher import PretrainedParseNet
from omote.training.system import Learnt, Moment, Phase, Terms
from omote.training.systems.oneshot import Task
from omote.training.teachers.features import STAND_IN

_LEARNT = 0.75
"""Mean intersection over union above which the regions of eight pictures are learnt by heart."""


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """The table `[networks]`; see `ParseNet`.

    Attributes:
        pretrained: whether it is a `PretrainedParseNet` instead, which has no `blocks`.
        emphasis: weights of the regions' pixels in the cross-entropy, in the order of `REGIONS`; 1 if empty.
        covered: share of faces that something is drawn before.
        lent: share of faces that get the hat or the glasses of another.
        hats: share of faces that a hat or a hood is drawn on; see `with_headwear`.
        smooth: share of faces whose hair is made smooth; with `hats` at most 1.
    """

    widths: tuple[int, ...] = (24, 40, 64, 96, 128)
    blocks: tuple[int, ...] = (1, 1, 2, 2)
    emphasis: tuple[float, ...] = ()
    covered: float = 0.5
    lent: float = 0.0
    hats: float = 0.0
    smooth: float = 0.0
    pretrained: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """What the phase of a step sees.

    Attributes:
        batch: faces and their regions.
        logits: (B, regions, S, S), with their graph.
    """

    batch: RegionBatch
    logits: Tensor


class RegionSystem:
    """One network, one phase: cross-entropy and overlap.

    Args:
        settings: of the network, and of what it is shown.
        task: side of the pictures, and the device.

    Raises:
        UsageError: the emphasis is not of as many regions, the side does not suit the network, or nothing
            says where a pretrained one begins.
        ModelError: there is no such file to begin with.
    """

    averaged = "parser"
    losses = ("cross_entropy", "dice")
    falling = ("cross_entropy", "dice")

    def __init__(self, settings: RegionSettings, task: Task) -> None:
        self.settings, self.task = settings, task
        emphasis = settings.emphasis or (1.0,) * len(REGIONS)
        if len(emphasis) != len(REGIONS):
            raise UsageError(f"[networks] emphasis: {len(REGIONS)} are needed: {', '.join(REGIONS)}")
        self.emphasis = torch.tensor(emphasis, device=task.device)
        self.parser = _network(settings, task).to(task.device)
        if task.size % self.parser.multiple:
            raise UsageError(
                f"data.size {task.size}: this network needs a multiple of {self.parser.multiple}"
            )
        self.networks: Mapping[str, nn.Module] = {"parser": self.parser}
        self.average = deepcopy(self.parser).requires_grad_(False).eval()
        self.phases = (Phase("parser", self._learn),)
        self._faces: RegionFaces | None = None

    def lessons(self, batches: Batches) -> Batches:
        """Faces with masks, things drawn before some of them."""
        settings = self.settings
        made = RegionBatches(batches, settings.covered, settings.lent, settings.hats, settings.smooth)
        self._faces = made.faces
        return made

    def prepare(self, batch: RegionBatch, moment: Moment) -> Parsed:
        """Let the network look."""
        return Parsed(batch, self.parser(batch.picture.contiguous(memory_format=torch.channels_last)))

    def observed(self, shared: Parsed) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Intersection over union of the pictures: its mean over their regions, and of what covers them."""
        truth = shared.batch.mask
        overlap, there = overlaps(shared.logits.detach().argmax(1), truth)
        mean = (overlap * there).sum(1) / there.sum(1)
        everything = torch.ones(len(truth), dtype=torch.bool, device=truth.device)
        return {"iou": (mean, everything), "occluder_iou": (overlap[:, OCCLUDER], there[:, OCCLUDER])}

    @torch.no_grad()
    def sheet(self, batch: RegionBatch) -> Tensor:
        """Rows of picture, true regions and found ones: (B, 3, 3, S, S)."""
        found = self.find(batch.picture)
        return torch.stack([batch.picture, painted(batch.mask), painted(found)], 1)

    @torch.no_grad()
    def find(self, pictures: Tensor) -> Tensor:
        """Regions by the average: (B, 3, S, S) in -1..1 → (B, S, S) int64, numbers of `REGIONS`."""
        found: Tensor = self.average(pictures).argmax(1)
        return found

    @torch.no_grad()
    def learnt(self, crops: Tensor, index: Tensor) -> Learnt:
        """Mean intersection over union."""
        assert self._faces is not None
        batch = judged(self._faces, self.task.size, covered=False, index=index.cpu()).to(self.task.device)
        overlap, there = overlaps(self.find(batch.picture), batch.mask)
        return Learnt("mean intersection over union", float(overlap[there].mean()), _LEARNT)

    def export(self) -> Exported:
        """The contract `bisenet`: pictures less ImageNet's mean → a score for each region and pixel."""
        size = self.task.size
        return Exported(
            module=_Normalised(self.average),
            inputs={"picture": torch.randn(2, 3, size, size)},
            outputs=("scores",),
            contract="bisenet",
            settings={"side": size, "regions": list(REGIONS), "face": list(FACE)},
            identity=False,
            framed=False,
            given=lambda batch: {"picture": PixelSpace("normalised").enter(batch.picture)},
        )

    def _learn(self, shared: Parsed, moment: Moment) -> Terms:
        logits, truth = shared.logits, shared.batch.mask
        return {
            "cross_entropy": losses.cross_entropy_loss(logits, truth, self.emphasis),
            "dice": losses.dice_loss(logits, truth),
        }


def _network(settings: RegionSettings, task: Task) -> ParseNet | PretrainedParseNet:
    if not settings.pretrained:
        return ParseNet(len(REGIONS), settings.widths, settings.blocks)
    made = PretrainedParseNet(len(REGIONS), settings.widths)
    reference = str(task.teachers.get("features", ""))
    if not reference:
        raise UsageError("[teachers] needs 'features': the path of SqueezeNet 1.1 (ONNX), or 'random'")
    if reference != STAND_IN:
        made.encoder.load(Path(reference))
    return made


class _Normalised(nn.Module):
    """A network for pictures as ImageNet's networks take them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.space = network, PixelSpace("normalised")

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        """(B, 3, H, W) less ImageNet's mean, over its deviation → (B, classes, H, W) logits."""
        logits: Tensor = self.network(self.space.leave(picture))
        return logits


def overlaps(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union per picture and region, (B, regions), and which regions a picture shows.

    Args:
        found: (B, S, S), numbers of `REGIONS`.
        truth: likewise; where it is `UNKNOWN`, nothing counts.
    """
    found = found.where(truth != UNKNOWN, UNKNOWN)
    classes = torch.arange(len(REGIONS), device=truth.device)[:, None]
    a, b = (x.flatten(1)[:, None] == classes for x in (found, truth))
    both, either = (a & b).sum(2), (a | b).sum(2)
    return both / either.clamp(min=1), b.any(2)


def painted(masks: Tensor) -> Tensor:
    """Masks (B, S, S) as pictures (B, 3, S, S) in -1..1, a colour for each region, grey where unknown."""
    hue = torch.arange(len(REGIONS), device=masks.device) * 2.4
    colours = torch.stack([torch.sin(hue), torch.sin(hue + 2.1), torch.sin(hue + 4.2)], 1)
    colours[0], colours[OCCLUDER] = -1, 1
    known = (masks != UNKNOWN)[..., None]
    return torch.where(known, colours[masks.where(known[..., 0], 0)], 0).movedim(-1, 1)
