"""The network of omote-parse: a small U-shaped network that works at half the picture's size and coarser.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015; the ways
across are added (Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017), which is cheaper
than to lay them side by side; pixels enter and logits leave by sub-pixel shuffling (Shi et al., CVPR 2016).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.training.networks.blocks import Norm, check_sides, norm_layer


class ParseNet(nn.Module):
    """Pixels to logits of regions.

    Args:
        classes: regions, background included.
        widths: channels at half the picture's size, and at each halving from there.
        blocks: residual blocks of two convolutions after each of these halvings.
        norm: normalisation after each convolution.
    """

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = (24, 40, 64, 96, 128),
        blocks: Sequence[int] = (1, 1, 2, 2),
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.multiple = 2 ** len(widths)
        self.enter = nn.Sequential(_conv(12, widths[0], norm), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            nn.Sequential(
                _conv(fine, coarse, norm, stride=2),
                nn.ReLU(inplace=True),
                *(_Residual(coarse, norm) for _ in range(count)),
            )
            for (fine, coarse), count in zip(pairwise(widths), blocks, strict=True)
        )
        self.across = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(
            nn.Sequential(_conv(fine, fine, norm), nn.ReLU(inplace=True)) for fine in widths[:-1]
        )
        self.leave = nn.Conv2d(widths[0], 4 * classes, 3, padding=1)

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        """(B, 3, H, W) in -1..1, sides multiples of 2 ** len(widths) → (B, classes, H, W) logits.

        Raises:
            UsageError: a side is no such multiple.
        """
        check_sides(picture, self.multiple)
        x = self.enter(F.pixel_unshuffle(picture, 2))
        ways: list[Tensor] = []
        for layer in self.down:
            ways.append(x)
            x = layer(x)
        for across, layer in zip(reversed(self.across), reversed(self.up), strict=True):
            x = F.interpolate(across(x), scale_factor=2, mode="nearest")
            x = layer(x + ways.pop())
        return F.pixel_shuffle(self.leave(x), 2)


class _Residual(nn.Module):
    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.first, self.second = _conv(channels, channels, norm), _conv(channels, channels, norm)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def _conv(inputs: int, outputs: int, norm: Norm, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=norm == "none")
    return nn.Sequential(convolution, norm_layer(norm, outputs))
