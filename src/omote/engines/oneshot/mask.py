"""Where a one-shot network is to be believed: the face, not its surroundings."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import box_mask, hull_mask, smooth_step
from omote.faces.face import Face
from omote.faces.topology import FACE_OVAL

Array = npt.NDArray[np.float32]

_GROW = 0.2
"""How far beyond the face oval the network is believed, in eye distances: its edge, and room below the chin
for a mouth that opens wider than the target's. At the top of the forehead, where hair begins, it is 0."""

_FEATHER = 0.4
"""Width of the soft edge, in eye distances."""

_RIM = 0.05
"""Width of the soft edge at the border of the crop, as a fraction of its side."""

_LARGEST = 256
"""Side in pixels at which the mask is drawn; it is smooth, so that enlarging it loses nothing."""


def face_mask(face: Face, size: int) -> Array:
    """Soft mask of the face in its crop: the grown oval of its mesh, or the crop itself if it has none.

    It follows the chin, with some room below, and fades towards the hairline.

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
    mask = hull_mask(_grown(oval, unit), small, 0, _FEATHER * unit)
    if small < size:
        mask = np.asarray(cv2.resize(mask, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
    return within_crop(mask)


def _grown(oval: Array, unit: float) -> Array:
    """Move the points of the oval outwards, those of the forehead the less the higher they are."""
    middle, top = oval.mean(0), oval[0]
    up = (top - middle) / max(float(np.linalg.norm(top - middle)), 1e-6)
    height = (oval - middle) @ up / max(float(np.linalg.norm(top - middle)), 1e-6)
    outwards = oval - middle
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    room = _GROW * unit * (1 - smooth_step((height - 0.3) / 0.6))
    return np.asarray(oval + outwards * room[:, None], np.float32)


def within_crop(mask: Array) -> Array:
    """Let a mask, (N, N) in 0..1, end softly before the border of its crop, where it is exactly 0."""
    return np.minimum(mask, box_mask(len(mask), blur=_RIM))
