"""Heat-map networks of 2DFAN's kind: the points, and one map each that says how sure it is of its point."""

from dataclasses import dataclass

import numpy as np

from omote.faces.face import Array
from omote.faces.landmarks.box import BoxLandmarker, BoxSettings
from omote.zoo import Network, Port, read_settings, require


@dataclass(frozen=True, slots=True)
class HeatmapSettings(BoxSettings):
    """Exit: points (B, N, 3), x and y on the grid of the maps; maps (B, N, grid, grid).

    Attributes:
        grid: side of the maps; a crop has `size / grid` pixels per cell.
        sure: the mean over the maps of their highest value that counts as 1; the score is linear below.

    Source: Bulat & Tzimiropoulos, How far are we from solving the 2D & 3D Face Alignment problem?, 2017.
    """

    grid: int = 64
    sure: float = 0.9


class Heatmap(BoxLandmarker):
    """Adapter of these networks."""

    def __init__(self, network: Network) -> None:
        self.settings = read_settings(network.card, HeatmapSettings)
        super().__init__(network, self.settings)
        grid = self.settings.grid
        maps = Port((None, None, grid, grid))
        require(self.session, self.label, outputs=[Port((None, None, 3)), maps])

    def _read(self, outputs: list[Array], count: int) -> tuple[Array, Array]:
        points, maps = outputs[:2]
        peaks = maps.reshape(count, maps.shape[1], -1).max(2).mean(1)
        scores = np.clip(peaks / self.settings.sure, 0, 1)
        return points[..., :2] * np.float32(self.settings.size / self.settings.grid), scores
