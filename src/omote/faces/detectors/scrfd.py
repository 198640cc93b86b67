"""SCRFD, and the RetinaFace of InsightFace that shares its contract (Guo et al. 2021; Deng et al. 2019)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.boxes import Array
from omote.faces.canvas import Bytes
from omote.faces.detectors.look import LookSettings, OneLook
from omote.zoo import Network, Port, read_settings, require

_WIDTHS = (1, 4, 10)  # values per anchor: score, distances, points


@dataclass(frozen=True, slots=True)
class ScrfdSettings(LookSettings):
    """What tells networks of this family apart.

    Exit: scores (n, 1) in 0..1 for every stride, then distances (n, 4), then points (n, 10), with or without
    a batch axis before them. An anchor lies at (column * stride, row * stride), no half cell added; the box
    reaches from there left, up, right and down by its distances times the stride, a point lies at its offset
    times the stride.

    Attributes:
        strides: pixels per cell, in the order of the outputs.
        anchors: per cell, one after the other.
    """

    strides: tuple[int, ...] = (8, 16, 32)
    anchors: int = 2


class Scrfd(OneLook):
    """Finds faces with a network of this family; see `MakeDetector` for the arguments."""

    def __init__(
        self, network: Network, *, size: int = 640, threshold: float | None = None, nms: float = 0.4
    ) -> None:
        self.settings = read_settings(network.card, ScrfdSettings)
        super().__init__(network, self.settings, size, threshold, nms)
        shapes = network.session.output_shapes.values()
        before = (None,) * (len(next(iter(shapes))) - 1)
        wanted = [Port((*before, width)) for width in _WIDTHS for _ in self.settings.strides]
        require(network.session, network.card.name, outputs=wanted)

    def _rows(self, outputs: list[npt.NDArray[np.float32]], canvas: Bytes) -> Array:
        strides = self.settings.strides
        found = []
        for index, stride in enumerate(strides):
            scores, distances, points = (
                values.reshape(-1, width)
                for values, width in zip(outputs[index :: len(strides)], _WIDTHS, strict=False)
            )
            height, width = canvas.shape[0] // stride, canvas.shape[1] // stride
            if len(scores) != height * width * self.settings.anchors:
                raise ModelError(
                    f"{self.label}: expected {self.settings.anchors} anchors in each of {height * width} "
                    f"cells of stride {stride}, found {len(scores)} scores"
                )
            kept = np.flatnonzero(scores[:, 0] >= self.threshold)
            cell = kept // self.settings.anchors
            anchor = np.stack([cell % width, cell // width], axis=1).astype(np.float32) * stride
            low = anchor - distances[kept, :2] * stride
            high = anchor + distances[kept, 2:] * stride
            five = anchor[:, None] + points[kept].reshape(-1, 5, 2) * stride
            found.append(np.concatenate([scores[kept], low, high, five.reshape(-1, 10)], axis=1))
        return np.concatenate(found)
