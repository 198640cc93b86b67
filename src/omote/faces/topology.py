"""The face mesh as a surface: triangles, contours, the mirror of every point, and a canonical head.

The tables in topology.npz are derived by `omote.training.mesh.topology`, which says how.
"""

from importlib import resources

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces import contours

Indices = npt.NDArray[np.int32]

with resources.files("omote.faces").joinpath("topology.npz").open("rb") as _file, np.load(_file) as _tables:
    #: (T, 3) triangles over the 468 face points, all wound the same way; eye openings and mouth are covered.
    TRIANGLES: Indices = _tables["triangles"].astype(np.int32)
    #: (478,) the point that a point becomes when the picture is mirrored.
    MIRROR: Indices = _tables["mirror"].astype(np.int32)
    #: (478, 3) mean frontal head in eye distances: x right, y down, z away from the camera; 0 between the
    #: eyes.
    CANONICAL: npt.NDArray[np.float32] = _tables["canonical"]

FACE_OVAL: Indices = np.array(contours.FACE_OVAL, np.int32)
LEFT_EYE: Indices = np.array(contours.LEFT_EYE, np.int32)
RIGHT_EYE: Indices = np.array(contours.RIGHT_EYE, np.int32)
INNER_LIPS: Indices = np.array(contours.INNER_LIPS, np.int32)
OUTER_LIPS: Indices = np.array(contours.OUTER_LIPS, np.int32)
LEFT_BROW: Indices = np.array(contours.LEFT_BROW, np.int32)
RIGHT_BROW: Indices = np.array(contours.RIGHT_BROW, np.int32)
LEFT_IRIS: Indices = np.array(contours.LEFT_IRIS, np.int32)
RIGHT_IRIS: Indices = np.array(contours.RIGHT_IRIS, np.int32)

# These may not be written to: every caller sees the same tables.
for _table in (TRIANGLES, MIRROR, CANONICAL, FACE_OVAL, LEFT_EYE, RIGHT_EYE, INNER_LIPS, OUTER_LIPS):
    _table.setflags(write=False)
for _table in (LEFT_BROW, RIGHT_BROW, LEFT_IRIS, RIGHT_IRIS):
    _table.setflags(write=False)


def triangles_inside(contour: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Mark the triangles, (T,) bool, that lie inside a contour: an eye opening, the inner mouth, the lips."""
    flat = CANONICAL[:, :2]
    polygon = np.ascontiguousarray(flat[np.asarray(contour)]).reshape(-1, 1, 2)
    centres = flat[TRIANGLES].mean(1)
    inside = [cv2.pointPolygonTest(polygon, (float(x), float(y)), False) >= 0 for x, y in centres]
    return np.array(inside, np.bool_)
