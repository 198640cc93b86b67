"""Penalties on the slope of a discriminator; they train the discriminator and give the pictures no gradient.

A `critic` maps pictures to logits per scale. Its score of a picture is what the adversarial losses see: the
mean over patches and scales. (StarGAN differentiates the *sum* over its patches; for n patches, its R1 would
be n² of this.)

The norm runs over all values of the picture, so it is not divided by their number. Everything is computed in
float32, outside autocast. The first two differentiate twice, which `torch.compile` does not support: give
them the critic as it is before compiling, with the same parameters, or use the approximate one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from omote.training.losses._values import Maps, Pictures, Values, as_list, over_scales, per_sample, same_shape

Critic = Callable[[Pictures], Maps]


def gradient_penalty(critic: Critic, *, real: Pictures, fake: Pictures, mix: Values) -> Values:
    """(‖∇D(x)‖₂ - 1)² at x = mix · real + (1 - mix) · fake; 0 where the slope is 1.

    Args:
        mix: the place between fake and real, drawn evenly from 0..1 for each sample.

    Source: WGAN-GP (Gulrajani et al. 2017), with weight 10 there and in StarGAN, 1e-5 in SimSwap.
    """
    same_shape(fake, real)
    share = mix.float()[:, None, None, None]
    slope = _slope(critic, share * real.float() + (1 - share) * fake.float())
    steepness: Tensor = slope.norm(dim=1)
    return (steepness - 1).square()


def r1_penalty(critic: Critic, real: Pictures) -> Values:
    """½ ‖∇D(real)‖²; 0 where the discriminator is flat at the real pictures. Its weight is the published γ.

    Source: Mescheder et al. 2018. Where it is computed in every k-th step only, multiply the weight by k.
    """
    return 0.5 * _slope(critic, real).square().sum(1)


def approximate_r1_penalty(critic: Critic, real: Pictures, noise: Pictures, sigma: float = 0.01) -> Values:
    """(D(real + σ · noise) - D(real))² / 2σ²: R1 by a finite difference, with the same weight γ.

    Needs no second derivative. Its mean over the noise tends to ½ ‖∇D(real)‖² for small σ.

    Args:
        noise: drawn from the normal distribution, of the shape of the pictures.
        sigma: step, in units of the picture.

    Source: Lin et al. 2025 (adversarial post-training), who leave out the division: a weight λ there is γ = 2
    λ σ².
    """
    same_shape(noise, real)
    with torch.autocast(real.device.type, enabled=False):
        here = real.detach().float()
        difference = _score(critic(here + sigma * noise.float())) - _score(critic(here))
    return difference.square() / (2 * sigma**2)


def _slope(critic: Critic, pictures: Pictures) -> Tensor:
    """Gradient of the score of each picture with respect to it, (B, C·H·W), itself differentiable."""
    with torch.autocast(pictures.device.type, enabled=False):
        here = pictures.detach().float().requires_grad_()
        (slope,) = torch.autograd.grad(_score(critic(here)).sum(), here, create_graph=True)
    return slope.flatten(1)


def _score(logits: Maps) -> Values:
    return over_scales([per_sample(one) for one in as_list(logits)], "mean")
