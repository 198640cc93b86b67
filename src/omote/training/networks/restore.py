"""The network of omote-restore: twice the size, with the detail that blur and JPEG have taken.

It works at half and a quarter of the picture's size, where a convolution sees far for little, and adds what
is missing to the enlarged picture. Without normalisation, as Lim et al., "Enhanced Deep Residual Networks
for Single Image Super-Resolution", CVPRW 2017; sub-pixel shuffling of Shi et al., CVPR 2016.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.training.networks.blocks import check_sides


class RestoreNet(nn.Module):
    """Pictures at twice their size. Untrained, it enlarges them bilinearly.

    Args:
        width: channels at half the picture's size; doubled at a quarter.
        fine: residual blocks at half the size, before and after the coarse ones.
        coarse: residual blocks at a quarter.
    """

    scale = 2

    def __init__(self, width: int = 40, fine: int = 1, coarse: int = 3) -> None:
        super().__init__()
        self.enter = nn.Conv2d(12, width, 3, padding=1)
        self.before = nn.Sequential(*(_Residual(width) for _ in range(fine)))
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(*(_Residual(2 * width) for _ in range(coarse)))
        self.up = nn.Conv2d(2 * width, 4 * width, 1)
        self.after = nn.Sequential(*(_Residual(width) for _ in range(fine)))
        self.leave = nn.Conv2d(width, 3 * 16, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 _ _"]:
        """(B, 3, H, W) in -1..1, sides multiples of 4 → (B, 3, 2H, 2W), about -1..1.

        Raises:
            UsageError: a side is no such multiple.
        """
        check_sides(picture, 4)
        x = self.before(_activated(self.enter(F.pixel_unshuffle(picture, 2))))
        deep = self.coarse(_activated(self.down(x)))
        x = self.after(x + F.pixel_shuffle(self.up(deep), 2))
        large = F.interpolate(picture, scale_factor=2, mode="bilinear", align_corners=False)
        return large + F.pixel_shuffle(self.leave(x), 4)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.second.weight *= 0.1  # each block begins near the identity

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = x + self.second(_activated(self.first(x)))
        return made


def _activated(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)
