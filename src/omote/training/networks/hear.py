"""HEAR-Net, the second stage of FaceShifter: brings back what hides the face.

Li et al., "FaceShifter: Towards High Fidelity And Occlusion Aware Face Swapping", 2019, arXiv 1912.13457; the
widths of the layers, which the paper does not give, are those of its best known reproduction.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omote.training.networks.blocks import Norm, check_sides, norm_layer


class HEARNet(nn.Module):
    """Heuristic error acknowledging refinement: a U-Net on the swap and on what the swapper cannot draw.

    The heuristic error ΔX = X - swap(X, identity of X) shows hands, hair and glasses, which a swapper leaves
    out even where the face should stay as it is.

    Args:
        width: channels after the first of five halvings; doubled at each, up to eight times as many.
        norm: normalisation.
    """

    def __init__(self, width: int = 64, norm: Norm = "batch") -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.multiple = 2 ** len(widths)
        self.down = nn.ModuleList(
            _layer(nn.Conv2d(inputs, outputs, 4, 2, 1), outputs, norm)
            for inputs, outputs in pairwise([6, *widths])
        )
        ups = widths[-2::-1]
        self.up = nn.ModuleList(
            _layer(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), outputs, norm)
            for inputs, outputs in zip([widths[-1], *(2 * up for up in ups)], ups, strict=False)
        )
        self.head = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(2 * width, 3, 3, padding=1),
            nn.Tanh(),
        )

    def forward(
        self, swap: Float[Tensor, "b 3 h w"], error: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """Refine a swap.

        Args:
            swap: (B, 3, H, W) in -1..1, sides multiples of 32.
            error: (B, 3, H, W), heuristic error of the target, in -2..2.

        Returns:
            (B, 3, H, W) in -1..1.

        Raises:
            UsageError: a side is no multiple of 32.
        """
        check_sides(swap, self.multiple)
        x = torch.cat((swap, error), dim=1)
        ways: list[Tensor] = []
        for layer in self.down:
            x = layer(x)
            ways.append(x)
        ways.pop()
        for layer in self.up:
            x = torch.cat((ways.pop(), layer(x)), dim=1)
        picture: Tensor = self.head(x)
        return picture


def _layer(convolution: nn.Module, outputs: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(convolution, norm_layer(norm, outputs), nn.LeakyReLU(0.1, inplace=True))
