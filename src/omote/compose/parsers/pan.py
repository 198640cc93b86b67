"""PAN for skin, clothes and hair: every class has a probability of its own."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from omote.compose.parsers.regions import RegionParser

Array = npt.NDArray[np.float32]


class Pan(RegionParser):
    """Classes are independent, each a probability in 0..1. Li et al., Pyramid Attention Network, 2018."""

    @staticmethod
    def together(maps: Array, chosen: Sequence[int]) -> Array:
        """The highest probability of the chosen classes."""
        return np.asarray(maps[list(chosen)].max(0), np.float32)
