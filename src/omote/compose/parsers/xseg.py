"""XSeg of DeepFaceLab: where the target's face is not covered by a hand, hair or glasses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.compose.parsers.edges import crop_mask
from omote.compose.parsers.protocol import LooksAt
from omote.compose.tensors import stacked
from omote.zoo import Network, Port, read_settings, require

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a card can say.

    Attributes:
        side: of the network's square input in pixels.
    """

    side: int = 256


class XSeg:
    """Contract: one input (B, S, S, 3), BGR in 0..1, channels last; one output (B, S, S, 1), 1 = bare face.

    Source: Perov et al., DeepFaceLab, 2020.

    Raises:
        ModelError: the graph does not meet the contract.
    """

    looks_at: LooksAt = "target"

    def __init__(self, network: Network) -> None:
        side = read_settings(network.card, Settings).side
        require(
            network.session,
            network.card.name,
            inputs=[Port((None, side, side, 3))],
            outputs=[Port((None, side, side, 1))],
        )
        self._session = network.session
        self._side = side

    def mask(self, crops: Sequence[Array]) -> list[Array]:
        """Return where the face is bare; see `Masker.mask`."""
        bgr = np.ascontiguousarray(stacked(crops, self._side)[..., ::-1])
        found = self._session.run_batch(bgr)[0]
        return [crop_mask(seen[..., 0], len(crop)) for seen, crop in zip(found, crops, strict=True)]
