"""The identity of the mesh engine: the skin of a person, laid out under a face mesh."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import full_scale, hull_mask, match_colour, smooth_step
from omote.compose.parsers import Masker
from omote.compose.tensors import resized
from omote.engines.mesh.cover import bare_and_covered
from omote.engines.mesh.raster import interpolate
from omote.engines.mesh.shape import person_shape
from omote.engines.swapper import Source
from omote.errors import UsageError
from omote.faces.align import move, similarity, template, warp
from omote.faces.topology import FACE_OVAL, MIRROR, TRIANGLES

Array = npt.NDArray[np.float32]

TEMPLATE = "dfl_whole_face"
_SMALLEST, _LARGEST = 256, 2048
_LARGEST_MAP = 256
"""Side of the map from texture to texture; affine inside a triangle, so that enlarging it loses nothing."""
_BARE_SIZE = 256
"""Side of `bare`, which has soft edges."""


@dataclass(frozen=True, slots=True, eq=False)
class MeshIdentity:
    """Texture of a face and where the mesh lies on it.

    Attributes:
        levels: (N, N, 3) float32 RGB in 0..1, then the same at half the side, and so on.
        mesh: (478, 3) float32 in pixels of the first level.
        facing: (478,) float32, how squarely each vertex was seen: 1 face on, 0 edge on or hidden.
        shape: of the person, as `person_shape` gives it; the mean of all photos.
        bare: (M, M) float32 in 0..1 over the same square, where the texture is skin; None where all of it is.
    """

    levels: tuple[Array, ...]
    mesh: Array
    facing: Array
    shape: npt.NDArray[np.float64]
    bare: Array | None = None

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


def mesh_identity(sources: Sequence[Source], parser: Masker | None = None) -> MeshIdentity:
    """Make the texture of a person from one or more photos.

    The most frontal photo gives the layout; the others are carried into it, brought to its colours, and
    averaged with a weight that favours the photo which sees each place most squarely. What covers the skin
    in one photo (glasses, a mask, a hand) is taken from the others, or from the other half of the face; where
    nothing shows the skin, `bare` says so.

    Args:
        sources: photos of the person with the meshes of the faces.
        parser: says where skin is bare; everywhere unless given.

    Raises:
        UsageError: there is no source.
    """
    if not sources:
        raise UsageError("a swap needs at least one source photo")
    textures = [_texture(source, parser) for source in sources]
    layout, *others = sorted(textures, key=lambda texture: -float(texture.facing.mean()))
    pixels, bare, best = layout.pixels, layout.bare, layout.facing
    if others:
        pixels, bare = _averaged(layout, others)
        best = np.maximum.reduce([texture.facing for texture in textures])
    hidden = np.minimum(layout.covered, 1 - bare)
    if hidden.any():
        pixels, bare = _completed(replace(layout, pixels=pixels, bare=bare), hidden)
    shape = np.mean([person_shape(texture.mesh) for texture in textures], axis=0)
    seen = resized(bare, _BARE_SIZE) if bare.min() < 1 else None
    return MeshIdentity(_pyramid(pixels), layout.mesh, best, shape, seen)


@dataclass(frozen=True, slots=True, eq=False)
class _Texture:
    """One photo of a person: pixels (N, N, 3), mesh in them, facing (478,), and where its skin is surely bare
    and surely covered, (N, N) each.
    """

    pixels: Array
    mesh: Array
    facing: Array
    bare: Array
    covered: Array

    def carried(self, mesh: Array, size: int) -> tuple[Array, Array, Array]:
        """Bring it to another mesh in a square of `size` pixels: pixels, how squarely each was seen (0 beside
        the mesh), and where skin is both bare and seen.
        """
        small = min(size, _LARGEST_MAP)
        scaled = np.array(mesh)
        scaled[:, :2] = (mesh[:, :2] + 0.5) * (small / size) - 0.5
        values = np.column_stack([self.mesh[:, :2], self.facing])
        spread, covered = interpolate(scaled, TRIANGLES, values, small)
        spread[..., 2] *= covered
        x, y, seen = cv2.split(resized(spread, size))
        pixels, bare = (
            np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
            for image in (self.pixels, self.bare)
        )
        return pixels, np.asarray(seen, np.float32), bare * smooth_step((seen - 0.2) / 0.3)

    def mirrored(self) -> "_Texture":
        """The same face with left and right exchanged."""
        mesh = self.mesh[MIRROR]
        mesh[:, 0] = len(self.pixels) - 1 - mesh[:, 0]
        pixels, bare, covered = (
            np.ascontiguousarray(image[:, ::-1]) for image in (self.pixels, self.bare, self.covered)
        )
        return _Texture(pixels, mesh, self.facing[MIRROR], bare, covered)


def _texture(source: Source, parser: Masker | None) -> _Texture:
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
    pixels = crop.astype(np.float32) / full_scale(crop.dtype)
    bare, covered = np.ones((size, size), np.float32), np.zeros((size, size), np.float32)
    if parser is not None:
        bare, covered = (resized(found, size) for found in bare_and_covered(pixels, parser))
        bare[hull_mask(mesh[FACE_OVAL, :2], size) == 0] = 1  # beside the face it does not matter
    return _Texture(pixels, mesh, facing(mesh), bare, covered)


def _averaged(layout: _Texture, others: Sequence[_Texture]) -> tuple[Array, Array]:
    """Pixels of several photos, weighted by how well each sees the place; and where any is bare."""
    total = 0.05 * layout.bare[..., None] + 1e-4
    layers, best = layout.pixels * total, layout.bare
    for texture in (layout, *others):
        moved, seen, bare = texture.carried(layout.mesh, len(layout.pixels))
        weight = seen**4 * bare
        if texture is not layout:
            moved = match_colour(moved, layout.pixels, weight * layout.bare, "transport")
        layers += moved * weight[..., None]
        total += weight[..., None]
        best = np.maximum(best, bare)
    return layers / total, best


def _completed(texture: _Texture, hidden: Array) -> tuple[Array, Array]:
    """Pixels with what is hidden, (N, N) in 0..1, filled from the other half of the face; and where they now
    are skin.
    """
    moved, _, other = texture.mirrored().carried(texture.mesh, len(texture.pixels))
    # The two halves seldom stand in the same light.
    moved = match_colour(moved, texture.pixels, other * texture.bare, "light")
    taken = hidden * other
    pixels = texture.pixels + taken[..., None] * (moved - texture.pixels)
    return pixels, np.maximum(texture.bare, taken)


def _pyramid(pixels: Array) -> tuple[Array, ...]:
    levels = [pixels]
    while min(levels[-1].shape[:2]) > 64:
        height, width = levels[-1].shape[:2]
        half = (width // 2, height // 2)
        levels.append(np.asarray(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA), np.float32))
    return tuple(levels)
