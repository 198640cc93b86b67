"""The shape of a person: what of a face mesh belongs to who it is, not to what it does.

A mesh differs from another by person, expression and pose. `shape.npz` holds the directions in which people
differ, each weighted by how surely one photo tells it (linear discriminants, shrunk as by a Wiener filter);
`omote.training.mesh.shape` derives it from people with several photos.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import smooth_step
from omote.faces.topology import FACE_OVAL, LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

_GAIN = 1.2
"""The expected shape is nearer to the mean than any person is; this gives back some of what it lacks."""
_FARTHEST = 4.0
"""Largest difference of two people in a coordinate, in standard deviations: beyond it a mesh has failed."""
_BORDER = 0.4
"""Width of the zone inside the face oval in which a change of shape begins, in eye distances."""

_EYES = ((LEFT_EYE, LEFT_IRIS), (RIGHT_EYE, RIGHT_IRIS))


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What `shape.npz` holds.

    Attributes:
        mean: (468, 3) mean face, centred, of norm 1.
        encode: (K, 1404) from a mesh laid over the mean to the coordinates of the person, each of a variance
            of at most 1.
        decode: (1404, K) what each coordinate does to the mesh.
    """

    mean: Floats
    encode: Floats
    decode: Floats


@cache
def _tables() -> _Tables:
    with (
        resources.files("omote.engines.mesh").joinpath("shape.npz").open("rb") as file,
        np.load(file) as found,
    ):
        return _Tables(*(found[name].astype(np.float64) for name in ("mean", "encode", "decode")))


def person_shape(mesh: Array) -> Floats:
    """The shape of the person, (K,), seen in one mesh, (478, 3) in pixels of a picture."""
    return _tables().encode @ _fitted(mesh)[0].ravel()


def reshaped(mesh: Array, shape: Floats) -> Array:
    """Give a face the shape of a person, in its own pose and expression.

    The face oval stays, so that the new face fits into the head; eyes change place and size only.

    Args:
        mesh: (478, 3) in pixels.
        shape: of the person, as `person_shape` gives it.

    Returns:
        (478, 3) float32 in the same pixels.
    """
    laid, scale, turn = _fitted(mesh)
    wanted = np.clip(shape - _tables().encode @ laid.ravel(), -_FARTHEST, _FARTHEST)
    change = (_tables().decode @ wanted).reshape(-1, 3) @ turn.T * (_GAIN / scale)
    result = mesh.astype(np.float64)
    result[: len(change)] += change * _inside(mesh)[: len(change), None]
    for eye, iris in _EYES:
        # Lids do not change their form: a closed eye stays closed, and a gaze goes where it went.
        both, here, there = np.concatenate([eye, iris]), mesh[eye].mean(0), result[eye].mean(0)
        around = mesh[eye] - here
        growth = ((result[eye] - there) * around).sum() / max(float((around**2).sum()), 1e-9)
        result[both] = there + growth * (mesh[both] - here)
    return result.astype(np.float32)


def _fitted(mesh: Array) -> tuple[Floats, float, Floats]:
    """A mesh laid over the mean face, (468, 3), and the scale and the rotation that do it (Umeyama 1991)."""
    mean = _tables().mean
    face = mesh[: len(mean)].astype(np.float64)
    face = face - face.mean(0)
    left, values, right = np.linalg.svd(face.T @ mean)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = (left * signs) @ right
    scale = float((values * signs).sum() / max(float((face**2).sum()), 1e-9))
    return scale * face @ turn, scale, turn


def _inside(mesh: Array) -> Array:
    """0 at the face oval and outside, 1 well inside, (478,)."""
    oval = np.ascontiguousarray(mesh[FACE_OVAL, None, :2], np.float32)
    unit = np.linalg.norm(mesh[LEFT_EYE, :2].mean(0) - mesh[RIGHT_EYE, :2].mean(0))
    depth = [cv2.pointPolygonTest(oval, (float(x), float(y)), True) for x, y in mesh[:, :2]]
    return smooth_step(np.array(depth, np.float32) / max(_BORDER * float(unit), 1e-6))
