"""Colour: a swap should have the light and the skin tone that the target's photo has."""

import torch.nn.functional as F

from omote.training.losses._values import Pictures, Values, per_sample, same_shape


def low_frequency_colour_loss(fake: Pictures, target: Pictures, cells: int = 8) -> Values:
    """Mean |difference| of the mean colours of a grid of cells; 0 where all cells agree on average.

    Detail, and with it identity, averages out within a cell; tint and light do not.

    Args:
        fake, target: pictures whose sides are multiples of `cells`.
        cells: cells along each side.

    Raises:
        ValueError: a side is not a multiple of `cells`.
    """
    same_shape(fake, target)
    height, width = fake.shape[2:]
    if height % cells or width % cells:
        raise ValueError(
            f"pictures of {width} × {height} px do not divide into {cells} cells; choose another number"
        )
    difference = fake.float() - target.float()
    return per_sample(F.avg_pool2d(difference, (height // cells, width // cells)).abs())
