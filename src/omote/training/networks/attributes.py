"""Attribute encoders of FaceShifter and GHOST: what of the target is not its identity, at every scale.

Li et al., "FaceShifter: Towards High Fidelity And Occlusion Aware Face Swapping", 2019, arXiv 1912.13457
(`unet`); Groshev et al., "GHOST: A New Face Swap Approach for Image and Video Domains", IEEE Access 2022
(`linknet`, `resnet`, whose layers are those of its published code).
"""

from math import log2
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.training.networks.blocks import Norm, norm_layer

EncoderKind = Literal["unet", "linknet", "resnet"]

Maps = list[Float[Tensor, "b _ _ _"]]
"""(B, C, S, S) each, from the coarsest, 2 × 2, to the size of the picture."""


def halvings(size: int) -> int:
    """Return how often a picture is halved until it is 2 × 2.

    Raises:
        UsageError: `size` is no power of two from 16 on.
    """
    count = int(log2(size)) - 1 if size > 0 else 0
    if count < 3 or 2 ** (count + 1) != size:
        raise UsageError(f"attribute encoders have no pictures of {size} px: choose 128, 256 or 512")
    return count


def widths_of(size: int, width: int, limit: int) -> list[int]:
    """Channels of the encoder after each halving: `width`, doubled each time up to `limit`."""
    return [min(width * 2**level, limit) for level in range(halvings(size))]


class HourglassEncoder(nn.Module):
    """Halves the picture to 2 × 2 and doubles it again; what is left at each scale are the attributes.

    Halving: conv 4×4 stride 2, normalisation, LeakyReLU 0.1. Doubling: the transposed kind, then the map of
    the way down is laid beside it (`unet`) or added (`linknet`). The last map is the one before, enlarged.

    Args:
        size: side of the picture, a power of two.
        width: channels after the first halving; doubled at each, up to `limit`.
        add: LinkNet's sum instead of U-Net's concatenation.
    """

    def __init__(
        self, size: int = 256, width: int = 32, limit: int = 1024, add: bool = False, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        self.add = add
        widths = widths_of(size, width, limit)
        self.down = nn.ModuleList(_halving(*pair, norm) for pair in zip([3, *widths], widths, strict=False))
        outputs = widths[-2::-1]
        merged = [width if add else 2 * width for width in outputs]
        self.channels = (widths[-1], *merged, merged[-1])
        self.up = nn.ModuleList(_doubling(*pair, norm) for pair in zip(self.channels, outputs, strict=False))

    def forward(self, picture: Float[Tensor, "b 3 s s"]) -> Maps:
        """(B, 3, S, S) in -1..1 → maps of `channels` at 2 × 2, 4 × 4, … S × S."""
        ways: list[Tensor] = []
        x = picture
        for halving in self.down:
            x = halving(x)
            ways.append(x)
        maps = [ways.pop()]
        for doubling in self.up:
            x, way = doubling(maps[-1]), ways.pop()
            maps.append(x + way if self.add else torch.cat((x, way), dim=1))
        maps.append(F.interpolate(maps[-1], scale_factor=2, mode="bilinear", align_corners=True))
        return maps


class ResNetEncoder(nn.Module):
    """A residual network whose maps on the way down are the attributes (GHOST's `resnet`).

    Two 7×7 convolutions, the second with stride 2, then stages of two bottlenecks each, all halving. Its maps
    have as many channels as those of the U-Net, so that the generator is the same.
    """

    def __init__(self, size: int = 256, width: int = 32, limit: int = 1024, norm: Norm = "batch") -> None:
        super().__init__()
        widths = widths_of(size, width, limit)
        first, *stages = [2 * width for width in widths[:-1]]
        stages.append(widths[-1])
        self.channels = (*stages[::-1], first, first)
        self.entrance = _conv(3, first, 7, 1, norm)
        self.first = _conv(first, first, 7, 2, norm)
        self.stages = nn.ModuleList(
            nn.Sequential(Bottleneck(inputs, outputs, 2, norm), Bottleneck(outputs, outputs, 1, norm))
            for inputs, outputs in zip([first, *stages], stages, strict=False)
        )

    def forward(self, picture: Float[Tensor, "b 3 s s"]) -> Maps:
        """(B, 3, S, S) in -1..1 → maps of `channels` at 2 × 2, 4 × 4, … S × S."""
        maps: list[Tensor] = [self.entrance(picture).relu()]
        maps.append(self.first(maps[-1]).relu())
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[::-1]


class Bottleneck(nn.Module):
    """Residual block of 1×1 (which has the stride), 3×3 and 1×1 convolutions, a quarter as wide inside.

    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        inner = outputs // 4
        self.body = nn.Sequential(
            _conv(inputs, inner, 1, stride, norm),
            nn.ReLU(inplace=True),
            _conv(inner, inner, 3, 1, norm),
            nn.ReLU(inplace=True),
            _conv(inner, outputs, 1, 1, norm),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _conv(inputs, outputs, 1, stride, norm)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h2 w2"]:
        """(B, C, H, W) → (B, K, H / stride, W / stride)."""
        result: Tensor = (self.body(x) + self.shortcut(x)).relu()
        return result


def attribute_encoder(
    kind: EncoderKind, size: int = 256, width: int = 32, limit: int = 1024, norm: Norm = "batch"
) -> HourglassEncoder | ResNetEncoder:
    """Return the encoder of this kind.

    Raises:
        UsageError: there is no such kind, or the size is no power of two.
    """
    match kind:
        case "unet":
            return HourglassEncoder(size, width, limit, add=False, norm=norm)
        case "linknet":
            return HourglassEncoder(size, width, limit, add=True, norm=norm)
        case "resnet":
            return ResNetEncoder(size, width, limit, norm)
    raise UsageError(f"there is no attribute encoder '{kind}': choose unet, linknet or resnet")


def _conv(inputs: int, outputs: int, kernel: int, stride: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), norm_layer(norm, outputs)
    )


def _halving(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        norm_layer(norm, outputs),
        nn.LeakyReLU(0.1, inplace=True),
    )


def _doubling(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        norm_layer(norm, outputs),
        nn.LeakyReLU(0.1, inplace=True),
    )
