"""Where the mesh engine vouches for its pixels: the face, less what the target keeps."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import polygon_mask, smooth_step
from omote.faces.topology import INNER_LIPS, LEFT_EYE, RIGHT_EYE

Array = npt.NDArray[np.float32]

RIM = 0.1
"""Width of the border that the map has beyond the mesh, as a fraction of the eye distance."""


def face_mask(covered: npt.NDArray[np.bool_], unit: float, feather: float) -> Array:
    """Soft mask of the face, zero on the rim.

    Args:
        covered: (N, N), where the mesh and its rim lie.
        unit: eye distance in the same pixels.
        feather: width of the soft edge as a fraction of the eye distance.
    """
    padded = np.pad(covered.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1] / unit - RIM
    return smooth_step(distance / feather)


def openings(mesh: Array, size: int, unit: float) -> Array:
    """Soft mask of what lies in the openings of a face, its eyes and the inside of its mouth.

    Args:
        mesh: (478, 3) in crop pixels.
        size: side of the crop in pixels.
        unit: eye distance in crop pixels.
    """
    eyes = [polygon_mask(mesh[eye, :2], size, 0.08 * unit, 0.08 * unit) for eye in (LEFT_EYE, RIGHT_EYE)]
    mouth = polygon_mask(mesh[INNER_LIPS, :2], size, 0.03 * unit, 0.03 * unit)
    return np.asarray(np.maximum.reduce([*eyes, mouth]), np.float32)


def seen(source: Array, target: Array) -> Array:
    """1 where the source shows the skin about as squarely as the target does, 0 where it hides it.

    Args:
        source: (478,) cosines from `facing`.
        target: (478,) the same of the target.
    """
    return smooth_step((source / np.maximum(target, 0.2) - 0.15) / 0.35)
