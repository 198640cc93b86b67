"""YOLO-face v8: one output whose rows are boxes and points in pixels of the canvas (derronqi/yolov8-face)."""

import numpy as np
import numpy.typing as npt

from omote.faces.boxes import Array
from omote.faces.canvas import Bytes
from omote.faces.detectors.look import LookSettings, OneLook
from omote.zoo import Network, Port, read_settings, require

_ROW = 20  # centre x y, width, height, score, five times x y and whether the point can be seen
_POINTS = [5 + 3 * index + axis for index in range(5) for axis in (0, 1)]


class YoloFace(OneLook):
    """Finds faces with a network of this family; see `MakeDetector` for the arguments.

    Exit: (1, 20, n), a column for each of n cells of all strides.
    """

    def __init__(
        self, network: Network, *, size: int = 640, threshold: float | None = None, nms: float = 0.4
    ) -> None:
        super().__init__(network, read_settings(network.card, LookSettings), size, threshold, nms)
        require(network.session, network.card.name, outputs=[Port((None, _ROW, None))])

    def _rows(self, outputs: list[npt.NDArray[np.float32]], canvas: Bytes) -> Array:
        found = outputs[0][0].T
        found = found[found[:, 4] >= self.threshold]
        centre, half = found[:, :2], found[:, 2:4] / 2
        return np.concatenate([found[:, 4:5], centre - half, centre + half, found[:, _POINTS]], axis=1)
