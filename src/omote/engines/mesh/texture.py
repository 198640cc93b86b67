"""The identity of the mesh engine: the skin of a person, laid out under a face mesh."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import full_scale, match_colour
from omote.engines.mesh.raster import interpolate
from omote.engines.swapper import Source
from omote.errors import UsageError
from omote.faces.align import move, similarity, template, warp
from omote.faces.topology import TRIANGLES

Array = npt.NDArray[np.float32]

TEMPLATE = "dfl_whole_face"
_SMALLEST, _LARGEST = 256, 2048


@dataclass(frozen=True, slots=True, eq=False)
class MeshIdentity:
    """Texture of a face and where the mesh lies on it.

    Attributes:
        levels: (N, N, 3) float32 RGB in 0..1, then the same at half the side, and so on.
        mesh: (478, 3) float32 in pixels of the first level.
        facing: (478,) float32, how squarely each vertex was seen: 1 face on, 0 edge on or hidden.
    """

    levels: tuple[Array, ...]
    mesh: Array
    facing: Array

    def level_for(self, scale: float) -> tuple[Array, float]:
        """The level to sample at `scale` output pixels per pixel of the first level, and its own scale."""
        number = int(np.clip(np.round(-np.log2(max(scale, 1e-6))), 0, len(self.levels) - 1))
        return self.levels[number], 0.5**number


def template_eye_distance() -> float:
    """Distance between the eyes in `TEMPLATE`, as a fraction of the crop size."""
    points = template(TEMPLATE)
    return float(np.linalg.norm(points[1] - points[0]))


def facing(mesh: Array) -> Array:
    """How squarely the camera sees each vertex: cosine of the angle to the view, 0 when turned away.

    Args:
        mesh: (478, 3).

    Returns:
        (478,) float32 in 0..1; 0 for the irises, which belong to no triangle.
    """
    corners = mesh[TRIANGLES]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros((len(mesh), 3), np.float32)
    np.add.at(summed, TRIANGLES.ravel(), np.repeat(normals, 3, axis=0))
    length = np.linalg.norm(summed, axis=1)
    return np.asarray(np.clip(-summed[:, 2] / np.maximum(length, 1e-9), 0, 1), np.float32)


def mesh_identity(sources: Sequence[Source]) -> MeshIdentity:
    """Make the texture of a person from one or more photos.

    The most frontal photo gives the layout; the others are carried into it, brought to its colours, and
    averaged with a weight that favours the photo which sees each place most squarely.
    """
    if not sources:
        raise UsageError("a swap needs at least one source photo")
    textures = [_texture(source) for source in sources]
    layout, *others = sorted(textures, key=lambda texture: -float(texture.facing.mean()))
    pixels = layout.levels[0]
    size = pixels.shape[0]
    total = np.ones((size, size, 1), np.float32) * 0.05
    layers = pixels * total
    best = layout.facing
    for texture in (layout, *others):
        values = np.column_stack([texture.mesh[:, :2], texture.facing])
        spread, covered = interpolate(layout.mesh, TRIANGLES, values, size)
        moved: Array = np.asarray(
            cv2.remap(
                texture.levels[0],
                spread[..., 0],
                spread[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )
        weight = covered * spread[..., 2] ** 4
        if texture is not layout:
            moved = match_colour(moved, pixels, weight.astype(np.float32), "transport")
        layers += moved * weight[..., None]
        total += weight[..., None]
        best = np.maximum(best, texture.facing)
    return MeshIdentity(_pyramid(layers / total if others else pixels), layout.mesh, best)


def _texture(source: Source) -> MeshIdentity:
    if source.face.mesh is None:
        raise ValueError("the mesh engine needs a source face with its mesh")
    # Twice as large as the photo shows it, so that sampling it costs no sharpness.
    wanted = 2 * source.face.eye_distance / template_eye_distance()
    # A multiple of what the pyramid halves it to, or its levels would be shifted against each other.
    size = int(np.clip(np.ceil(wanted / 64) * 64, _SMALLEST, _LARGEST))
    # Pixel edges on the pixel edges of the crop that the face would get as a target: what is carried back to
    # where it came from then meets its own pixels.
    matrix = 2 * similarity(source.face.points, template(TEMPLATE) * (size / 2))
    matrix[:, 2] += 0.5
    crop = warp(source.pixels, matrix, (size, size), interpolation=cv2.INTER_CUBIC)
    mesh = move(source.face, matrix).mesh
    assert mesh is not None
    return MeshIdentity((crop.astype(np.float32) / full_scale(crop.dtype),), mesh, facing(mesh))


def _pyramid(pixels: Array) -> tuple[Array, ...]:
    levels = [pixels]
    while min(levels[-1].shape[:2]) > 64:
        height, width = levels[-1].shape[:2]
        half = (width // 2, height // 2)
        levels.append(np.asarray(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA), np.float32))
    return tuple(levels)
