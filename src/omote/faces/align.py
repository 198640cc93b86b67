"""Templates and alignment: from a face in a picture to a square crop, and exactly back.

Template coordinates are fractions of the crop size, as the networks that use them were trained
(origins in docs/architecture.md). A crop pixel (x, y) and a picture pixel are joined by one 2×3 matrix.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import UsageError
from omote.faces.face import Face

Array = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Pixels = npt.NDArray[Any]

TEMPLATES: dict[str, Array] = {
    name: np.array(points, np.float32)
    for name, points in {
        "arcface_112_v1": [
            (0.35473214, 0.45658929),
            (0.64526786, 0.45658929),
            (0.50000000, 0.61154464),
            (0.37913393, 0.77687500),
            (0.62086607, 0.77687500),
        ],
        "arcface_112_v2": [
            (0.34191607, 0.46157411),
            (0.65653393, 0.45983393),
            (0.50022500, 0.64050536),
            (0.37097589, 0.82469196),
            (0.63151696, 0.82325089),
        ],
        "arcface_128": [
            (0.36167656, 0.40387734),
            (0.63696719, 0.40235469),
            (0.50019687, 0.56044219),
            (0.38710391, 0.72160547),
            (0.61507734, 0.72034453),
        ],
        "ffhq_512": [
            (0.37691676, 0.46864664),
            (0.62285697, 0.46912813),
            (0.50123859, 0.61331904),
            (0.39308822, 0.72541100),
            (0.61150205, 0.72490465),
        ],
        "dfl_whole_face": [
            (0.35342266, 0.39285716),
            (0.62797622, 0.39285716),
            (0.48660713, 0.54017860),
            (0.38839287, 0.68750011),
            (0.59821427, 0.68750011),
        ],
        "mtcnn_512": [
            (0.36562865, 0.46733799),
            (0.63305391, 0.46585885),
            (0.50019127, 0.61942959),
            (0.39032951, 0.77598822),
            (0.61178945, 0.77476328),
        ],
        "styleganex_384": [
            (0.42353745, 0.52289879),
            (0.57725008, 0.52319972),
            (0.50123859, 0.61331904),
            (0.43364461, 0.68337652),
            (0.57015325, 0.68306005),
        ],
    }.items()
}


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A square piece of a picture in which the face stands upright.

    Attributes:
        pixels: (size, size, 3) RGB, dtype of the picture.
        matrix: (2, 3) float64, takes picture (x, y, 1) to crop (x, y).
        face: the face in crop pixels.
        bare: (size, size) float32 in 0..1, where nothing lies before the face, if anybody has looked.
    """

    pixels: Pixels
    matrix: Matrix
    face: Face
    bare: npt.NDArray[np.float32] | None = None

    @property
    def size(self) -> int:
        """Side of the crop in pixels."""
        return int(self.pixels.shape[0])

    @property
    def scale(self) -> float:
        """Crop pixels per picture pixel."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))


def template(name: str) -> Array:
    """Return the five template points, (5, 2) as fractions of the crop size."""
    try:
        return TEMPLATES[name]
    except KeyError:
        raise UsageError(f"unknown template '{name}': choose one of {', '.join(TEMPLATES)}") from None


def similarity(points: npt.ArrayLike, target: npt.ArrayLike) -> Matrix:
    """Least-squares similarity (rotation, uniform scale, shift) from `points` to `target`.

    Umeyama 1991, without reflection.

    Args:
        points: (N, 2), N ≥ 2, not all equal.
        target: (N, 2).

    Returns:
        (2, 3) float64 matrix.
    """
    a, b = np.asarray(points, np.float64), np.asarray(target, np.float64)
    a_mean, b_mean = a.mean(0), b.mean(0)
    a, b = a - a_mean, b - b_mean
    variance = (a**2).sum()
    if variance < 1e-12:
        raise ValueError("a similarity needs at least two different points")
    # In the plane the best rotation and scale are one complex number.
    cosine = (a * b).sum() / variance
    sine = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / variance
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, b_mean - linear @ a_mean])


def invert(matrix: Matrix) -> Matrix:
    """Exact inverse of a (2, 3) affine matrix."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def transform(points: npt.ArrayLike, matrix: Matrix) -> npt.NDArray[np.float64]:
    """Apply a (2, 3) matrix to (..., 2) points."""
    return np.asarray(np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2])


