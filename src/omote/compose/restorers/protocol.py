"""What the restoration networks have in common, whichever of them is chosen."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class Restorer(Protocol):
    """A network that makes faces sharp again. Stateless, safe to call from several threads."""

    template: str
    """Name of the alignment template of the crops that it wants."""

    size: int
    """Side of these crops in pixels."""

    def restore(self, crops: Array) -> Array:
        """Return the restored crops: (B, S, S, 3) float32 RGB in 0..1, in and out."""
        ...
