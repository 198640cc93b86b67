"""Fit a mask to the shape of the new face: wider where that is wider, narrower and softer where it is not.

After GHOST (Groshev et al., IEEE Access 2022), which compares the contours of both faces and then dilates the
mask, or erodes and blurs it, by one of four amounts. Here each place of the contour has its own amount, and
nothing changes in steps, so that an edge does not pop where a face in a film passes a threshold.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose.masks import smooth_step
from omote.compose.tensors import resized
from omote.faces.align import Crop
from omote.faces.contours import FACE_OVAL
from omote.faces.face import Face
from omote.faces.mesh import FaceMesh

Array = npt.NDArray[np.float32]

_TREMBLE = 0.04
"""Difference of the contours, in eye distances, below which it is rather an error of the mesh network; about
the least at which GHOST does anything."""
_MOST = 0.2
"""What a difference tends to at most, in eye distances."""
_SURE = (0.5, 0.9)
"""Presence of the new face between which its contour comes to count."""
_SOFTER = 2.0
"""How much further than its outer end the inner end of an edge draws back from a narrower face, for each
radius of the contour that lies between them."""
_OUTER = 1.2
"""Where the outer end of an edge lies, in radii of the contour."""
_NEIGHBOURS = np.array([1, 2, 3, 2, 1], np.float32) / 9
_EARS = 8
"""Place in `FACE_OVAL`, counted from the top, at which it passes the ears."""
NO_WIDER = np.zeros(len(FACE_OVAL), np.float32)
NO_WIDER.setflags(write=False)
_WORK = 256
"""Largest side at which masks are moved; they are soft."""


class ShapeFit:
    """Compares the contours of the old and the new face in a crop. Stateless, safe for threads.

    Args:
        mesh: finds them. Both are looked at in the same crop, so that its errors, which are much the same,
            cancel.
    """

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh

    def wider(self, targets: Sequence[Crop], swapped: Sequence[Array]) -> list[Array]:
        """How much wider each new face is at the points of `FACE_OVAL`, (36,) in eye distances. Above the
        ears none is wider.

        Args:
            targets: crops as they were cut; it is 0 where a face has no mesh.
            swapped: (N, N, 3) float32 RGB in 0..1 each, the crops with the new faces.
        """
        return [
            NO_WIDER if crop.face.mesh is None else self._wider(crop, new)
            for crop, new in zip(targets, swapped, strict=True)
        ]

    def _wider(self, target: Crop, swapped: Array) -> Array:
        face = replace(target.face, mesh=None)
        (old,), (new,) = (self._mesh.refine(pixels, [face]) for pixels in (target.pixels, swapped))
        assert old.mesh is not None
        assert new.mesh is not None
        oval, other = old.mesh[list(FACE_OVAL), :2], new.mesh[list(FACE_OVAL), :2]
        outwards = oval - oval.mean(0)
        outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
        wider = ((other - oval) * outwards).sum(1) / max(face.eye_distance, 1e-6)
        low, high = _SURE
        sure = float(smooth_step(((new.presence or 0.0) - low) / (high - low)))
        return below_hair(calm(wider)) * np.float32(sure)


def calm(wider: Array) -> Array:
    """Smooth differences along the contour; small ones, which tremble, tend to 0, large ones to a limit."""
    count, reach = len(wider), len(_NEIGHBOURS) // 2
    around = np.concatenate([wider[-reach:], wider, wider[:reach]])
    smooth = np.convolve(around, _NEIGHBOURS, "valid")[:count]
    kept = smooth**3 / (smooth**2 + _TREMBLE**2)
    return np.asarray(_MOST * np.tanh(kept / _MOST), np.float32)


def below_hair(wider: Array) -> Array:
    """Leave out that the forehead is higher or wider: there lies hair, and before the face."""
    steps = np.arange(len(wider))
    from_top = np.minimum(steps, len(wider) - steps)
    return np.where(wider > 0, wider * smooth_step((from_top - _EARS + 2) / 4), wider)


def fitted(mask: Array, face: Face, wider: Array) -> Array:
    """Move the outer edge of a mask and soften it where the new face is narrower.

    Args:
        mask: (N, N) float32 in 0..1.
        face: the old one, in pixels of the mask.
        wider: (36,) at the points of `FACE_OVAL`, in eye distances.

    Returns:
        (N, N) float32 in 0..1, which may reach the border.
    """
    if face.mesh is None or not wider.any():
        return mask
    size, work = len(mask), min(len(mask), _WORK)
    scale = work / size
    unit = face.eye_distance * scale
    oval = (face.mesh[list(FACE_OVAL), :2] + 0.5) * scale - 0.5
    centre = oval.mean(0)
    x, y = (np.arange(work, dtype=np.float32) - place for place in centre)
    distance = np.maximum(np.hypot(x[None, :], y[:, None]), 1e-3)
    angle = np.arctan2(y[:, None], x[None, :])
    contour, move = _around(angle, oval - centre, wider)
    radii = distance / contour
    # The middle of the face stays: a network's own mask may have edges there.
    part = smooth_step(2 * radii) * (1 + np.where(move < 0, _SOFTER, 0) * np.maximum(_OUTER - radii, 0))
    stay = 1 - move * unit * part / distance
    columns, rows = x[None, :] * stay + centre[0], y[:, None] * stay + centre[1]
    moved = cv2.remap(
        resized(mask, work), columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR
    )
    return resized(np.asarray(moved, np.float32), size)


def _around(angle: Array, points: Array, values: Array) -> tuple[Array, Array]:
    """Distance of a closed contour from 0, 0 and values at its points, both for any angle."""
    angles = np.arctan2(points[:, 1], points[:, 0])
    order = np.argsort(angles)
    radii = np.linalg.norm(points, axis=1)
    distance, value = (
        np.interp(angle, angles[order], column[order], period=2 * np.pi) for column in (radii, values)
    )
    return np.asarray(distance, np.float32), np.asarray(value, np.float32)
