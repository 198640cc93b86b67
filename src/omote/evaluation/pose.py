"""Pose: by how many degrees the head of a swap is turned against the target's."""

import numpy as np
import numpy.typing as npt

from omote.evaluation.metric import Metric, Scene
from omote.evaluation.statistics import mean
from omote.faces.pose import angles

Array = npt.NDArray[np.float64]


def turn_between(first: npt.ArrayLike, second: npt.ArrayLike) -> Array:
    """Angle in degrees of the rotation from one (..., 3, 3) rotation to another, 0..180."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    # by the chord |a - b| = 2·√2·sin(θ/2), which is exact for small angles where arccos of the trace is not
    chord = np.sqrt(((a - b) ** 2).sum((-2, -1)))
    return np.asarray(np.degrees(2 * np.arcsin(np.clip(chord / np.sqrt(8), 0, 1))))


def _turn(scene: Scene) -> Array:
    return turn_between(scene.made.rotation, scene.target.rotation)[:, None]


def _angles(scene: Scene) -> Array:
    made, target = (
        np.array([angles(turn) for turn in looks.rotation]) for looks in (scene.made, scene.target)
    )
    return np.asarray(np.linalg.norm((made - target + 180) % 360 - 180, axis=1)[:, None])


METRICS = (
    Metric("pose", "head pose, turn to target's", "°", "lower", "target", _turn, mean),
    Metric("pose_angles", "head pose, L2 of yaw, pitch, roll", "°", "lower", "target", _angles, mean),
)
