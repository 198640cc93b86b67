"""Size and work of every network of the training room beside the known figures, as a Markdown table.

    python benchmarks/networks.py

Parameters include those of normalisations. Multiplications (MAC, multiply-accumulate) are those that one
sample needs in the convolutions and matrix products of one forward pass. Nothing is computed: networks are
laid out on torch's `meta` device, which takes seconds.

A known figure is "published" by a paper, or an "estimate", worked out by formula from published layers. The
tests hold every figure to the tolerance of its row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from omote.training.networks.aei import AEINet
from omote.training.networks.attributes import attribute_encoder
from omote.training.networks.counting import Cost, cost
from omote.training.networks.discriminators import (
    ghost_discriminator,
    simswap_discriminator,
    spectral_discriminator,
)
from omote.training.networks.hear import HEARNet
from omote.training.networks.identity import IRNet, MobileFaceNet, ScaleMaps
from omote.training.networks.projected import ProjectedDiscriminator
from omote.training.networks.regions import RegionNet
from omote.training.networks.simswap import SimSwap, simswap_512

IDENTITY = (1, 512)

Known = tuple[float | None, float | None]
Shapes = tuple[tuple[int, ...], ...]
Build = Callable[[], nn.Module]


@dataclass(frozen=True)
class Row:
    """A network beside what is known of it.

    Attributes:
        name: with what sets it apart.
        build: makes it.
        shapes: of its inputs.
        known: parameters in millions, multiplications in thousand millions.
        published: whether that is not an estimate.
        within: relative difference that the digits of what is known allow.
    """

    name: str
    build: Build
    shapes: Shapes
    known: Known = (None, None)
    published: bool = False
    within: float = 0.005

    @property
    def cost(self) -> Cost:
        return cost(self.build, *self.shapes)

    @property
    def line(self) -> str:
        parameters, macs = self.cost
        known = ["–" if figure is None else f"{figure:g}" for figure in self.known]
        which = "published" if self.published else "estimate" if any(self.known) else "–"
        side = self.shapes[0][-1]
        return (
            f"| {self.name} | {side} | {parameters / 1e6:.2f} | {known[0]} | {macs / 1e9:.3f} | {known[1]} "
            f"| {which} |"
        )


class WithIdentity(nn.Module):
    """SimSwap and an identity network, as MobileFaceSwap counts it, whose IR-50 is another one."""

    def __init__(self) -> None:
        super().__init__()
        self.swapper, self.recogniser = SimSwap(), IRNet(50)

    def forward(self, target: Tensor, identity: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        return self.swapper(target, identity), self.recogniser(face)


def picture(side: int) -> tuple[int, ...]:
    return (1, 3, side, side)


def simswap(side: int, **options: Any) -> tuple[Build, Shapes]:
    return lambda: SimSwap(**options), (picture(side), IDENTITY)


def aei(size: int = 256, **options: Any) -> tuple[Build, Shapes]:
    return lambda: AEINet(size, **options), (picture(size), IDENTITY)


def on(side: int, build: Build) -> tuple[Build, Shapes]:
    return build, (picture(side),)


def projected(network: MobileFaceNet | IRNet) -> ProjectedDiscriminator:
    maps = ScaleMaps(network)
    return ProjectedDiscriminator(maps, maps.channels)


WITH_IDENTITY = (WithIdentity, (picture(224), IDENTITY, picture(112)))

ROWS = (
    Row("SimSwap", *simswap(128), (55.05, 15.7)),
    Row("SimSwap", *simswap(224), (55.05, 48.1)),
    Row("SimSwap", *simswap(256), (55.05, 62.9)),
    Row("SimSwap and IR-50", *WITH_IDENTITY, (107, 55.7), published=True, within=0.08),
    Row("SimSwap, deep", *simswap(512, deep=True), (None, 133)),
    Row("SimSwap of the 512 px file", simswap_512, (picture(512), IDENTITY)),
    Row("SimSwap, width 48, 6 blocks", *simswap(128, width=48, blocks=6), (22.4, 6.86)),
    Row("SimSwap, width 32, 6 blocks", *simswap(128, width=32, blocks=6), (11.0, 3.10)),
    Row("SimSwap, width 32, 6 blocks, deep", *simswap(256, width=32, blocks=6, deep=True), (12.2, 7.72)),
    Row("SimSwap, width 48, 6 blocks, deep", *simswap(256, width=48, blocks=6, deep=True), (25.1, 16.9)),
    Row("AEI-Net, U-Net, 1 layer (ghost_1)", *aei(layers=1), (128, 16.3)),
    Row("AEI-Net, U-Net, 2 layers (ghost_2)", *aei(layers=2), (184, 31.0)),
    Row("AEI-Net, U-Net, 3 layers (ghost_3)", *aei(layers=3), (240, 45.7)),
    Row(
        "its attribute encoder, U-Net", *on(256, lambda: attribute_encoder("unet")), (None, 2.2), within=0.02
    ),
    Row("AEI-Net, LinkNet, 2 layers", *aei(encoder="linknet")),
    Row("AEI-Net, ResNet, 2 layers", *aei(encoder="resnet")),
    Row("AEI-Net, U-Net, 2 layers, width 16, limit 256", *aei(128, width=16, limit=256)),
    Row("HEAR-Net", HEARNet, (picture(256), picture(256))),
    Row("PatchGAN of SimSwap, 2 scales", *on(256, simswap_discriminator), (None, 3.42), within=0.06),
    Row("PatchGAN of GHOST, 3 scales", *on(256, ghost_discriminator)),
    Row("PatchGAN, spectral, 2 scales", *on(128, spectral_discriminator), (None, 0.86), within=0.1),
    Row("projected discriminator on IR-18", *on(128, lambda: projected(IRNet(18)))),
    Row("projected discriminator on MobileFaceNet", *on(128, lambda: projected(MobileFaceNet()))),
    Row("MobileFaceNet", *on(112, MobileFaceNet), (1.0, 0.221), published=True),
    Row("MobileFaceNet, 512 numbers", *on(112, lambda: MobileFaceNet(512))),
    Row("IR-18", *on(112, IRNet), (None, 2.61)),
    Row("IR-50", *on(112, lambda: IRNet(50)), (None, 6.31)),
    Row("IR-100", *on(112, lambda: IRNet(100)), (None, 12.1)),
    Row("U-Net of regions, 11 classes", *on(128, lambda: RegionNet(11))),
    Row("U-Net as wide as its paper's, 2 classes", *on(512, lambda: RegionNet(2, width=64)), (31.0, None)),
)


def table(rows: tuple[Row, ...] = ROWS) -> str:
    """The Markdown table."""
    head = "| network | side, px | parameters, M | known | multiplications, G | known | which is |"
    return "\n".join([head, "|---" * 7 + "|", *(row.line for row in rows)])


if __name__ == "__main__":
    print(table())
