"""Blind face restoration: GFPGAN, CodeFormer, GPEN, RestoreFormer++."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.compose.tensors import to_pixels
from omote.errors import UsageError
from omote.faces.checks import check_template
from omote.faces.crops import tensor
from omote.zoo import Network, Port, read_settings, require

Array = npt.NDArray[np.float32]

_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a card can say.

    Attributes:
        template: alignment template of the crops.
        side: of these crops in pixels.
        weight: for a network that has a second input for it, the fidelity that is used unless the user says
            otherwise.
    """

    template: str
    side: int
    weight: float | None = None


class FaceRestorer:
    """Contract: input (B, 3, S, S), RGB in -1..1; output the same, beyond which values are cut off.

    A network with a weight has a second input, one float64: 0 restores most freely, 1 stays nearest to the
    face as it is. Sources: Wang et al., GFP-GAN, 2021; Zhou et al., CodeFormer, 2022; Yang et al., GPEN,
    2021; Wang et al., RestoreFormer++, 2023.

    Args:
        network: the restorer.
        weight: fidelity, 0..1, of a network that takes one; its card's unless said.

    Raises:
        UsageError: the network takes no weight, or it is out of range.
        ModelError: the graph does not meet the contract.
    """

    def __init__(self, network: Network, weight: float | None = None) -> None:
        name, settings = network.card.name, read_settings(network.card, Settings)
        if weight is not None and settings.weight is None:
            raise UsageError(f"{name} takes no weight: leave it out, or restore with codeformer")
        if weight is not None and not 0 <= weight <= 1:
            raise UsageError(f"restorer weight {weight:g} is outside 0..1")
        check_template(name, settings.template)
        side = settings.side
        faces = Port((None, 3, side, side))
        extra = [] if settings.weight is None else [Port((1,), kind="float64")]
        require(network.session, name, inputs=[faces, *extra], outputs=[faces])
        self._session = network.session
        self.template = settings.template
        self.size = side
        self.weight = settings.weight if weight is None else weight

    def restore(self, crops: Array) -> Array:
        """Return the restored crops; see `Restorer.restore`."""
        planes = tensor(crops, _HALF, _HALF)
        if self.weight is None:
            (restored, *_) = self._session.run_batch(planes)
        else:  # one weight has no batch axis to go with the faces
            weight = np.array([self.weight], np.float64)
            faces = [self._session.run(planes[i : i + 1], weight)[0] for i in range(len(planes))]
            restored = np.concatenate(faces)
        return np.asarray(to_pixels(np.clip(restored, -1, 1)) / 2 + 0.5, np.float32)
