"""What the mask networks have in common, whichever of them is chosen."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
LooksAt = Literal["target", "result"]


class Masker(Protocol):
    """A network that says where the new face may show. Stateless, safe to call from several threads."""

    looks_at: LooksAt
    """Whether it wants to see the crop before the swap or after it."""

    def mask(self, crops: Sequence[Array]) -> list[Array]:
        """Return (N, N) float32 in 0..1 for each crop, (N, N, 3) float32 RGB in 0..1; 1 = may show here."""
        ...
