"""Gaze: where the irises stand between the corners of their eyes, in the swap and in the target."""

import numpy as np
import numpy.typing as npt

from omote.evaluation.metric import Metric, Scene
from omote.evaluation.statistics import correlation, mean

Array = npt.NDArray[np.float64]

_EYES = (((33, 133), 468), ((362, 263), 473))
"""Corners of each eye, left to right in the picture, and the centre of its iris."""


def gaze_of(mesh: npt.ArrayLike) -> Array:
    """Where the irises stand, (2,): to the right and down of the middle between the corners of their eyes.

    In widths of the eye, along the line through its corners and across it; mean of both eyes.

    Args:
        mesh: (478, 3) or (478, 2) in pixels.
    """
    flat = np.asarray(mesh, np.float64)[:, :2]
    places = []
    for (left, right), iris in _EYES:
        across = flat[right] - flat[left]
        offset = flat[iris] - (flat[left] + flat[right]) / 2
        down = np.array([-across[1], across[0]])
        places.append(np.array([offset @ across, offset @ down]) / max(float(across @ across), 1e-9))
    return np.asarray(np.mean(places, axis=0))


def _distance(scene: Scene) -> Array:
    return np.asarray(np.linalg.norm(scene.made.gaze - scene.target.gaze, axis=1)[:, None])


def _sideways(scene: Scene) -> Array:
    return np.column_stack([scene.made.gaze[:, 0], scene.target.gaze[:, 0]]).astype(np.float64)


def _upwards(scene: Scene) -> Array:
    return np.column_stack([scene.made.gaze[:, 1], scene.target.gaze[:, 1]]).astype(np.float64)


METRICS = (
    Metric("gaze_distance", "gaze: iris to target's", "eye widths", "lower", "target", _distance, mean),
    Metric("gaze_sideways", "gaze sideways, correlation", "", "higher", "target", _sideways, correlation),
    Metric("gaze_upwards", "gaze up and down, correlation", "", "higher", "target", _upwards, correlation),
)
