"""A U-Net that tells the regions of a face apart.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015; with
padded convolutions, so that pictures keep their size, with normalisation and far fewer channels.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.training.networks.blocks import Norm, check_sides, norm_layer


class RegionNet(nn.Module):
    """Pixels to logits of regions.

    Args:
        classes: regions, background included.
        width: channels at full size; doubled at each halving. 64 in the paper.
        levels: halvings. 4 in the paper.
        norm: normalisation after each convolution.
        inputs: channels of the picture.
    """

    def __init__(
        self, classes: int, width: int = 16, levels: int = 4, norm: Norm = "batch", inputs: int = 3
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels + 1)]
        self.multiple = 2**levels
        self.down = nn.ModuleList(_twice(*pair, norm) for pair in pairwise([inputs, *widths]))
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(deep, shallow, 2, stride=2) for deep, shallow in pairwise(widths[::-1])
        )
        self.up = nn.ModuleList(_twice(2 * width, width, norm) for width in widths[-2::-1])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, picture: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        """(B, 3, H, W) in -1..1, sides multiples of 2 ** levels → (B, classes, H, W) logits.

        Raises:
            UsageError: a side is no such multiple.
        """
        check_sides(picture, self.multiple)
        x = picture
        ways: list[Tensor] = []
        for index, layer in enumerate(self.down):
            x = layer(F.max_pool2d(x, 2) if index else x)
            ways.append(x)
        ways.pop()
        for enlarge, layer in zip(self.enlarge, self.up, strict=True):
            x = layer(torch.cat((ways.pop(), enlarge(x)), dim=1))
        logits: Tensor = self.head(x)
        return logits


def _twice(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in ((inputs, outputs), (outputs, outputs)):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            norm_layer(norm, after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
