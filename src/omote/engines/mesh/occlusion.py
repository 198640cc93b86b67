"""What lies before the upper face: frames of glasses, dark lenses, strands of dark hair."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import hull_mask, polygon_mask, smooth_step
from omote.faces.topology import FACE_OVAL, LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE

Array = npt.NDArray[np.float32]


def dark_occluders(target: Array, new: Array, mask: Array, mesh: Array, unit: float) -> Array:
    """Where the upper face of the target is much darker than the skin that would replace it.

    Both faces lie on the same mesh, so bare skin meets bare skin; what is darker in the target by far is
    something before it. Brows and eyes are dark by nature and do not count, except under dark lenses.

    Args:
        target: (N, N, 3) float32 RGB in 0..1, the picture.
        new: (N, N, 3) float32 RGB in 0..1, the skin that would replace it.
        mask: (N, N) float32 in 0..1, where it would.
        mesh: (478, 3) in pixels of these arrays.
        unit: distance between the eyes in pixels.

    Returns:
        (N, N) float32 in 0..1, 1 where the target should stay.
    """
    size = target.shape[0]
    brows = [
        polygon_mask(mesh[contour, :2], size, 0.08 * unit, 0.06 * unit) for contour in (LEFT_BROW, RIGHT_BROW)
    ]
    eyes = [
        polygon_mask(mesh[contour, :2], size, 0.1 * unit, 0.08 * unit) for contour in (LEFT_EYE, RIGHT_EYE)
    ]
    features = np.maximum.reduce([*brows, *eyes])
    upper = _upper_face(mesh, size, unit)
    skin = upper * (1 - features) * (mask > 0.05)
    old_luma, new_luma = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (target, new))
    # The middle of the face is surely skin: bring both to the same brightness there.
    level = float((old_luma * skin).sum() / max(float((new_luma * skin).sum()), 1e-6))
    darker = 1 - (old_luma + 0.02) / (new_luma * level + 0.02)
    found = smooth_step((darker - 0.3) / 0.25) * skin
    found = cv2.GaussianBlur(cv2.dilate(found, np.ones((3, 3), np.uint8)), (0, 0), 0.015 * unit + 0.5)
    # Where most of the skin around an eye is covered, so are the eye and the brow.
    for brow, eye in zip(brows, eyes, strict=True):
        around = cv2.dilate(eye, np.ones((3, 3), np.uint8), iterations=max(1, round(0.14 * unit))) * skin
        covered = float((found * around).sum() / max(float(around.sum()), 1e-6))
        found = np.maximum(found, np.maximum(brow, eye) * smooth_step((covered - 0.4) / 0.3))
    return np.asarray(np.clip(found, 0, 1), np.float32)


def _upper_face(mesh: Array, size: int, unit: float) -> Array:
    """Soft mask of the face above the nose tip, (size, size)."""
    eyes = (mesh[LEFT_EYE, :2].mean(0) + mesh[RIGHT_EYE, :2].mean(0)) / 2
    chin = mesh[FACE_OVAL[len(FACE_OVAL) // 2], :2]
    down = (chin - eyes) / max(float(np.linalg.norm(chin - eyes)), 1e-6)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    below = (x - eyes[0]) * down[0] + (y - eyes[1]) * down[1]
    return hull_mask(mesh[FACE_OVAL, :2], size, 0, 1) * (
        1 - smooth_step((below - 0.55 * unit) / (0.2 * unit))
    )
