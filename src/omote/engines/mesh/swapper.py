"""The classical engine: source skin carried over the face mesh to the pose and expression of the target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import ColourMethod, blend, match_colour, to_float
from omote.compose.parsers import Masker
from omote.engines.mesh.mask import RIM, face_mask, openings, seen
from omote.engines.mesh.occlusion import dark_occluders
from omote.engines.mesh.raster import interpolate
from omote.engines.mesh.shape import reshaped
from omote.engines.mesh.texture import TEMPLATE, MeshIdentity, facing, mesh_identity, template_eye_distance
from omote.engines.swapper import Source, SwappedCrop
from omote.faces.align import Crop
from omote.faces.face import Face
from omote.faces.topology import FACE_OVAL, TRIANGLES

Array = npt.NDArray[np.float32]

_MAP_SIZE = 224
"""Largest side of the map. It is affine inside a triangle, so that enlarging it loses nothing."""
_STILL = 0.02
"""Pixels by which a place may move without being sampled anew."""
_LEAST_SIDE = 32
"""Pixels of the square that a face is made in, however small it is."""
_LIGHT = 0.33
"""Standard deviation of the blur that tells light from face, in eye distances."""


class MeshSwapper:
    """Piecewise-affine face transfer over the 478-point mesh; needs no identity network.

    The face takes the source's skin and, inside its oval, the source's shape. The target keeps its own eyes
    and its inner mouth, moved to where the new shape has them, and whatever lies outside the face. Skin that
    the source photo does not show (turned away) fades to the target instead of being smeared.

    Args:
        feather: width of the soft edge as a fraction of the eye distance.
        largest: largest crop in pixels.
        colour: how the skin is brought to the target's colours. The engine does that itself, as the eyes and
            the mouth that it moves must keep theirs.
        parser: says where the skin of a source is bare (`open_cover_parser`), so that its glasses and
            masks are not carried over: there the target keeps its own. Everywhere unless given.
    """

    template = TEMPLATE
    colour: ColourMethod | None = None

    def __init__(
        self,
        feather: float = 0.3,
        largest: int = 1024,
        parser: Masker | None = None,
        colour: ColourMethod = "light",
    ) -> None:
        self.feather = feather
        self.largest = largest
        self._parser = parser
        self._skin_colour = colour

    def crop_size(self, face: Face) -> int:
        """About one crop pixel per picture pixel, in steps of 32."""
        wanted = face.eye_distance / template_eye_distance()
        return int(np.clip(np.ceil(wanted / 32) * 32, 128, self.largest))

    def identity(self, sources: Sequence[Source]) -> MeshIdentity:
        """Make the texture of a person; see `mesh_identity`."""
        return mesh_identity(sources, self._parser)

    def swap(self, crops: Sequence[Crop], identity: MeshIdentity) -> list[SwappedCrop]:
        """Lay the texture over the mesh of each crop's face."""
        return [self._swap(crop, identity) for crop in crops]

    def _swap(self, crop: Crop, identity: MeshIdentity) -> SwappedCrop:
        old = crop.face.mesh
        if old is None:
            raise ValueError("the mesh engine needs target faces with their mesh")
        new = reshaped(old, identity.shape)
        pixels, mask = to_float(crop.pixels), np.zeros((crop.size, crop.size), np.float32)
        corner, side = _square_around(new, crop.face.eye_distance, crop.size)
        part = tuple(slice(start, start + side) for start in corner[::-1])
        bare = None if crop.bare is None else crop.bare[part]
        shift = np.array([*corner, 0], np.float32)
        pixels[part], mask[part] = self._laid(
            pixels[part], bare, _Meshes(old - shift, new - shift, crop.face.eye_distance), identity
        )
        return SwappedCrop(pixels, mask)

    def _laid(
        self, target: Array, bare: Array | None, face: "_Meshes", identity: MeshIdentity
    ) -> tuple[Array, Array]:
        """The texture over a face that fills a square, (N, N, 3), and where it is sure of it, (N, N)."""
        mesh, size, unit = face.new, len(target), face.unit
        texture, texture_scale = identity.level_for(_extent(mesh) / _extent(identity.mesh))
        places = (identity.mesh[:, :2] + 0.5) * texture_scale - 0.5
        values = np.column_stack([places, seen(identity.facing, facing(mesh)), (face.old - mesh)[:, :2]])

        small = min(size // 2, _MAP_SIZE)
        coarse, coarse_unit = _scaled(mesh, small / size), unit * small / size
        vertices, triangles, values = _with_rim(coarse, values, coarse_unit)
        spread, covered = interpolate(vertices, triangles, values, small)
        x, y, seen_map, right, down = (_resized(plane, size) for plane in cv2.split(spread))
        skin = np.asarray(
            cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
        )
        target, bent = _bent(target, right, down)

        mask = face_mask(covered, coarse_unit, self.feather)
        if identity.bare is not None:
            mask *= _carried(identity.bare, spread, len(identity.bare) / len(texture))
        mask *= 1 - dark_occluders(_resized(target, small), _resized(skin, small), mask, coarse, coarse_unit)
        mask = _resized(mask, size) * np.clip(seen_map, 0, 1) * (1 - openings(mesh, size, unit))
        shown = mask if bare is None else mask * bare
        skin = match_colour(skin, target, shown, self._skin_colour, _LIGHT * unit / size)
        # Where the target's own eyes and mouth have moved, they are shown as well.
        pixels = cv2.copyTo(blend(skin, target, mask), bent, skin)
        return np.asarray(pixels, np.float32), np.maximum(mask, bent)


@dataclass(frozen=True, slots=True, eq=False)
class _Meshes:
    """A face, (478, 3) in pixels of a square, as it is and as it shall be, and its eye distance."""

    old: Array
    new: Array
    unit: float


def _square_around(mesh: Array, unit: float, size: int) -> tuple[npt.NDArray[np.int64], int]:
    """The smallest square part of a crop that holds a face and its rim: left and top corner, side."""
    low, high = (mesh[:, :2].min(0) - RIM * unit, mesh[:, :2].max(0) + RIM * unit)
    side = int(np.clip(np.ceil((high - low).max()) + 2, min(_LEAST_SIDE, size), size))
    corner = np.floor((low + high - side) / 2).astype(np.int64)
    return np.clip(corner, 0, size - side), side


def _bent(pixels: Array, right: Array, down: Array) -> tuple[Array, npt.NDArray[np.uint8]]:
    """The picture with each place taken from so many pixels beside it, and 1 where that changes anything."""
    bent = (np.maximum(np.abs(right), np.abs(down)) > _STILL).view(np.uint8)
    if not bent.any():
        return pixels, bent
    y, x = np.mgrid[: len(pixels), : len(pixels)].astype(np.float32)
    there = cv2.remap(pixels, x + right, y + down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.copyTo(np.clip(there, 0, 1), bent, pixels.copy()), np.float32), bent


def _carried(bare: Array, spread: Array, scale: float) -> Array:
    """Where the skin of the source is bare, on the target's mesh; `scale` is from texture to `bare`."""
    x, y = ((spread[..., axis] + 0.5) * scale - 0.5 for axis in (0, 1))
    return np.asarray(cv2.remap(bare, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _with_rim(mesh: Array, values: Array, unit: float) -> tuple[Array, npt.NDArray[np.int32], Array]:
    """Add a ring of vertices around the face oval, so that the map goes on a little beyond the mesh."""
    oval, oval_values = mesh[FACE_OVAL], values[FACE_OVAL]
    growth = 1 + 2 * RIM * unit / max(_extent(oval), 1e-6)
    ring = oval.mean(0) + (oval - oval.mean(0)) * growth
    ring[:, 2] = oval[:, 2] + _extent(mesh)
    ring_values = oval_values.mean(0) + (oval_values - oval_values.mean(0)) * growth
    ring_values[:, 2:] = oval_values[:, 2:]
    here = np.arange(len(FACE_OVAL), dtype=np.int32)
    after, first = np.roll(here, -1), len(mesh)
    band = np.concatenate(
        [
            np.stack([FACE_OVAL[here], first + here, FACE_OVAL[after]], 1),
            np.stack([FACE_OVAL[after], first + here, first + after], 1),
        ]
    ).astype(np.int32)
    # Both windings: the rim must be drawn whichever way the oval runs.
    triangles = np.concatenate([TRIANGLES, band, band[:, ::-1]])
    return np.concatenate([mesh, ring]), triangles, np.concatenate([values, ring_values]).astype(np.float32)


def _scaled(mesh: Array, factor: float) -> Array:
    """The mesh in a picture that is larger by `factor`; z stays as it is."""
    result = mesh.copy()
    result[:, :2] = (mesh[:, :2] + 0.5) * factor - 0.5
    return result


def _resized(field: npt.NDArray[Any], size: int) -> Array:
    smaller = size < len(field)
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(field, (size, size), interpolation=method), np.float32)


def _extent(mesh: Array) -> float:
    """Size of a mesh that a turned head changes little: the diagonal of its bounding box."""
    return float(np.linalg.norm(mesh[:, :2].max(0) - mesh[:, :2].min(0)))
