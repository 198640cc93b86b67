"""Masks that a generator predicts with its colours: 1 where its own pixels show, 0 where the target's stay.

Left alone, a learned mask withdraws from the face, since copying the target is the easiest reconstruction; or
it swallows the background. Each loss here pulls at one of these ends.
"""

from kornia.losses import total_variation

from omote.training.losses._values import Masks, Values, per_sample, same_shape


def parsing_loss(mask: Masks, parsing: Masks) -> Values:
    """Mean of (mask - parsing)²; 0 where the mask equals the face region of a parser.

    Source: HyperSwap (FaceFusion Labs 2025), weight 5.
    """
    same_shape(mask, parsing)
    return per_sample((mask.float() - parsing.float()).square())


def area_loss(mask: Masks) -> Values:
    """Mean of the mask: the share of the picture that it covers; 0 where it is empty."""
    return per_sample(mask)


def mask_variation_loss(mask: Masks) -> Values:
    """Mean |difference| of vertical neighbours plus that of horizontal ones; 0 where the mask is even.

    Source: total variation (Rudin, Osher & Fatemi 1992), anisotropic, as kornia has it.
    """
    return per_sample(total_variation(mask.float(), reduction="mean"))


def ring_loss(mask: Masks, ring: Masks) -> Values:
    """Mean over the picture of ring · (1 - mask); 0 where the mask is full on the ring.

    Keeps a mask that may choose between the core of the face and the edge of the crop from withdrawing to the
    core.

    Args:
        ring: the region where the mask is free, 0..1.
    """
    same_shape(mask, ring)
    return per_sample(ring.float() * (1 - mask.float()))
