"""Pixels: how far the fake is from the photo that it should equal.

The reference is always the *target* photo: where source and target show the same person, the swap must give
the target back, whether the identity came from the target photo itself or from another photo of that person.
Pairs of different people have no such truth, so every function takes `where`, True for the samples that it
applies to (None: all). The value of the others is 0, and so is their gradient.
"""

import torch

from omote.training.losses._values import Chosen, Pictures, Values, per_sample, same_shape


def l1_reconstruction_loss(fake: Pictures, target: Pictures, where: Chosen | None = None) -> Values:
    """Mean of |fake - target|.

    Source: SimSwap (Chen et al. 2020), where the source is another photo of the target's person.
    """
    same_shape(fake, target)
    return _only(per_sample((fake.float() - target.float()).abs()), where)


def l2_reconstruction_loss(fake: Pictures, target: Pictures, where: Chosen | None = None) -> Values:
    """Mean of (fake - target)²."""
    same_shape(fake, target)
    return _only(per_sample((fake.float() - target.float()).square()), where)


def half_l2_reconstruction_loss(fake: Pictures, target: Pictures, where: Chosen | None = None) -> Values:
    """½ the mean of (fake - target)²; the published weight 10 goes with this factor.

    Source: FaceShifter (Li et al. 2019), for the same photo; GHOST (Groshev et al. 2022), for another photo
    of the same person.
    """
    return 0.5 * l2_reconstruction_loss(fake, target, where)


def _only(values: Values, where: Chosen | None) -> Values:
    if where is None:
        return values
    if where.dtype != torch.bool or where.shape != values.shape:
        raise ValueError(
            f"where is {where.dtype} of shape {tuple(where.shape)}; "
            f"it must be bool, one for each of the {len(values)} samples"
        )
    return torch.where(where, values, 0.0)
