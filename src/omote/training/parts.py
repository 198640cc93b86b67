"""Eyes and mouth of a crop, found by a face mesh: level patches of them, and soft regions.

Points are meshes (B, 478, 2) in the coordinates of `grid_sample`, -1..1 from edge to edge of a crop; maps are
those of `omote.training.data.crops`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Points = Float[Tensor, "b 478 2"]


@dataclass(frozen=True, slots=True)
class Part:
    """A patch of a face.

    Attributes:
        points: of the mesh; their mean is its centre.
        height, width: pixels of a canonical crop of 128 px, and of the patch.
    """

    points: tuple[int, ...]
    height: int
    width: int


EYES = Part((33, 133, 362, 263), 32, 96)
MOUTH = Part((61, 291, 13, 14), 48, 64)
CROP = 128


@dataclass(frozen=True, slots=True)
class Blob:
    """A soft spot: weight · exp(-½ ((x / across)² + (y / down)²)²) about the mean of some points."""

    points: tuple[int, ...]
    across: float
    down: float
    weight: float


EXPRESSIVE = (
    Blob((61, 291, 13, 14, 0, 17), 0.24, 0.15, 1.0),
    Blob((33, 133, 159, 145), 0.15, 0.09, 0.5),
    Blob((362, 263, 386, 374), 0.15, 0.09, 0.5),
)
"""The mouth and, at half its weight, the eyes: what carries the target's expression, whoever is put in."""


def patch_map(points: Points, part: Part) -> Float[Tensor, "b 2 3"]:
    """The map that cuts a part out of a canonical crop.

    For a crop that is augmented, compose it with the map that brings that back:
    `crops.compose(patch_map(points, part), batch.back)`.

    Args:
        points: mesh of the target in the canonical crop.
    """
    theta = points.new_zeros(len(points), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = part.width / CROP, part.height / CROP
    theta[:, :, 2] = points[:, list(part.points)].mean(1)
    return theta


def cut(
    pictures: Float[Tensor, "b c h w"], theta: Float[Tensor, "b 2 3"], part: Part
) -> Float[Tensor, "b c k l"]:
    """Sample pictures through a map into patches (B, C, part.height, part.width); bilinear, reflected."""
    y, x = (
        (torch.arange(side, device=pictures.device, dtype=torch.float32) * 2 + 1) / side - 1
        for side in (part.height, part.width)
    )
    a = theta.float()[:, :, :, None, None]
    # Written out: the sums of a matrix product may be ordered otherwise for another size of batch.
    grid = torch.stack(
        [a[:, row, 0] * x[None, None] + a[:, row, 1] * y[None, :, None] + a[:, row, 2] for row in (0, 1)], -1
    )
    return F.grid_sample(pictures.float(), grid, "bilinear", "reflection", align_corners=False)


def soft_regions(points: Points, side: int, blobs: tuple[Blob, ...] = EXPRESSIVE) -> Float[Tensor, "b 1 s s"]:
    """Soft spots about parts of a face, (B, 1, side, side) in 0..1; where they overlap, the greater.

    Args:
        points: mesh of the target in the very crop that the regions are for.
        side: of the result, pixels.
        blobs: their widths are in half sides of the crop.
    """
    axis = (torch.arange(side, device=points.device, dtype=torch.float32) * 2 + 1) / side - 1
    spots: list[Tensor] = []
    for blob in blobs:
        middle = points[:, list(blob.points)].float().mean(1)
        x = (axis[None, None, :] - middle[:, 0, None, None]) / blob.across
        y = (axis[None, :, None] - middle[:, 1, None, None]) / blob.down
        spots.append(blob.weight * torch.exp(-0.5 * (x.square() + y.square()).square()))
    return torch.stack(spots, 1).amax(1, keepdim=True)


def moved(points: Points, theta: Float[Tensor, "b 2 3"]) -> Points:
    """Points of the canonical crop in the augmented one: theta is `batch.back`."""
    return points @ theta[:, :, :2].transpose(1, 2) + theta[:, None, :, 2]
