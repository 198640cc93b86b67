"""Attributes: the fake should have the pose, expression, light and background that the encoder saw."""

import torch

from omote.training.losses._values import Maps, Values, as_list, per_sample, same_shape


def attribute_loss(fake: Maps, target: Maps) -> Values:
    """½ Σ over the maps of the mean of (z(fake) - z(target))²; 0 where all maps agree.

    The encoder learns with the generator; as published, gradients flow through both sides.

    Args:
        fake, target: the attribute maps (B, ...) of both pictures, as many in the same order (eight in
        AEI-Net).

    Source: FaceShifter (Li et al. 2019), GHOST (Groshev et al. 2022).
    """
    if len(as_list(fake)) != len(as_list(target)):
        raise ValueError(
            f"the fake has {len(fake)} attribute maps, the target {len(target)}; give as many of each"
        )
    for ours, theirs in zip(fake, target, strict=True):
        same_shape(ours, theirs)
    errors = [(ours.float() - theirs.float()).square() for ours, theirs in zip(fake, target, strict=True)]
    return 0.5 * torch.stack([per_sample(error) for error in errors]).sum(0)
