"""Areas of a face that follow from its landmarks: the whole of it, its upper and lower part, mouth, eyes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose.masks import filled_mask, hull_mask
from omote.errors import UsageError
from omote.faces.contours import FACE_OVAL, LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from omote.faces.face import Face

Array = npt.NDArray[np.float32]
Area = Literal["face", "upper-face", "lower-face", "mouth", "eyes"]
AREAS: tuple[Area, ...] = get_args(Area)

FEATHER = 0.05
"""Width of the soft inner edge as a fraction of the face's height."""
MARGIN = 0.05
"""How far the areas of mouth and eyes reach beyond lips and lids, as a fraction of the face's height."""

_MESH_NOSE_BASE = 2
_POINTS_68 = 68
_JAW, _BROWS, _NOSE_BASE, _LIPS = slice(0, 17), slice(17, 27), 33, slice(48, 60)
_EYES = slice(36, 42), slice(42, 48)
# The 68 points end at the brows. How far the forehead goes on above each of them, as a fraction of the way
# from the base of the nose to the brows, is taken from the oval of the canonical mesh.
_FOREHEAD = np.array([0.18, 0.33, 0.36, 0.40, 0.43, 0.43, 0.40, 0.36, 0.33, 0.18], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What the areas are drawn from, in crop pixels.

    Attributes:
        face: (K, 2) points whose convex hull is the face, forehead included.
        lips: (L, 2) points about the lips.
        eyes: (E, 2) points about each eye.
        nose_base: height (y) at which the nose ends and the upper lip begins.
    """

    face: Array
    lips: Array
    eyes: tuple[Array, Array]
    nose_base: float


def outline(face: Face) -> Outline:
    """Take the outline from the mesh, or from the 68 landmarks if there is no mesh.

    Args:
        face: in the pixels of a crop, in which it stands upright.

    Raises:
        UsageError: the face has neither.
    """
    if face.mesh is not None:
        flat = face.mesh[:, :2]
        eyes = flat[list(LEFT_EYE)], flat[list(RIGHT_EYE)]
        return Outline(flat[list(FACE_OVAL)], flat[list(OUTER_LIPS)], eyes, float(flat[_MESH_NOSE_BASE, 1]))
    points = face.landmarks
    if points is None or len(points) != _POINTS_68:
        raise UsageError("areas of the face need its 478-point mesh or 68 landmarks: choose such a network")
    brows = points[_BROWS]
    up = brows.mean(0) - points[_NOSE_BASE]
    forehead = brows + _FOREHEAD[:, None] * up
    contour = np.concatenate([points[_JAW], brows, forehead])
    eyes = points[_EYES[0]], points[_EYES[1]]
    return Outline(contour, points[_LIPS], eyes, float(points[_NOSE_BASE, 1]))


def area_mask(face: Face, areas: Iterable[Area], size: int) -> Array:
    """Mask of several areas together, with a soft inner edge that does not run between neighbours.

    The upper and the lower face meet at the base of the nose and together are the face; the mouth is part
    of the lower face, the eyes with their lids of the face.

    Args:
        face: in the pixels of a crop, in which it stands upright, with mesh or 68 landmarks.
        areas: which of `AREAS`.
        size: side of the crop in pixels.

    Returns:
        (size, size) float32 in 0..1.

    Raises:
        UsageError: the face has no such landmarks.
    """
    shape = outline(face)
    height = float(np.ptp(shape.face[:, 1]))
    whole = _hull(shape.face, size)
    lower = whole & (np.arange(size) >= shape.nose_base)[:, None]
    filled = np.zeros((size, size), np.bool_)
    for area in areas:
        match area:
            case "face":
                filled |= whole
            case "upper-face":
                filled |= whole & ~lower
            case "lower-face":
                filled |= lower
            case "mouth":
                filled |= lower & (hull_mask(shape.lips, size, grow=MARGIN * height) > 0.5)
            case "eyes":
                for eye in shape.eyes:
                    filled |= whole & (hull_mask(eye, size, grow=MARGIN * height) > 0.5)
    return filled_mask(filled, FEATHER * height)


def _hull(points: Array, size: int) -> npt.NDArray[np.bool_]:
    filled = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(filled, np.round(cv2.convexHull(points) * 16).astype(np.int32), 1, shift=4)
    return filled > 0
