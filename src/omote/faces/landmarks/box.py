"""Landmark networks that look at the box of a face: the crop, and what becomes of the points."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.align import Matrix, invert, transform, warp
from omote.faces.boxes import SPREAD
from omote.faces.checks import check_scaling
from omote.faces.crops import tensor
from omote.faces.face import Array, Face
from omote.zoo import Network, Port, require


@dataclass(frozen=True, slots=True)
class BoxSettings:
    """What a network that looks at the box of a face wants, and which of its points are the five.

    Attributes:
        size: side of the square crop in pixels.
        margins: how far the crop reaches beyond the box at its left, top, right and bottom, in widths and
            heights of the box; less than 0 for a crop that begins inside.
        square: whether the crop is made square around its centre; if not, it is stretched to its size.
        upright: whether a face is turned by quarters until its eyes lie as level as they can.
        dark: a crop whose mean lightness (L of Lab, 0..255) is less has its contrast raised, clip limit 2.
        mean: of red, green and blue, taken from pixels in 0..1.
        std: likewise; what remains is divided by it.
        bgr: whether the network wants blue first.
        five: which points' mean is the left eye, the right eye, the nose tip, the left and the right mouth
            corner; none if the network's points have no such.
        threshold: a face whose points the network is less sure of, 0..1, keeps the detector's five.
    """

    size: int
    margins: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    square: bool = True
    upright: bool = False
    dark: float = 0.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = False
    five: tuple[tuple[int, ...], ...] = ()
    threshold: float = 0.5


class BoxLandmarker(ABC):
    """Finds the points of faces in crops of their boxes, all faces at once if the graph allows.

    Stateless, safe to call from several threads.

    Raises:
        ModelError: the network does not meet its contract.
    """

    def __init__(self, network: Network, settings: BoxSettings) -> None:
        self.label = network.card.name
        self.session = network.session
        self._crop = settings
        if len(settings.five) not in (0, 5):
            raise ModelError(f"{self.label}: 'five' wants five groups of points")
        check_box(self.label, settings)
        require(self.session, self.label, [Port((None, 3, settings.size, settings.size))])

    def refine(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> list[Face]:
        """Return the faces with `landmarks`, and with five points taken from them where they are sure.

        A face whose points are no numbers stays as it is; one whose five lie in one place keeps its own.

        Args:
            pixels: (H, W, 3) RGB, uint8, uint16 or float32 0..1.
            faces: faces of that picture, with their boxes and five points.
        """
        if not faces:
            return []
        look = self._crop
        matrices = [box_matrix(face, look) for face in faces]
        size = (look.size, look.size)
        crops = [warp(pixels, matrix, size, cv2.BORDER_CONSTANT) for matrix in matrices]
        crops = [lighten(crop, look.dark) for crop in crops]
        outputs = self.session.run_batch(tensor(crops, look.mean, look.std, bgr=look.bgr))
        points, scores = self._read(outputs, len(faces))
        return [
            self._refined(face, found, invert(matrix), float(score))
            for face, found, matrix, score in zip(faces, points, matrices, scores, strict=True)
        ]

    def _refined(self, face: Face, found: Array, back: Matrix, score: float) -> Face:
        if not np.isfinite(found).all():
            return face
        five, landmarks = face.points, transform(found, back).astype(np.float32)
        if self._crop.five and score >= self._crop.threshold:
            if max(max(group) for group in self._crop.five) >= len(landmarks):
                raise ModelError(f"{self.label}: gives {len(landmarks)} points, 'five' names more")
            seen = five_of(landmarks, self._crop.five)
            five = seen if np.ptp(seen, axis=0).max() >= SPREAD else five
        return replace(face, points=five, landmarks=landmarks)

    @abstractmethod
    def _read(self, outputs: list[Array], count: int) -> tuple[Array, Array]:
        """Decode the outputs: points, (count, N, 2) in pixels of the crop, and their scores, (count,)."""


def check_box(label: str, look: BoxSettings) -> None:
    """Check what a card says of the crop.

    Raises:
        ModelError: a setting cannot be.
    """
    if len(look.margins) != 4:
        raise ModelError(f"{label}: setting 'margins' is {list(look.margins)}, expected four numbers")
    check_scaling(label, look.mean, look.std)


def five_of(landmarks: Array, groups: Sequence[Sequence[int]]) -> Array:
    """The five points, (5, 2), as means of groups of landmarks, (N, 2)."""
    return np.stack([landmarks[list(group)].mean(0) for group in groups])


def quarters_of(face: Face) -> int:
    """By how many quarters the face is turned clockwise, 0 to 3."""
    across = face.points[1] - face.points[0]
    return round(float(np.degrees(np.arctan2(across[1], across[0]))) / 90) % 4


def box_matrix(face: Face, look: BoxSettings) -> Matrix:
    """The (2, 3) matrix from the picture to the crop.

    The box's edges lie at the crop's edges 0 and `size`, as the authors of these networks have it.
    """
    centre = (face.box[:2] + face.box[2:]).astype(np.float64) / 2
    extent = (face.box[2:] - face.box[:2]).astype(np.float64)
    quarters = quarters_of(face) if look.upright else 0
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    turn = np.array([[cosine, sine], [-sine, cosine]], np.float64)  # counter-clockwise as seen
    if quarters % 2:
        extent = extent[::-1]
    margins = np.array(look.margins).reshape(2, 2)  # left top, right bottom
    low, high = -extent / 2 - margins[0] * extent, extent / 2 + margins[1] * extent
    if look.square:
        middle, half = (low + high) / 2, (high - low).max() / 2
        low, high = middle - half, middle + half
    scale = look.size / np.maximum(high - low, 1e-3)
    linear = scale[:, None] * turn
    return np.column_stack([linear, -scale * low - linear @ centre])


def lighten(crop: npt.NDArray[Any], dark: float) -> npt.NDArray[Any]:
    """Raise the contrast of a crop whose mean lightness is less than `dark` (L of Lab, 0..255)."""
    if not dark:
        return crop
    eight = crop
    if crop.dtype != np.uint8:
        full = 65535 if crop.dtype == np.uint16 else 1
        eight = np.clip(np.round(crop.astype(np.float32) * (255 / full)), 0, 255).astype(np.uint8)
    lab = cv2.cvtColor(eight, cv2.COLOR_RGB2LAB)
    if lab[..., 0].mean() >= dark:
        return crop
    lab[..., 0] = cv2.createCLAHE(clipLimit=2.0).apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))