def warp(
    pixels: Pixels,
    matrix: Matrix,
    size: tuple[int, int],
    border: int = cv2.BORDER_REPLICATE,
    interpolation: int = cv2.INTER_LINEAR,
) -> Pixels:
    """Warp a picture so that picture (x, y, 1) lands at `matrix` @ (x, y, 1).

    Strong reductions are averaged first (box filter), so that a large face does not alias in a small crop.

    Args:
        pixels: (H, W[, C]) uint8, uint16 or float32.
        matrix: (2, 3).
        size: width and height of the result.
        border: OpenCV's flag for what lies outside.
        interpolation: OpenCV's flag.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    steps = int(1 / scale + 1e-6) if scale > 0 else 1
    if steps >= 2:
        pixels, matrix = _needed(pixels, matrix, size, steps)
        reduced = cv2.resize(
            pixels, None, fx=1 / steps, fy=1 / steps, interpolation=cv2.INTER_AREA
        )  # pixel centres: reduced = (full + 0.5) / steps - 0.5
        sx, sy = pixels.shape[1] / reduced.shape[1], pixels.shape[0] / reduced.shape[0]
        up = np.array([[sx, 0, sx / 2 - 0.5], [0, sy, sy / 2 - 0.5], [0, 0, 1]])
        return warp(reduced, matrix @ up, size, border, interpolation)
    return cv2.warpAffine(pixels, matrix, size, flags=interpolation, borderMode=border)


def _needed(pixels: Pixels, matrix: Matrix, size: tuple[int, int], steps: int) -> tuple[Pixels, Matrix]:
    """The part of a picture that a warp looks at, and the warp from there: reducing all of it takes long.

    Its sides are multiples of `steps` if that can be had: OpenCV reduces these faster.
    """
    width, height = size
    corners = transform([[0, 0], [width, 0], [0, height], [width, height]], invert(matrix))
    margin = 4 + 2 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    limits = np.array([pixels.shape[1], pixels.shape[0]])
    x0, y0 = np.clip(corners.min(0) - margin, 0, np.maximum(limits - margin, 0)).astype(int)
    x1, y1 = np.clip(corners.max(0) + margin, (x0 + margin, y0 + margin), limits).astype(int)
    x0, y0 = max(x0 - (x0 - x1) % steps, 0), max(y0 - (y0 - y1) % steps, 0)
    shift = matrix[:, :2] @ (x0, y0)
    return pixels[y0:y1, x0:x1], np.column_stack([matrix[:, :2], matrix[:, 2] + shift])


def move(face: Face, matrix: Matrix) -> Face:
    """Carry a face into the coordinates that `matrix`, a similarity, leads to; z scales with x and y."""
    corners = transform(face.box[[[0, 1], [2, 1], [2, 3], [0, 3]]], matrix)
    mesh = face.mesh
    if mesh is not None:
        scale = np.hypot(matrix[0, 0], matrix[1, 0])
        mesh = np.column_stack([transform(mesh[:, :2], matrix), mesh[:, 2] * scale]).astype(np.float32)
    return replace(
        face,
        box=np.concatenate([corners.min(0), corners.max(0)]).astype(np.float32),
        points=transform(face.points, matrix).astype(np.float32),
        mesh=mesh,
        landmarks=None if face.landmarks is None else transform(face.landmarks, matrix).astype(np.float32),
    )


def align(
    pixels: Pixels, face: Face, template_name: str, size: int, interpolation: int = cv2.INTER_LINEAR
) -> Crop:
    """Cut a face out of a picture so that its five points lie on a template.

    Args:
        pixels: (H, W, 3) RGB.
        face: a face of that picture.
        template_name: a key of `TEMPLATES`.
        size: side of the crop in pixels.
        interpolation: OpenCV's flag.
    """
    matrix = similarity(face.points, template(template_name) * size)
    return Crop(warp(pixels, matrix, (size, size), interpolation=interpolation), matrix, move(face, matrix))


def unalign(crop: Crop, size: tuple[int, int]) -> Pixels:
    """Lay the crop back where it came from, in a picture of (width, height); 0 outside the crop."""
    return warp(crop.pixels, invert(crop.matrix), size, cv2.BORDER_CONSTANT)
