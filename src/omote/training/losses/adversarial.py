"""Adversarial losses on the logits of a discriminator.

Logits are a list of scales, each (B, ...): one value per sample, or a map of patches. A discriminator of one
scale gives a list of one. Patches are averaged; scales are averaged too, so that the weight of the term does
not depend on their number, or summed with ``scales="sum"`` as GHOST and pix2pixHD do.

The value of a discriminator's loss belongs to the real and the fake picture of the same index. GHOST halves
its sum and counts only swaps between different people: a weight of 0.5 and a factor per sample.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, relu

from omote.training.losses._values import Maps, Scales, Values, as_list, over_scales, per_sample


def hinge_generator_loss(fake: Maps, scales: Scales = "mean") -> Values:
    """-D(fake); unbounded below.

    Source: Geometric GAN (Lim & Ye 2017), SAGAN (Zhang et al. 2019); SimSwap trains with it.
    """
    return _average(fake, lambda d: -d, scales)


def clipped_hinge_generator_loss(fake: Maps, scales: Scales = "mean") -> Values:
    """max(0, 1 - D(fake)); 0, and without gradient, where the fake passes for real by the margin.

    Source: GHOST (Groshev et al. 2022), with ``scales="sum"``.
    """
    return _average(fake, lambda d: relu(1 - d), scales)


def hinge_discriminator_loss(*, real: Maps, fake: Maps, scales: Scales = "mean") -> Values:
    """max(0, 1 - D(real)) + max(0, 1 + D(fake)); 0 where both are told apart by the margin.

    Source: Geometric GAN (Lim & Ye 2017), SAGAN (Zhang et al. 2019); SimSwap, FaceShifter.
    """
    _paired(real, fake)
    return _average(real, lambda d: relu(1 - d), scales) + _average(fake, lambda d: relu(1 + d), scales)


def non_saturating_generator_loss(fake: Maps, scales: Scales = "mean") -> Values:
    """-log σ(D(fake)) = softplus(-D(fake)); tends to 0 as the logits grow.

    Source: Goodfellow et al. 2014; StyleGAN, StarGAN v2, FaceDancer.
    """
    return _average(fake, lambda d: F.softplus(-d), scales)


def non_saturating_discriminator_loss(*, real: Maps, fake: Maps, scales: Scales = "mean") -> Values:
    """The logistic loss softplus(-D(real)) + softplus(D(fake)); tends to 0 as the logits part.

    Source: Goodfellow et al. 2014; StyleGAN, StarGAN v2, FaceDancer.
    """
    _paired(real, fake)
    return _average(real, lambda d: F.softplus(-d), scales) + _average(fake, F.softplus, scales)


def least_squares_generator_loss(fake: Maps, scales: Scales = "mean") -> Values:
    """½ (D(fake) - 1)²; 0 at D(fake) = 1.

    Source: LSGAN (Mao et al. 2017), equation 9. CycleGAN and FSGAN leave out the ½.
    """
    return _average(fake, lambda d: 0.5 * (d - 1).square(), scales)


def least_squares_discriminator_loss(*, real: Maps, fake: Maps, scales: Scales = "mean") -> Values:
    """½ (D(real) - 1)² + ½ D(fake)²; 0 at D(real) = 1 and D(fake) = 0.

    Source: LSGAN (Mao et al. 2017), equation 9.
    """
    _paired(real, fake)
    of_real = _average(real, lambda d: 0.5 * (d - 1).square(), scales)
    return of_real + _average(fake, lambda d: 0.5 * d.square(), scales)


def _average(scales_of_logits: Maps, cost: Callable[[Tensor], Tensor], scales: Scales) -> Values:
    return over_scales([per_sample(cost(logits.float())) for logits in as_list(scales_of_logits)], scales)


def _paired(real: Maps, fake: Maps) -> None:
    shapes = [tuple(d.shape) for d in as_list(real)], [tuple(d.shape) for d in as_list(fake)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"real logits have shapes {shapes[0]}, fake ones {shapes[1]}; give as many of each")
