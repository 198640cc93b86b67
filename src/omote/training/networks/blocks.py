"""What the published networks share: choice of a normalisation, instance statistics, ranges of pictures."""

from math import gcd
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD

Norm = Literal["batch", "group", "instance", "none"]
Space = Literal["signed", "unit", "normalised"]

GROUPS = 16


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """Return a normalisation of (B, channels, H, W).

    `batch` is what most papers use; its statistics depend on who else is in the batch, so that small batches,
    averaged weights and a batch split over processes all change the result. `group` (16 groups, or as many
    as divide the channels) depends on the sample alone. `instance` has no parameters.

    Raises:
        UsageError: there is no such normalisation.
    """
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "group":
            return nn.GroupNorm(gcd(GROUPS, channels), channels)
        case "instance":
            return InstanceNorm()
        case "none":
            return nn.Identity()
    raise UsageError(f"there is no normalisation '{norm}': choose batch, group, instance or none")


def instance_norm(x: Float[Tensor, "b c h w"], eps: float = 1e-5) -> Float[Tensor, "b c h w"]:
    """(x - mean) / sqrt(var + eps), with the mean and biased variance of each sample's each channel.

    In at least float32 whatever the type of x: the variance of wide maps overflows half precision.
    """
    wide = x if x.dtype == torch.float64 else x.float()
    return F.instance_norm(wide, eps=eps).to(x.dtype)


class InstanceNorm(nn.Module):
    """`instance_norm` as a layer, without parameters."""

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """(B, C, H, W) → the same."""
        return instance_norm(x, self.eps)


class PixelSpace(nn.Module):
    """Carries pictures between -1..1, where training lives, and the space of a published network.

    `signed` is -1..1, `unit` is 0..1, `normalised` is 0..1 less ImageNet's mean, over its deviation.

    Raises:
        UsageError: there is no such space.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        spaces = {
            "signed": ((0.5,) * 3, (0.5,) * 3),
            "unit": ((0.0,) * 3, (1.0,) * 3),
            "normalised": (IMAGENET_MEAN, IMAGENET_STD),
        }
        if space not in spaces:
            raise UsageError(f"pictures have no space '{space}': choose {', '.join(spaces)}")
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in spaces[space])
        # Of a picture in -1..1, which is twice as wide and begins at -1.
        self.register_buffer("mean", 2 * mean - 1, persistent=False)
        self.register_buffer("std", 2 * std, persistent=False)

    def enter(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """(B, 3, H, W) in -1..1 → in this space."""
        return (picture - self.mean) / self.std

    def leave(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """(B, 3, H, W) in this space → in -1..1."""
        return picture * self.std + self.mean


def check_sides(picture: Tensor, multiple: int) -> None:
    """Check that a network which halves its maps can double them again.

    Raises:
        UsageError: a side of the (B, C, H, W) picture is no multiple of `multiple`.
    """
    height, width = picture.shape[2:]
    if height % multiple or width % multiple:
        raise UsageError(f"pictures of {width} × {height} px: this network needs multiples of {multiple}")
