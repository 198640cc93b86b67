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

    In widths of the eye, along the line through its corners and across it, -0.5..0.5: an iris that a network
    puts outside its eye is taken to be at the corner. Mean of both eyes, each weighted with the square of its
    width: the far eye of a turned head is a few pixels wide and tells little.

    Args:
        mesh: (478, 3) or (478, 2) in pixels.
    """
    flat = np.asarray(mesh, np.float64)[:, :2]
    places, weights = [], []
    for (left, right), iris in _EYES:
        across = flat[right] - flat[left]
        offset = flat[iris] - (flat[left] + flat[right]) / 2
        weights.append(max(float(across @ across), 1e-9))
        places.append(np.array([offset @ across, offset @ (-across[1], across[0])]) / weights[-1])
    return np.average(np.clip(places, -0.5, 0.5), axis=0, weights=weights)


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
