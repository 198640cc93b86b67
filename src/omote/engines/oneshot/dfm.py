"""DeepFaceLab networks (`.dfm`): each knows one person, so that no source is needed.

Contract, from DeepFaceLab's export: `in_face:0` (B, N, N, 3) BGR in 0..1, and for AMP networks
`morph_value:0` (1,); out come the mask of the target's face (B, N, N, 1), the new face (B, N, N, 3) BGR in
0..1, and the mask of the new face.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import ColourMethod
from omote.engines.oneshot.boost import boosted_parts, join, parts_of, split
from omote.engines.oneshot.mask import within_crop
from omote.engines.swapper import Source, SwappedCrop
from omote.errors import ModelError, UsageError
from omote.faces.align import Crop
from omote.faces.checks import check_template
from omote.faces.crops import tensor
from omote.faces.face import Face
from omote.zoo.card import read_settings
from omote.zoo.graph import Port, require
from omote.zoo.networks import Network

Array = npt.NDArray[np.float32]

_FACE, _MORPH = "in_face:0", "morph_value:0"


@dataclass(frozen=True, slots=True)
class DfmSettings:
    """How a `.dfm` file is used.

    Attributes:
        template: alignment of the crop.
        erode: how much the edge of the mask moves inwards, as a fraction of the crop's side.
        blur: standard deviation of its soft edge, likewise.
    """

    template: str = "dfl_whole_face"
    erode: float = 0.01
    blur: float = 0.028


class DfmSwapper:
    """A network trained on one person. Stateless, safe for threads.

    Args:
        network: the `.dfm` file; the size of its crops is that of the graph.
        strength: morph value of an AMP network, 0 (the target's shape) to 1 (the person's); other networks
            take 1 only.
        boost: side of the crops in pixels, a multiple of the network's own; None for no boost.

    Raises:
        ModelError: the network does not meet its contract.
        UsageError: an option is out of its range.
    """

    colour: ColourMethod = "reinhard"

    def __init__(self, network: Network, *, strength: float = 1.0, boost: int | None = None) -> None:
        self._name = network.card.name
        self._settings = read_settings(network.card, DfmSettings)
        self.template = self._settings.template
        check_template(self._name, self.template)
        self._session = network.session
        self._morphs = _MORPH in network.session.inputs
        self._size = self._checked_size()
        self._side = self._size * boosted_parts(self._name, self._size, boost)
        if not self._morphs and strength != 1:
            raise UsageError(f"{self._name}: has no morph value, so that its strength is always 1")
        if not 0 <= strength <= 1:
            raise UsageError(f"{self._name}: strength {strength} is out of range: give 0 to 1")
        self._morph = np.array([strength], np.float32)

    def crop_size(self, face: Face) -> int:
        """The network's own size, or the boosted one."""
        return self._side

    def identity(self, sources: Sequence[Source] = ()) -> None:
        """Nothing: the person is in the network. Sources are not looked at, and need not be given."""

    def swap(self, crops: Sequence[Crop], identity: None = None) -> list[SwappedCrop]:
        """Give each crop's face the network's identity, all in one batch where the graph allows it."""
        if not crops:
            return []
        parts = [parts_of(self._name, self._size, crop.size) for crop in crops]
        pieces = [split(tensor([crop.pixels])[0], n) for crop, n in zip(crops, parts, strict=True)]
        blue_last = np.concatenate(pieces).transpose(0, 2, 3, 1)
        target_masks, made, masks = self._run(np.ascontiguousarray(blue_last[..., ::-1]))
        both = np.minimum(target_masks, masks).clip(0, 1)
        results = []
        for end, n in zip(np.cumsum(np.square(parts)), parts, strict=True):
            here = slice(end - n * n, end)
            blue, green, red = join(made[here].transpose(0, 3, 1, 2)).clip(0, 1)
            (mask,) = join(both[here].transpose(0, 3, 1, 2))
            results.append(SwappedCrop(cv2.merge([red, green, blue]), self._softened(mask)))
        return results

    def _run(self, faces: Array) -> list[Array]:
        feeds = {_FACE: faces, _MORPH: self._morph}
        return self._session.run_batch(*(feeds[name] for name in self._session.inputs))[:3]

    def _softened(self, mask: Array) -> Array:
        """The mask a little smaller, with a soft edge, 0 at the border of the crop."""
        size = len(mask)
        radius = round(self._settings.erode * size)
        if radius:
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
            mask = np.asarray(cv2.erode(mask, kernel), np.float32)
        if self._settings.blur > 0:
            mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), self._settings.blur * size), np.float32)
        return within_crop(mask)

    def _checked_size(self) -> int:
        """Side of the crop; the graph's inputs and outputs are as the contract says."""
        shape = self._session.inputs.get(_FACE, ())
        size = shape[1] if len(shape) == 4 else None
        if not isinstance(size, int):
            found = ", ".join(f"{name} {shape}" for name, shape in self._session.inputs.items())
            raise ModelError(f"{self._name}: expected an input {_FACE} (any × N × N × 3), found {found}")
        face = Port((None, size, size, 3), _FACE)
        ports = {_FACE: face, _MORPH: Port((1,), _MORPH)} if self._morphs else {_FACE: face}
        wanted = [ports[name] for name in self._session.inputs if name in ports]
        mask, picture = Port((None, size, size, 1)), Port((None, size, size, 3))
        require(self._session, self._name, wanted, [mask, picture, mask])
        return size
