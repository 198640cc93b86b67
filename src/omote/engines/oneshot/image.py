"""Swappers that take the source as a picture: BlendSwap, UniFace."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.compose import ColourMethod
from omote.engines.oneshot.crops import CropNetwork, TargetSettings
from omote.engines.oneshot.identity import require_source
from omote.engines.swapper import Source, SwappedCrop
from omote.errors import UsageError
from omote.faces.align import Crop, align
from omote.faces.checks import check_scaling, check_template
from omote.faces.crops import tensor
from omote.faces.face import Face
from omote.zoo.card import read_settings
from omote.zoo.graph import Port
from omote.zoo.networks import Network

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings(TargetSettings):
    """How the source picture is cut and scaled: as the target, with values of its own.

    Attributes:
        source_template: alignment of the source crop.
        source_side: of the source crop in pixels.
        source_mean: taken from each of R, G, B in 0..1,
        source_std: which are then divided by this.
    """

    source_template: str
    source_side: int
    source_mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    source_std: tuple[float, ...] = (1.0, 1.0, 1.0)


class ImageSwapper:
    """A swapper that takes a target crop and a source crop. Stateless, safe for threads.

    Args:
        network: the swapper.
        strength: must be 1: there is no space in which the two identities could be mixed.
        boost: side of the crops in pixels, a multiple of the network's own; None for no boost.

    Raises:
        ModelError: the network does not meet its contract.
        UsageError: an option is out of its range.
    """

    colour: ColourMethod = "none"

    def __init__(self, network: Network, *, strength: float = 1.0, boost: int | None = None) -> None:
        self._settings = read_settings(network.card, ImageSettings)
        if strength != 1:
            raise UsageError(
                f"{network.card.name}: takes the source as a picture, so that its strength is always 1"
            )
        name, side = network.card.name, self._settings.source_side
        check_template(name, self._settings.source_template, "source_template")
        check_scaling(name, self._settings.source_mean, self._settings.source_std, "source_")
        self._crops = CropNetwork(network, self._settings, Port((None, 3, side, side)), boost)
        self.template = self._crops.template

    def crop_size(self, face: Face) -> int:
        """The network's own size, or the boosted one."""
        return self._crops.crop_size

    def identity(self, sources: Sequence[Source]) -> Array:
        """Cut the source face. Of several photos the one with the largest face is taken: pictures of a face
        cannot be averaged as embeddings can.

        Returns:
            (3, source_side, source_side) float32, as the network wants it.

        Raises:
            UsageError: there is no source.
        """
        require_source(sources)
        settings = self._settings
        source = max(sources, key=lambda one: one.face.eye_distance)
        crop = align(source.pixels, source.face, settings.source_template, settings.source_side)
        planes = tensor([crop.pixels], settings.source_mean, settings.source_std, bgr=settings.bgr)
        return np.asarray(planes[0])

    def swap(self, crops: Sequence[Crop], identity: Array) -> list[SwappedCrop]:
        """Give each crop's face the identity, all in one batch."""
        return self._crops.run(crops, [identity] * len(crops))
