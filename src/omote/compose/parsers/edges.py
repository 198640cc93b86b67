"""From what a mask network gives to a mask of its crop."""

import numpy as np
import numpy.typing as npt

from omote.compose.masks import soften_inside
from omote.compose.tensors import resized

Array = npt.NDArray[np.float32]

_SCALE = 256
_SIGMA = 5.0


def crop_mask(found: Array, size: int) -> Array:
    """Bring a network's mask to its crop, with a soft edge on the inner side.

    The blur has a standard deviation of 5 pixels at a crop of 256, as FaceFusion has it, but here it is that
    fraction of the crop's side whatever its size, because the edge belongs to the face: the same face cut at
    128 or at 1024 pixels gets the same edge.

    Args:
        found: (S, S) in 0..1, as the network sees it.
        size: side of the crop in pixels.
    """
    work = min(size, _SCALE)  # such a soft edge has no detail that more pixels could hold
    mask = resized(np.clip(found, 0, 1).astype(np.float32), work)
    return resized(soften_inside(mask, _SIGMA * work / _SCALE), size)
