"""Crops through a network: scaled, split where boosted, run as one batch, and back to pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from omote.engines.oneshot.boost import boosted_parts, join, parts_of, split
from omote.engines.oneshot.mask import face_mask, within_crop
from omote.engines.swapper import SwappedCrop
from omote.errors import ModelError
from omote.faces.align import Crop
from omote.faces.checks import check_scaling, check_template
from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD, tensor
from omote.zoo.graph import Port, require
from omote.zoo.networks import Network

Array = npt.NDArray[np.float32]
Range = Literal["unit", "signed", "imagenet"]

_RANGES: dict[Range, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "unit": ((0.0,) * 3, (1.0,) * 3),
    "signed": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
}
"""Mean and deviation that the output still has, by the name of its range."""


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """How a swapper wants its target crop, and what comes out of it.

    Attributes:
        template: alignment of the crop, a key of `omote.faces.align.TEMPLATES`.
        side: of the crop in pixels.
        mean: taken from each of R, G, B in 0..1,
        std: which are then divided by this.
        bgr: whether blue comes first, at the entrance and at the exit.
        output: `unit` (0..1), `signed` (-1..1), `imagenet` (ImageNet's mean and deviation).
        target_input: name of the input that takes the crop; by its name `target` or its shape unless said.
        source_input: name of the input that takes the source; likewise.
        mask_output: name of the output, (B, 1, N, N) in 0..1, that says where to believe the network; the
            mesh says so unless set.
        detail_output: name of the output, (B, 1, N, N) in 0..1, that says how much of the target's fine
            detail the output contains.
    """

    template: str
    side: int
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = False
    output: Range = "unit"
    target_input: str | None = None
    source_input: str | None = None
    mask_output: str | None = None
    detail_output: str | None = None


class CropNetwork:
    """The part of a swapper that all networks with a target and a source input have in common.

    Args:
        network: the swapper.
        settings: how it wants its target.
        source: what its source input must look like.
        boost: side of the crops in pixels, a multiple of the network's own; None for no boost.

    Raises:
        ModelError: the graph or a setting is not as the contract says.
        UsageError: `boost` is no multiple of the network's size.
    """

    def __init__(self, network: Network, settings: TargetSettings, source: Port, boost: int | None) -> None:
        self.name = network.card.name
        self.settings = settings
        self.template = settings.template
        check_template(self.name, settings.template)
        check_scaling(self.name, settings.mean, settings.std)
        side = settings.side
        self.crop_size = side * boosted_parts(self.name, side, boost)
        self._session = network.session
        target = Port((None, 3, side, side))
        names = list(network.session.inputs)
        if len(names) != 2:
            raise ModelError(f"{self.name}: expected a target and a source input, found {', '.join(names)}")
        self._target_first = names.index(_target_input(network, settings, target, source)) == 0
        ports = (target, source) if self._target_first else (source, target)
        # Some exports give masks or features as well, and not always last.
        outputs = network.session.output_shapes.values()
        pictures = [index for index, shape in enumerate(outputs) if target.takes("", shape)]
        require(network.session, self.name, ports, None if pictures else [target])
        self._output = pictures[0] if pictures else 0
        self._mask = _plane_output(network, settings.mask_output, side)
        self._detail = _plane_output(network, settings.detail_output, side)
        self.source_shape = network.session.inputs[names[1] if self._target_first else names[0]]

    def run(self, crops: Sequence[Crop], sources: Sequence[Array]) -> list[SwappedCrop]:
        """Swap crops of one or more faces in one batch.

        Args:
            crops: sides are multiples of the network's size.
            sources: for each crop what the source input takes, without the batch axis.
        """
        if not crops:
            return []
        parts = [parts_of(self.name, self.settings.side, crop.size) for crop in crops]
        pieces = [split(self._planes(crop), n) for crop, n in zip(crops, parts, strict=True)]
        targets, counts = np.concatenate(pieces), np.square(parts)
        repeated = np.repeat(np.stack(sources), counts, axis=0)
        inputs = (targets, repeated) if self._target_first else (repeated, targets)
        made = self._session.run_batch(*inputs)
        if not np.isfinite(made[self._output]).all():
            raise ModelError(f"{self.name}: its output is not a number; run it in full precision (float32)")
        ends = np.cumsum(counts)[:-1]
        joined = map(join, np.split(made[self._output], ends))
        masks, details = (
            [None] * len(crops) if output is None else map(join, np.split(made[output], ends))
            for output in (self._mask, self._detail)
        )
        return [
            SwappedCrop(
                leave(planes, self.settings.output, self.settings.bgr),
                self._mask_of(crop, mask),
                None if detail is None else _plane(detail),
            )
            for planes, mask, detail, crop in zip(joined, masks, details, crops, strict=True)
        ]

    @staticmethod
    def _mask_of(crop: Crop, own: Array | None) -> Array:
        """The network's own mask as far as it lies on the face (some change hair, too), or the face."""
        if own is None:
            return face_mask(crop.face, crop.size)
        mask = within_crop(_plane(own))
        return mask if crop.face.mesh is None else np.minimum(mask, face_mask(crop.face, crop.size))

    def _planes(self, crop: Crop) -> Array:
        """(3, N, N) as the network wants it."""
        settings = self.settings
        planes: Array = tensor([crop.pixels], settings.mean, settings.std, bgr=settings.bgr)[0]
        return planes


def leave(planes: npt.NDArray[Any], output: Range, bgr: bool = False) -> Array:
    """(3, N, N) as a network gives it → (N, N, 3) RGB, clipped to 0..1."""
    values = zip(planes[::-1] if bgr else planes, *_RANGES[output], strict=True)
    channels = [plane.astype(np.float32) * np.float32(std) + np.float32(mean) for plane, mean, std in values]
    return np.asarray(cv2.merge([channel.clip(0, 1) for channel in channels]), np.float32)


def _plane(planes: Array) -> Array:
    """(1, N, N) as a network gives it → (N, N), clipped to 0..1."""
    return np.asarray(planes[0].clip(0, 1), np.float32)


def _plane_output(network: Network, name: str | None, side: int) -> int | None:
    """Place of an output of one plane, if there is to be one."""
    if name is None:
        return None
    shapes = network.session.output_shapes
    if name not in shapes or not Port((None, 1, side, side)).takes("", shapes[name]):
        found = ", ".join(f"{other} {shape}" for other, shape in shapes.items())
        raise ModelError(
            f"{network.card.name}: expected an output '{name}' of 1 × {side} × {side}, found {found}"
        )
    return list(shapes).index(name)


def _target_input(network: Network, settings: TargetSettings, target: Port, source: Port) -> str:
    """Name of the input that takes the target: as set, else by the name `target`, else by its shape."""
    inputs = network.session.inputs
    for name in (settings.target_input, settings.source_input):
        if name is not None and name not in inputs:
            raise ModelError(f"{network.card.name}: has no input '{name}', only {' and '.join(inputs)}")
    first, second = inputs
    if settings.target_input is not None:
        return settings.target_input
    if settings.source_input is not None:
        return second if settings.source_input == first else first
    if "target" in inputs:
        return "target"
    if "source" in inputs:
        return second if first == "source" else first
    able = [name for name, shape in inputs.items() if target.takes(name, shape)]
    sure = [name for name in able if not source.takes(name, inputs[name])] or able
    if len(sure) > 1:
        raise ModelError(
            f"{network.card.name}: inputs {first} and {second} could both be the target: "
            "name one in the card (target_input = ...)"
        )
    return sure[0] if sure else next((name for name, shape in inputs.items() if len(shape) == 4), first)
