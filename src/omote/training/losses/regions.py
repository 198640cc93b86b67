"""Parts of a face that the fake keeps from its target: mouth and eyes carry the expression.

Between different people nothing says what a pixel should be, so plain distances to the target apply in
soft regions only (`omote.training.parts.soft_regions`), with small weights: they pull its identity in.
"""

import torch.nn.functional as F
from torch import Tensor

from omote.training.losses._values import Maps, Masks, Pictures, Values, as_list, same_shape


def region_loss(fake: Pictures, target: Pictures, region: Masks) -> Values:
    """Σ region · mean over channels of |fake - target| / Σ region; 0 where both agree inside the region.

    Args:
        region: soft, 0..1, of any size; enlarged or reduced to that of the pictures.
    """
    same_shape(fake, target)
    return _inside((fake.float() - target.float()).abs().mean(1, keepdim=True), region)


def region_feature_loss(fake: Maps, target: Maps, region: Masks) -> Values:
    """Σ over layers of Σ region · ‖f̂(fake) - f̂(target)‖² / Σ region, f̂ = f / ‖f‖ over the channels.

    The perceptual distance of `perceptual_loss`, where the region is. Shallow maps keep teeth and lids, deep
    ones only their kind.

    Args:
        fake, target: feature maps (B, C, h, w), shallow first; no gradient flows to the target's.
        region: soft, 0..1, of any size.
    """
    ours, theirs = as_list(fake), as_list(target)
    values = []
    for a, b in zip(ours, theirs, strict=True):
        same_shape(a, b)
        offset = F.normalize(a.float(), dim=1, eps=1e-6) - F.normalize(b.detach().float(), dim=1, eps=1e-6)
        values.append(_inside(offset.square().sum(1, keepdim=True), region))
    total: Tensor = sum(values[1:], values[0])
    return total


def _inside(distances: Tensor, region: Tensor) -> Values:
    """Mean of (B, 1, H, W) weighted by the region; 0 where there is none."""
    weights = F.interpolate(region.float(), distances.shape[2:], mode="bilinear", align_corners=False)
    return (distances * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3)).clamp(min=1e-6)
