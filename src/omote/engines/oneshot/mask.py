"""Where a one-shot network is to be believed: the face, not its surroundings."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import box_mask, hull_mask
from omote.faces.face import Face
from omote.faces.topology import FACE_OVAL

Array = npt.NDArray[np.float32]

_GROW = 0.2
"""How far beyond the face oval the network is believed, in eye distances: its edge, not the hair."""

_FEATHER = 0.4
"""Width of the soft edge, in eye distances."""

_RIM = 0.05
"""Width of the soft edge at the border of the crop, as a fraction of its side."""

_LARGEST = 256
"""Side in pixels at which the mask is drawn; it is smooth, so that enlarging it loses nothing."""


def face_mask(face: Face, size: int) -> Array:
    """Soft mask of the face in its crop: the grown oval of its mesh, or the crop itself if it has none.

    Args:
        face: in pixels of the crop.
        size: side of the crop in pixels.

    Returns:
        (size, size) float32 in 0..1, exactly 0 at the border of the crop.
    """
    if face.mesh is None:
        return box_mask(size)
    small = min(size, _LARGEST)
    oval = (face.mesh[FACE_OVAL, :2] + 0.5) * (small / size) - 0.5
    unit = face.eye_distance * small / size
    mask = hull_mask(oval, small, _GROW * unit, _FEATHER * unit)
    if small < size:
        mask = np.asarray(cv2.resize(mask, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
    return within_crop(mask)


def within_crop(mask: Array) -> Array:
    """Let a mask, (N, N) in 0..1, end softly before the border of its crop, where it is exactly 0."""
    return np.minimum(mask, box_mask(len(mask), blur=_RIM))
