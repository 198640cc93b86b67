"""Background: whether what is not face stays as it was."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import hull_mask
from omote.evaluation.metric import Metric, Scene
from omote.evaluation.photos import BORDER
from omote.evaluation.statistics import mean
from omote.faces.align import template
from omote.faces.topology import FACE_OVAL

Array = npt.NDArray[np.float64]

_GROW = 0.25
"""How far the face goes on beyond the oval of its mesh, in eye distances: a soft edge is no damage."""


def background_mask(mesh: npt.ArrayLike, side: int) -> npt.NDArray[np.bool_]:
    """What is not face in an aligned picture, (side, side): all beyond the oval and its soft edge."""
    flat = np.asarray(mesh, np.float32)[:, :2]
    left, right = template("arcface_112_v2")[:2]
    unit = float(np.linalg.norm(right - left)) * (1 - 2 * BORDER) * side
    return np.asarray(hull_mask(flat[FACE_OVAL], side, grow=_GROW * unit) <= 0)


def _change(scene: Scene) -> Array:
    rows = []
    for mesh, before, after in zip(scene.target.mesh, scene.target_pixels, scene.made_pixels, strict=True):
        outside = background_mask(mesh, len(before))
        change = cv2.absdiff(before, after)[outside]
        rows.append(float(change.mean()) if change.size else 0.0)
    return np.array(rows)[:, None]


METRICS = (Metric("background", "background, mean change", "of 255", "lower", "target", _change, mean),)
