"""Perceptual distance: of the deep features of a given backbone, or of structure (MS-SSIM) without one."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from kornia.filters import gaussian_blur2d
from torch import Tensor

from omote.training.losses._values import Maps, Pictures, Values, as_list, gradient_reaches, same_shape

FeatureMap = Float[Tensor, "b c h w"]

WANG_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales of MS-SSIM, finest first."""

_SMALLEST_FACTOR = 1e-3  # keeps the powers of MS-SSIM differentiable where structure is uncorrelated


def perceptual_loss(
    backbone: Callable[[Pictures], Maps],
    fake: Pictures,
    target: Pictures,
    weights: Sequence[float] | None = None,
) -> Values:
    """Σ over layers of w · mean over places of ‖f̂(fake) - f̂(target)‖², f̂ = f / ‖f‖ over the channels.

    0 where all features point the same way; a layer of weight 1 gives 0..4. Weighting the deep layers more
    follows parts and expression rather than texture. The target's side has no gradient.

    Args:
        backbone: pictures to feature maps (B, C, h, w), shallow first, differentiable and frozen.
        weights: one for each map; None means 1 each. 0 leaves a map out.

    Source: LPIPS (Zhang et al. 2018) without its learned weights of the channels.
    """
    same_shape(fake, target)
    ours = as_list(backbone(fake))
    gradient_reaches(fake, ours, "backbone")
    with torch.no_grad():
        theirs = as_list(backbone(target))
    return feature_loss(ours, theirs, weights)


def feature_loss(fake: Maps, target: Maps, weights: Sequence[float] | None = None) -> Values:
    """The same from maps that are there already: Σ w · mean over places of ‖f̂(fake) - f̂(target)‖².

    Args:
        fake, target: feature maps (B, C, h, w), shallow first; no gradient flows to the target's.
        weights: see `perceptual_loss`.
    """
    ours, theirs = as_list(fake), as_list(target)
    shares = [1.0] * len(ours) if weights is None else list(weights)
    if len(shares) != len(ours):
        raise ValueError(f"{len(shares)} weights for {len(ours)} feature maps; give one for each")
    return torch.stack(
        [share * _direction_distance(a, b.detach()) for share, a, b in zip(shares, ours, theirs, strict=True)]
    ).sum(0)


def ms_ssim_loss(fake: Pictures, target: Pictures, weights: Sequence[float] = WANG_WEIGHTS) -> Values:
    """1 - MS-SSIM, 0..1; 0 where the pictures agree.

    MS-SSIM = Π over scales j of c_j^w_j, where c_j is the mean over the picture of contrast times structure
    (2 σ_xy + C2) / (σ_x² + σ_y² + C2), and at the coarsest scale of SSIM itself; per channel, then averaged
    over the channels. Gaussian window of 11 px with σ 1.5, reflected at the border; each scale halves the
    side by averages. Factors below 0.001 (structure uncorrelated or opposed) count as that. Mixed with L1 at
    0.84 : 0.16, it is the loss of Zhao et al. 2017.

    Each scale is blurred at its own size. kornia's `MS_SSIMLoss` filters the full picture with windows of 33
    px for every scale, which is more than ten times slower.

    Args:
        fake, target: -1..1, the side at the coarsest scale at least 6 px: 96 px or more for five scales.
        weights: exponents, finest scale first; fewer for smaller pictures.

    Source: Wang, Simoncelli & Bovik 2003.

    Raises:
        ValueError: the pictures are too small for so many scales.
    """
    same_shape(fake, target)
    side = min(fake.shape[2:])
    if side >> (len(weights) - 1) < 6:
        raise ValueError(f"pictures of {side} px are too small for {len(weights)} scales; give fewer weights")
    with torch.autocast(fake.device.type, enabled=False):
        x, y = (fake.float() + 1) / 2, (target.float() + 1) / 2
        product = torch.ones(x.shape[:2], device=x.device)
        for scale, weight in enumerate(weights):
            if scale:
                x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
            luminance, structure = _ssim_terms(x, y)
            factor = luminance * structure if scale == len(weights) - 1 else structure
            product = product * factor.mean((2, 3)).clamp(min=_SMALLEST_FACTOR) ** weight
    return 1 - product.mean(1)


def _ssim_terms(x: Pictures, y: Pictures) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure maps of SSIM for pictures in 0..1 (Wang et al. 2004)."""
    c1, c2 = 0.01**2, 0.03**2
    moments = gaussian_blur2d(torch.cat([x, y, x * x, y * y, x * y], 1), (11, 11), (1.5, 1.5))
    mean_x, mean_y, square_x, square_y, product = moments.chunk(5, 1)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    variances = square_x - mean_x**2 + square_y - mean_y**2
    return luminance, (2 * (product - mean_x * mean_y) + c2) / (variances + c2)


def _direction_distance(fake: FeatureMap, target: FeatureMap) -> Values:
    return (_direction(fake) - _direction(target)).square().sum(1).mean((1, 2))


def _direction(features: FeatureMap) -> FeatureMap:
    """Features of unit length over the channels; the rounding keeps the gradient finite where all are 0."""
    features = features.float()
    return features * torch.rsqrt(features.square().sum(1, keepdim=True) + 1e-8)
