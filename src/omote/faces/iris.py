"""The irises, looked at closely: MediaPipe's iris network moves points 468 to 477 of the mesh."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.align import Matrix, invert, transform, warp
from omote.faces.contours import LEFT_IRIS, RIGHT_IRIS
from omote.faces.crops import unit
from omote.faces.face import Array, Face
from omote.zoo import Network, Port, read_settings, require

# Corners of the eye, the points of its iris, and their order in the network's output.
_LEFT = ((33, 133), LEFT_IRIS, (0, 1, 2, 3, 4))
_RIGHT = ((362, 263), RIGHT_IRIS, (0, 3, 2, 1, 4))  # seen mirrored: right and left of the rim change places


@dataclass(frozen=True, slots=True)
class IrisSettings:
    """What the network wants: the eye at the left of the picture, level, (1, size, size, 3) RGB in 0..1.

    It gives the eye's contour, 71 × (x, y, z), and the iris, 5 × (x, y, z), in pixels of that crop.
    Source: Ablavatski et al., Real-time Pupil Tracking from Monocular Video, 2020.

    Attributes:
        size: side of the crop in pixels.
        side: side of the crop in widths of the eye, from corner to corner.
    """

    size: int
    side: float


class IrisNetwork:
    """Makes the irises of meshes better. Stateless, safe to call from several threads.

    Raises:
        ModelError: the network does not meet its contract.
    """

    def __init__(self, network: Network) -> None:
        self.settings = read_settings(network.card, IrisSettings)
        self.session = network.session
        crop = Port((None, self.settings.size, self.settings.size, 3))
        require(self.session, network.card.name, [crop], [Port((None, 213)), Port((None, 15))])

    def refine(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> list[Face]:
        """Return the faces with x and y of the ten iris points of their meshes looked at anew.

        Args:
            pixels: (H, W, 3) RGB, uint8, uint16 or float32 0..1.
            faces: faces of that picture, with meshes.

        Raises:
            ModelError: a face has no mesh.
        """
        return [replace(face, mesh=self._looked(pixels, face.mesh)) for face in faces]

    def _looked(self, pixels: npt.NDArray[Any], mesh: Array | None) -> Array:
        if mesh is None:
            raise ModelError("iris network: a face has no mesh: find that first")
        new, size = mesh.copy(), self.settings.size
        matrices = [self._matrix(mesh, corners) for corners, *_ in (_LEFT, _RIGHT)]
        matrices[1] = np.diag([-1.0, 1.0]) @ matrices[1] + np.array([[0, 0, size - 1], [0, 0, 0]])
        crops = [unit(warp(pixels, matrix, (size, size))) for matrix in matrices]
        found = self.session.run_batch(np.stack(crops))[1].reshape(2, 5, 3)
        for (_, iris, order), points, matrix in zip((_LEFT, _RIGHT), found, matrices, strict=True):
            new[list(iris), :2] = transform(points[list(order), :2], invert(matrix))
        return new

    def _matrix(self, mesh: Array, corners: tuple[int, int]) -> Matrix:
        """From the picture to the crop in which the eye stands level in the middle."""
        first, last = mesh[list(corners), :2].astype(np.float64)
        across, middle = last - first, (first + last) / 2
        scale = self.settings.size / (self.settings.side * max(float(across @ across), 1e-9))
        linear = scale * np.array([across, [-across[1], across[0]]])
        return np.column_stack([linear, (self.settings.size - 1) / 2 - linear @ middle])


IRISES: dict[str, Callable[[Network], IrisNetwork]] = {"iris": IrisNetwork}
"""Adapters by the name that contracts give."""
