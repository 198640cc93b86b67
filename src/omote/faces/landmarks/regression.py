"""Networks that say the coordinates outright: PFLD, InsightFace's 106 points, Peppa Pig."""

from dataclasses import dataclass

import numpy as np

from omote.errors import ModelError
from omote.faces.face import Array
from omote.faces.landmarks.box import BoxLandmarker, BoxSettings
from omote.zoo import Network, read_settings


@dataclass(frozen=True, slots=True)
class RegressionSettings(BoxSettings):
    """Exit: one output of `count` × `values` numbers a face, x and y first.

    Attributes:
        count: number of points.
        values: per point: 2, or 3 if a confidence of 0..1 follows x and y.
        gain: pixels of the crop per unit of x and y.
        shift: pixel of the crop where x and y are 0.
        sure: the mean confidence that counts as 1; the score is linear below. Without confidences it is 1.
        output: which of the graph's outputs has the points, counted from 0.

    Sources: Guo et al., PFLD: A Practical Facial Landmark Detector, 2019; InsightFace, coordinate regression.
    """

    count: int = 68
    values: int = 2
    gain: float = 1.0
    shift: float = 0.0
    sure: float = 1.0
    output: int = 0


class Regression(BoxLandmarker):
    """Adapter of these networks."""

    def __init__(self, network: Network) -> None:
        self.settings = read_settings(network.card, RegressionSettings)
        super().__init__(network, self.settings)
        shapes = list(self.session.output_shapes.items())
        if self.settings.output >= len(shapes):
            raise ModelError(f"{self.label}: expected output {self.settings.output}, found {len(shapes)}")
        name, shape = shapes[self.settings.output]
        wanted = self.settings.count * self.settings.values
        sizes = [size for size in shape[1:] if isinstance(size, int)]
        if len(sizes) == len(shape) - 1 and int(np.prod(sizes)) != wanted:
            found = " × ".join(map(str, shape))
            raise ModelError(f"{self.label}: output {name} should hold {wanted} values, found {found}")

    def _read(self, outputs: list[Array], count: int) -> tuple[Array, Array]:
        look = self.settings
        found = outputs[look.output].reshape(count, look.count, look.values)
        points = found[..., :2] * np.float32(look.gain) + np.float32(look.shift)
        if look.values < 3:
            return points, np.ones(count, np.float32)
        return points, np.clip(found[..., 2].mean(1) / look.sure, 0, 1)
