"""What the losses share: shapes, one float32 value per sample, and checks where PyTorch would broadcast."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Values = Float[Tensor, " b"]
"""One value per sample, float32."""

Chosen = Bool[Tensor, " b"]
"""True for the samples that a loss applies to."""

Pictures = Float[Tensor, "b c h w"]
"""RGB, -1..1 unless said otherwise."""

Masks = Float[Tensor, "b 1 h w"]
"""Soft masks, 0..1."""

Embeddings = Float[Tensor, "b d"]
"""Identities, of any length."""

AnyShape = Float[Tensor, "b ..."]
"""Anything with one entry per sample."""

Maps = Sequence[AnyShape]
"""Logits per scale, or feature maps per layer: tensors of different shapes for the same samples."""

Scales = Literal["mean", "sum"]
"""How the scales of a discriminator are put together: averaged, or summed as pix2pixHD and GHOST do."""


def per_sample(values: AnyShape) -> Values:
    """Return the mean over everything but the samples, in float32."""
    return values.float().reshape(len(values), -1).mean(1)


def over_scales(values: Sequence[Values], scales: Scales) -> Values:
    """Put the values of all scales together: the mean or the sum over the list."""
    if scales not in ("mean", "sum"):
        raise ValueError(f"scales is {scales!r}; it must be 'mean' or 'sum'")
    stacked = torch.stack(list(values))
    return stacked.mean(0) if scales == "mean" else stacked.sum(0)


def same_shape(fake: Tensor, reference: Tensor) -> None:
    """Raise ValueError where two tensors differ in shape, which arithmetic would hide by broadcasting."""
    if fake.shape != reference.shape:
        raise ValueError(
            f"shapes differ: {tuple(fake.shape)} of the fake and {tuple(reference.shape)} of its reference; "
            "give both the same shape"
        )


def as_list(tensors: Maps) -> list[Tensor]:
    """Return the tensors as a list.

    Raises:
        ValueError: the list is empty, or a bare tensor, which would be taken apart into its samples.
    """
    if isinstance(tensors, Tensor):
        raise ValueError(
            f"a tensor of shape {tuple(tensors.shape)} where a list of tensors belongs; "
            "put it into a list, even when it is the only one"
        )
    if not tensors:
        raise ValueError("an empty list of tensors has no loss; give at least one")
    return list(tensors)


def gradient_reaches(fake: Tensor, outputs: Sequence[Tensor], network: str) -> None:
    """Raise ValueError where a network cuts its outputs off from the fake, so that no loss on them can teach.

    A frozen network called inside `torch.no_grad()` is the usual cause.
    """
    if torch.is_grad_enabled() and fake.requires_grad and not all(output.requires_grad for output in outputs):
        raise ValueError(
            f"the {network} gives no gradient to the fake; take no_grad and detach out of it "
            "and freeze its parameters with requires_grad_(False)"
        )
