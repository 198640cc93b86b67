"""How far found regions are from the true ones: pixel by pixel, and by overlap."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from omote.training.losses._values import Values

Logits = Float[Tensor, "b k h w"]
Labels = Int[Tensor, "b h w"]
UNKNOWN = 255
"""The label of pixels of which nobody knows what they show: no loss looks at them."""


def cross_entropy_loss(logits: Logits, truth: Labels, emphasis: Float[Tensor, " k"] | None = None) -> Values:
    """Mean over pixels of e(t) · -log softmax(logits)(t) for the true class t; e is 1 unless given.

    The mean is over all pixels, not over their emphasis, so that a picture full of small parts counts more.
    Unknown ones count as found.
    """
    values = F.cross_entropy(logits.float(), truth, emphasis, ignore_index=UNKNOWN, reduction="none")
    return values.mean((1, 2))


def dice_loss(logits: Logits, truth: Labels) -> Values:
    """1 - mean over the classes that the picture shows of 2 Σ p t / (Σ p + Σ t); 0 where all is found.

    A small region counts as much as a large one. Unknown pixels do not count; where all are, the loss is 0.

    Source: V-Net (Milletari et al. 2016), here with sums instead of sums of squares.
    """
    known = (truth != UNKNOWN)[:, None]
    chance = logits.float().softmax(1) * known
    wanted = F.one_hot(truth.where(known[:, 0], 0), logits.shape[1]).movedim(-1, 1) * known
    both, either = (chance * wanted).sum((2, 3)), (chance + wanted).sum((2, 3))
    there = wanted.sum((2, 3)) > 0
    dice = torch.where(there, 2 * both / either.clamp(min=1e-6), 0.0)
    return known.any((1, 2, 3)).to(dice.dtype) - dice.sum(1) / there.sum(1).clamp(min=1)
