"""Head pose from the mesh: how the canonical head must be turned to project onto it (PnP)."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.contours import RIGID
from omote.faces.topology import CANONICAL

_RIGID_POINTS = np.array(RIGID)
_OUTER_CORNERS = (RIGID.index(33), RIGID.index(263))
# A long lens: the mesh network sees every face in a crop, so perspective says nothing about the distance.
_FOCAL = 20.0


def rotation(mesh: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the rotation, (3, 3), from the canonical head to the head in the picture.

    Axes: x right, y down, z away from the camera.

    Args:
        mesh: (478, 3) or (478, 2) in picture pixels.
    """
    flat = np.asarray(mesh, np.float64)[_RIGID_POINTS, :2]
    head = CANONICAL[_RIGID_POINTS].astype(np.float64)
    scale = np.linalg.norm(flat - flat.mean(0)) / np.linalg.norm(head[:, :2] - head[:, :2].mean(0))
    flat = (flat - flat.mean(0)) / max(scale, 1e-9)
    camera = np.diag([_FOCAL, _FOCAL, 1.0])
    across = flat[_OUTER_CORNERS[1]] - flat[_OUTER_CORNERS[0]]
    lean = np.array([0, 0, np.arctan2(across[1], across[0])])  # a start from which the fit cannot go astray
    _, turn, _ = cv2.solvePnP(
        head - head.mean(0),
        flat,
        camera,
        None,
        lean,
        np.array([0, 0, _FOCAL]),
        True,
        cv2.SOLVEPNP_ITERATIVE,
    )
    return np.asarray(cv2.Rodrigues(turn)[0], np.float64)


def angles(turn: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a (3, 3) rotation: first yaw, then pitch, then roll of the head.

    Signs as in `Face.pose`: yaw > 0 looks to the right of the picture, pitch > 0 looks up, roll > 0 leans
    clockwise.
    """
    # Where the nose (canonical -z) points, and how the head's own x axis leans about that direction.
    nose = -turn[:, 2]
    yaw = np.arctan2(nose[0], -nose[2])
    pitch = np.arctan2(-nose[1], np.hypot(nose[0], nose[2]))
    level = np.array([np.cos(yaw), 0.0, np.sin(yaw)])
    upright = np.cross(-nose, level)
    roll = np.arctan2(turn[:, 0] @ upright, turn[:, 0] @ level)
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def head_pose(mesh: npt.ArrayLike) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a mesh, (478, 3) in picture pixels; signs as in `Face.pose`."""
    return angles(rotation(mesh))
