"""A face cut out of a picture as an aligned square, with what is known of it."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import UsageError
from omote.faces.align import Matrix, invert, move, similarity, template, transform, warp
from omote.faces.face import Face
from omote.faces.pose import head_pose
from omote.training.data.shards import border_of

Bytes = npt.NDArray[np.uint8]

LARGEST = 1280


@dataclass(frozen=True, slots=True)
class Framing:
    """How faces are cut.

    Attributes:
        template: of alignment of the crop inside the border.
        square: side of the squares in pixels, border included: a multiple of 10.

    Raises:
        UsageError: there is no such template, or squares cannot have this side.
    """

    template: str
    square: int

    def __post_init__(self) -> None:
        template(self.template)
        if self.square % 10 or not 40 <= self.square <= LARGEST:
            raise UsageError(
                f"squares of {self.square} pixels: give a multiple of 10 from 40 to {LARGEST}; "
                "a tenth on each side is border"
            )

    @property
    def border(self) -> int:
        """Width of the border in pixels."""
        return border_of(self.square)

    @property
    def side(self) -> int:
        """Side of the crop inside the border, in pixels."""
        return self.square - 2 * self.border

    def matrix(self, face: Face) -> Matrix:
        """Takes picture (x, y, 1) to the square."""
        return similarity(face.points, template(self.template) * self.side + self.border)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """An aligned face.

    Attributes:
        pixels: (square, square, 3) uint8 RGB; what lies outside the picture is reflected.
        points: (5, 2) float32 in pixels of the square.
        scale: pixels of the square per pixel of the picture.
        valid: share of the square that lies in the picture, 0..1.
        pose: yaw, pitch, roll of the head as it stands in the square, degrees, signs as in `Face.pose`; NaN
            for a face without mesh.
    """

    pixels: Bytes
    points: npt.NDArray[np.float32]
    scale: float
    valid: float
    pose: tuple[float, float, float]


def cut_out(pixels: npt.NDArray[Any], face: Face, framing: Framing) -> Cut:
    """Cut a face out of a picture (H, W, 3) uint8 RGB."""
    matrix, size = framing.matrix(face), (framing.square, framing.square)
    mesh = move(face, matrix).mesh
    square = warp(pixels, matrix, size, border=cv2.BORDER_REFLECT_101)
    return Cut(
        np.asarray(square, np.uint8),
        transform(face.points, matrix).astype(np.float32),
        float(np.hypot(matrix[0, 0], matrix[1, 0])),
        _inside(matrix, framing.square, pixels.shape[:2]),
        (np.nan, np.nan, np.nan) if mesh is None else head_pose(mesh),
    )


def _inside(matrix: Matrix, square: int, shape: tuple[int, ...]) -> float:
    """Share of a square that lies in a picture of (height, width), by 64 x 64 places."""
    places = (np.arange(64) + 0.5) * square / 64 - 0.5
    x, y = transform(np.stack(np.meshgrid(places, places), -1), invert(matrix)).reshape(-1, 2).T
    height, width = shape
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return float(inside.mean())
