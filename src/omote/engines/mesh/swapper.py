"""The classical engine: source skin carried over the face mesh to the pose and expression of the target."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import hull_mask, polygon_mask, smooth_step, to_float
from omote.engines.mesh.occlusion import dark_occluders
from omote.engines.mesh.raster import interpolate
from omote.engines.mesh.texture import TEMPLATE, MeshIdentity, facing, mesh_identity, template_eye_distance
from omote.engines.swapper import Source, SwappedCrop
from omote.faces.align import Crop
from omote.faces.face import Face
from omote.faces.topology import (
    FACE_OVAL,
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    RIGHT_BROW,
    RIGHT_EYE,
    TRIANGLES,
)

Array = npt.NDArray[np.float32]

_MAP_SIZE = 224
"""Largest side of the map. It is affine inside a triangle, so that enlarging it loses nothing."""


class MeshSwapper:
    """Piecewise-affine face transfer over the 478-point mesh; needs no identity network.

    The target keeps its own eyes, its inner mouth and whatever lies outside the face. Skin that the source
    photo does not show (turned away) fades to the target instead of being smeared.

    Args:
        feather: width of the soft edge as a fraction of the eye distance.
        largest: largest crop in pixels.
    """

    template = TEMPLATE

    def __init__(self, feather: float = 0.45, largest: int = 1024) -> None:
        self.feather = feather
        self.largest = largest

    def crop_size(self, face: Face) -> int:
        """About one crop pixel per picture pixel, in steps of 32."""
        wanted = face.eye_distance / template_eye_distance()
        return int(np.clip(np.ceil(wanted / 32) * 32, 128, self.largest))

    def identity(self, sources: Sequence[Source]) -> MeshIdentity:
        """Make the texture of a person; see `mesh_identity`."""
        return mesh_identity(sources)

    def swap(self, crops: Sequence[Crop], identity: MeshIdentity) -> list[SwappedCrop]:
        """Lay the texture over the mesh of each crop's face."""
        return [self._swap(crop, identity) for crop in crops]

    def _swap(self, crop: Crop, identity: MeshIdentity) -> SwappedCrop:
        if crop.face.mesh is None:
            raise ValueError("the mesh engine needs target faces with their mesh")
        mesh, size = crop.face.mesh, crop.size
        texture, texture_scale = identity.level_for(_extent(mesh) / _extent(identity.mesh))
        places = (identity.mesh[:, :2] + 0.5) * texture_scale - 0.5
        seen = _seen(identity.facing, facing(mesh))

        small = min(size // 2, _MAP_SIZE)
        step = size / small
        coarse = np.array(mesh, np.float32)
        coarse[:, :2] = (coarse[:, :2] + 0.5) / step - 0.5
        vertices, triangles, values = _with_rim(coarse, np.column_stack([places, seen]))
        spread, covered = interpolate(vertices, triangles, values, small)
        fine = _enlarge(spread, size)
        x, y, seen_map = (np.ascontiguousarray(fine[..., channel]) for channel in range(3))
        pixels = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

        unit = crop.face.eye_distance
        mask = _soft_edge(covered, _RIM * unit / step, self.feather * unit / step)
        # Raised brows reach into the soft edge: cover them all the same, or they show twice.
        for contour in (LEFT_BROW, RIGHT_BROW):
            brow = hull_mask(coarse[contour, :2], small, 0.06 * unit / step, 0.1 * unit / step)
            mask = np.maximum(mask, brow * _soft_edge(covered, _RIM * unit / step, 0.25 * unit / step))
        target, skin = (
            np.asarray(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), np.float32)
            for image in (to_float(crop.pixels), pixels)
        )
        mask = mask * (1 - dark_occluders(target, skin, mask, coarse, unit / step))
        mask = _enlarge(mask, size) * np.clip(seen_map, 0, 1)
        for contour, grow, soft in (
            (LEFT_EYE, 0.05, 0.07),
            (RIGHT_EYE, 0.05, 0.07),
            (INNER_LIPS, 0.02, 0.04),
        ):
            mask *= 1 - polygon_mask(mesh[contour, :2], size, grow * unit, soft * unit)
        return SwappedCrop(np.asarray(pixels, np.float32), mask)


_RIM = 0.1
"""How far the map reaches beyond the mesh, as a fraction of the eye distance."""


def _with_rim(mesh: Array, values: Array) -> tuple[Array, npt.NDArray[np.int32], Array]:
    """Add a ring of vertices around the face oval, so that the map goes on a little beyond the mesh."""
    oval = mesh[FACE_OVAL]
    growth = 1 + 2 * _RIM * _eye_distance(mesh) / max(_extent(oval), 1e-6)
    ring = oval.mean(0) + (oval - oval.mean(0)) * growth
    ring[:, 2] = oval[:, 2] + _extent(mesh)
    rim_values = values[FACE_OVAL].mean(0) + (values[FACE_OVAL] - values[FACE_OVAL].mean(0)) * growth
    rim_values[:, 2] = values[FACE_OVAL, 2]
    count, first = len(FACE_OVAL), len(mesh)
    here = np.arange(count, dtype=np.int32)
    after = np.roll(here, -1)
    quads = np.concatenate(
        [
            np.stack([FACE_OVAL[here], first + here, FACE_OVAL[after]], 1),
            np.stack([FACE_OVAL[after], first + here, first + after], 1),
        ]
    ).astype(np.int32)
    # Both windings: the rim must be drawn whichever way the oval runs.
    triangles = np.concatenate([TRIANGLES, quads, quads[:, ::-1]])
    return np.concatenate([mesh, ring]), triangles, np.concatenate([values, rim_values]).astype(np.float32)


def _enlarge(field: Array, size: int) -> Array:
    return np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def _soft_edge(covered: npt.NDArray[np.bool_], rim: float, feather: float) -> Array:
    """Soft mask inside the covered area, zero on the rim."""
    padded = np.pad(covered.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1]
    return smooth_step((distance - rim) / max(feather, 1.0))


def _seen(source: Array, target: Array) -> Array:
    """1 where the source shows the skin about as squarely as the target does, 0 where it hides it."""
    ratio = source / np.maximum(target, 0.2)
    return smooth_step((ratio - 0.15) / 0.35)


def _extent(mesh: Array) -> float:
    """Size of a mesh that a turned head changes little: the diagonal of its bounding box."""
    return float(np.linalg.norm(mesh[:, :2].max(0) - mesh[:, :2].min(0)))


def _eye_distance(mesh: Array) -> float:
    return float(np.linalg.norm(mesh[LEFT_EYE, :2].mean(0) - mesh[RIGHT_EYE, :2].mean(0)))
