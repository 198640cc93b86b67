"""BiSeNet: every pixel belongs to one of 19 regions."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from omote.compose.parsers.regions import RegionParser

Array = npt.NDArray[np.float32]


class BiSeNet(RegionParser):
    """Classes exclude each other: a pixel has the class with the highest score. Yu et al., BiSeNet, 2018."""

    @staticmethod
    def together(maps: Array, chosen: Sequence[int]) -> Array:
        """1 where the best class is a chosen one."""
        return np.isin(maps.argmax(0), chosen).astype(np.float32)
