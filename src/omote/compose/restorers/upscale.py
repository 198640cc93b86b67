"""Super-resolution of any picture, used on a face: Real-ESRGAN."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.compose.tensors import resized, stacked, to_pixels
from omote.errors import UsageError
from omote.faces.checks import check_template
from omote.faces.crops import tensor
from omote.zoo import Network, Port, read_settings, require

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a card can say.

    Attributes:
        template: alignment template of the crops.
        side: of these crops in pixels.
        entrance: the side to which a crop is brought before the network enlarges it. Small is fast and
            rebuilds more; what is finer than that is lost.
        scale: how many times larger the network's output is.
    """

    template: str
    side: int
    entrance: int
    scale: int = 4


class Upscaler:
    """Contract: input (B, 3, h, w), RGB in 0..1; output (B, 3, scale·h, scale·w), the same, cut off beyond.

    The crop is brought to `entrance`, enlarged by the network, and brought back to its own size.
    Source: Wang et al., Real-ESRGAN, 2021.

    Args:
        network: the upscaler.
        weight: refused; these networks take none.

    Raises:
        UsageError: a weight is given.
        ModelError: the graph does not meet the contract.
    """

    def __init__(self, network: Network, weight: float | None = None) -> None:
        name, settings = network.card.name, read_settings(network.card, Settings)
        if weight is not None:
            raise UsageError(f"{name} takes no weight: leave it out, or restore with codeformer")
        check_template(name, settings.template)
        small, large = settings.entrance, settings.entrance * settings.scale
        require(
            network.session,
            name,
            inputs=[Port((None, 3, small, small))],
            outputs=[Port((None, 3, large, large))],
        )
        self._session = network.session
        self._entrance = small
        self.template = settings.template
        self.size = settings.side

    def restore(self, crops: Array) -> Array:
        """Return the restored crops; see `Restorer.restore`."""
        planes = tensor(stacked(list(crops), self._entrance))
        enlarged = to_pixels(np.clip(self._session.run_batch(planes)[0], 0, 1))
        return np.stack([resized(image, self.size) for image in enlarged])
