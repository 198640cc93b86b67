"""Faces that are turned too far away fade to the target instead of breaking."""

import numpy as np

from omote.faces.face import Face

YAW = (38.0, 50.0)
"""Degrees to either side between which a face fades, as omote-mesh tells them.

It says 45 to 50 of faces in full profile, of which half is out of sight, and about 35 of those that a swap
still suits."""
DOWN = (35.0, 55.0)
"""Degrees of looking down between which a face fades."""


def visibility(face: Face) -> float:
    """How much of a new face may show by the pose of the head, 0..1; 1 where the pose is not known.

    It follows the angles without a step, so that a head that turns away does not flicker.
    """
    if face.pose is None:
        return 1.0
    yaw, pitch, _ = face.pose
    return _falling(abs(yaw), *YAW) * _falling(-pitch, *DOWN)


def _falling(angle: float, start: float, end: float) -> float:
    """1 up to `start`, 0 from `end` on, smooth between."""
    t = float(np.clip((angle - start) / (end - start), 0, 1))
    return 1 - t * t * (3 - 2 * t)
