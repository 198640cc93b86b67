"""Crops as tensors: the canonical crop, maps between framings, and warps that do not depend on the batch.

A map is a (B, 2, 3) float32 matrix in the coordinates of `torch.nn.functional.grid_sample` with
`align_corners=False`: from a place in the result to a place in the input, each -1..1 from edge to edge.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from omote.faces.align import similarity, template


def canonical(squares: Tensor, border: int, side: int) -> Tensor:
    """Cut the middle of squares: no pixel is resampled if `side` is theirs.

    Args:
        squares: (B, H, W, 3) uint8 with border.
        border: its width in pixels, on each side.
        side: S of the result in pixels.

    Returns:
        (B, 3, S, S) float32, [-1, 1].
    """
    end = squares.shape[1] - border
    crops = as_pictures(squares[:, border:end, border:end])
    return resized(crops, side)


def as_pictures(pixels: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 as (B, 3, H, W) float32, [-1, 1]."""
    planes = pixels.permute(0, 3, 1, 2).contiguous().float()
    return planes.mul_(2 / 255).sub_(1)


def resized(pictures: Tensor, side: int) -> Tensor:
    """Pictures (B, 3, H, H) at another side; strong reductions do not alias."""
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(pictures, (side, side), mode="bilinear", antialias=True, align_corners=False)


def warp(
    pictures: Tensor, theta: Tensor, side: int, mode: Literal["bilinear", "nearest"] = "bilinear"
) -> Tensor:
    """Sample pictures (B, C, H, W) through maps (B, 2, 3) into (B, C, side, side).

    Bilinear, or the nearest pixel for labels; what lies outside is reflected. A picture's result does not
    depend on which others are in the batch, to the last bit on a CPU: the grid is made without a matrix
    product, whose sums may be ordered otherwise for another size.
    """
    middle = (torch.arange(side, device=pictures.device, dtype=torch.float32) * 2 + 1) / side - 1
    x, y = middle[None, None, :], middle[None, :, None]
    a = theta.to(pictures.device, torch.float32)[:, :, :, None, None]
    grid = torch.stack([a[:, row, 0] * x + a[:, row, 1] * y + a[:, row, 2] for row in (0, 1)], -1)
    return F.grid_sample(pictures, grid, mode, "reflection", align_corners=False)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The map that samples through `outer` what was sampled through `inner`, both (..., 2, 3).

    `warp(x, compose(outer, inner))` shows what `warp(warp(x, inner), outer)` does, resampled once.
    """
    linear = inner[..., :2] @ outer[..., :2]
    shift = inner[..., :2] @ outer[..., 2:] + inner[..., 2:]
    return torch.cat([linear, shift], -1)


def inverse(theta: Tensor) -> Tensor:
    """The map back, (..., 2, 3)."""
    linear = torch.linalg.inv(theta[..., :2])
    return torch.cat([linear, -linear @ theta[..., 2:]], -1)


def middle(share: float) -> Tensor:
    """The map (2, 3) that cuts the middle out: the canonical crop, if it is this part of a square's side."""
    return torch.tensor([[share, 0, 0], [0, share, 0]], dtype=torch.float32)


def between(have: str, want: str) -> Tensor:
    """The map (2, 3) that cuts a crop in one framing out of a crop in another, by the similarity of both.

    The canonical crop and that of `arcface_112_v2` networks are framed alike: there the map is the identity.

    Args:
        have: template of the crops at hand, of `omote.faces.align.TEMPLATES`.
        want: template of the crops wanted.

    Raises:
        UsageError: a template is not known.
    """
    # From -1..1 to fractions of the crop and back: p = (q + 1) / 2.
    matrix = torch.from_numpy(similarity(template(want), template(have)))
    linear, shift = matrix[:, :2], matrix[:, 2:]
    ones = torch.ones(2, 1, dtype=torch.float64)
    return torch.cat([linear, linear @ ones + 2 * shift - ones], 1).float()
