"""PIPNet: a point lies in the cell where its score is highest, at an offset that its neighbours confirm."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.face import Array
from omote.faces.landmarks.box import BoxLandmarker, BoxSettings
from omote.zoo import Network, Port, read_settings, require


@dataclass(frozen=True, slots=True)
class PipSettings(BoxSettings):
    """Exit: scores (B, N, h, w), then the offsets in x and in y of the N points from the corner of each cell,
    likewise; then, if there are neighbours, the offsets in x and in y of each point's nearest in the mean
    face, (B, N * neighbours, h, w). The unit is a cell of `stride` pixels.

    Attributes:
        stride: pixels of the crop per cell.
        neighbours: per point.
        mean_face: x y of each point, 2 N numbers in any unit: says who is whose neighbour. Without it a point
            lies where its own cell says.

    Source: Jin et al., Pixel-in-Pixel Net: Towards Efficient Facial Landmark Detection in the Wild, 2021.
    Its programs repeat some neighbours so that all points have equally many; here each counts once.
    """

    stride: int = 32
    neighbours: int = 10
    mean_face: tuple[float, ...] = ()


class PipNet(BoxLandmarker):
    """Adapter of these networks."""

    def __init__(self, network: Network) -> None:
        self.settings = read_settings(network.card, PipSettings)
        super().__init__(network, self.settings)
        self._near = nearest(self.settings.mean_face, self.settings.neighbours)
        cells = self.settings.size // self.settings.stride
        maps = Port((None, None, cells, cells))
        require(self.session, self.label, outputs=[maps] * (5 if self.settings.mean_face else 3))

    def _read(self, outputs: list[Array], count: int) -> tuple[Array, Array]:
        maps = [values.reshape(count, values.shape[1], -1) for values in outputs]
        width = outputs[0].shape[3]
        best = maps[0].argmax(2)  # (count, N)
        cell = np.stack([best % width, best // width], axis=2).astype(np.float32)
        points = cell + np.stack([_at(offsets, best) for offsets in maps[1:3]], axis=2)
        if self.settings.mean_face:
            points = self._agreed(points, cell, maps[3:5], best)
        scores = np.clip(maps[0].max(2).mean(1), 0, 1)
        return points * np.float32(self.settings.stride), scores

    def _agreed(self, points: Array, cell: Array, maps: list[Array], best: npt.NDArray[np.intp]) -> Array:
        """The mean of where a point says that it is and of where those say it is whose neighbour it is."""
        number = points.shape[1]
        if number != len(self._near):
            raise ModelError(f"{self.label}: gives {number} points, its mean face has {len(self._near)}")
        near = self.settings.neighbours
        offsets = np.stack([_at(values, np.repeat(best, near, axis=1)) for values in maps], axis=2)
        said = np.repeat(cell, near, axis=1) + offsets  # (count, N * near, 2)
        total, votes = points.copy(), np.ones(number, np.float32)
        np.add.at(votes, self._near.ravel(), 1)
        for one, words in zip(total, said, strict=True):
            np.add.at(one, self._near.ravel(), words)
        return np.asarray(total / votes[:, None], np.float32)


def nearest(mean_face: tuple[float, ...], count: int) -> npt.NDArray[np.intp]:
    """For each point of the mean face the indices of its nearest others, (N, count), nearest first."""
    face = np.array(mean_face, np.float64).reshape(-1, 2)
    gaps = np.linalg.norm(face[:, None] - face, axis=2)
    np.fill_diagonal(gaps, -1)
    return np.asarray(gaps.argsort(axis=1, kind="stable")[:, 1 : count + 1], np.intp)


def _at(maps: Array, cells: npt.NDArray[np.intp]) -> Array:
    """The value of every map, (count, N, cells), in its own cell, (count, N)."""
    return np.asarray(np.take_along_axis(maps, cells[:, :, None], axis=2)[:, :, 0], np.float32)
