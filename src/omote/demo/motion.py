"""Make a still portrait move: head turn, blinks and speech-like mouth motion, by warping over its mesh."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import polygon_mask
from omote.engines.mesh.raster import interpolate
from omote.faces.align import Matrix, invert, transform
from omote.faces.face import Face
from omote.faces.topology import FACE_OVAL, INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE, TRIANGLES

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Expression:
    """What the face does at one moment: yaw and pitch in degrees, jaw and lids 0 (as they were) to 1."""

    yaw: float = 0.0
    pitch: float = 0.0
    jaw: float = 0.0
    lids: float = 0.0


def expression_at(seconds: float) -> Expression:
    """A calm talking head: slow turns, a blink every 2.3 s, syllables of about a quarter second."""
    blink = np.exp(-(((seconds % 2.3) - 1.1) ** 2) / (2 * 0.045**2))
    syllable = max(0.0, np.sin(2 * np.pi * 3.7 * seconds) + 0.6 * np.sin(2 * np.pi * 1.3 * seconds + 1))
    phrase = 0.5 - 0.5 * np.cos(2 * np.pi * min(seconds / 0.8, 0.5))
    return Expression(
        yaw=11 * float(np.sin(2 * np.pi * seconds / 4.1)),
        pitch=4 * float(np.sin(2 * np.pi * seconds / 2.9)),
        jaw=float(0.3 * phrase * syllable),
        lids=float(blink),
    )


class MovingPortrait:
    """A portrait that can be shown with another expression.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        face: the face in it, with its mesh.
    """

    def __init__(self, pixels: Pixels, face: Face) -> None:
        if face.mesh is None:
            raise ValueError("a moving portrait needs a face with its mesh")
        self.pixels = pixels
        self._mesh = face.mesh
        self._unit = face.eye_distance
        self._grid = (max(pixels.shape[:2]) + 1) // 2

    def render(self, expression: Expression, camera: Matrix, size: tuple[int, int]) -> Pixels:
        """Show the portrait through a camera.

        Args:
            expression: see `Expression`.
            camera: (2, 3), takes output (x, y, 1) to portrait (x, y).
            size: width and height of the output.

        Returns:
            (height, width, 3) uint8 RGB.
        """
        turned = self._turned(expression)
        moved = self._mimic(turned, expression)
        shift = self._seen(self._spread(moved), camera, size)
        hollow = np.zeros((size[1], size[0], 1), np.float32)
        if expression.jaw > 0:
            # Inside the lips the teeth stay with the head; what the portrait does not show there is dark.
            inside = self._mouth(moved, camera, size, grow=0.0)
            shift += inside * (self._seen(self._spread(turned), camera, size) - shift)
            hollow = inside * (1 - self._mouth(turned, camera, size, grow=-0.02))
        x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
        at = (camera[:, :2] @ np.stack([x.ravel(), y.ravel()]) + camera[:, 2:]).astype(np.float32)
        at_x, at_y = at.reshape(2, size[1], size[0])
        picture = cv2.remap(
            self.pixels, at_x + shift[..., 0], at_y + shift[..., 1], cv2.INTER_CUBIC, None, cv2.BORDER_REFLECT
        )
        dark = np.array([46, 16, 16], np.float32)
        return np.round(picture * (1 - hollow) + dark * hollow).astype(np.uint8)

    def _seen(self, field: Array, camera: Matrix, size: tuple[int, int]) -> Array:
        """A field on the grid as the camera sees it, (height, width, 2)."""
        to_grid = camera / 2  # the grid has half the portrait's resolution, pixel centres aligned
        to_grid[:, 2] -= 0.25
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(field, to_grid, size, flags=flags), np.float32)

    def _mouth(self, mesh: Array, camera: Matrix, size: tuple[int, int], grow: float) -> Array:
        """Soft mask of the inside of the mouth as the camera sees it, (height, width, 1)."""
        lips = transform(mesh[INNER_LIPS, :2], invert(camera))
        unit = self._unit / float(np.hypot(camera[0, 0], camera[1, 0]))
        mask = polygon_mask(lips, max(size), grow * unit, 0.03 * unit)
        return mask[: size[1], : size[0], None]

    def _turned(self, expression: Expression) -> Array:
        yaw, pitch = np.deg2rad([expression.yaw, expression.pitch])
        around_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        around_x = np.array(
            [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
        )
        pivot = self._mesh[FACE_OVAL].mean(0) + self._unit * np.array([0, 0.4, 0.6])
        return np.asarray((self._mesh - pivot) @ (around_x @ around_y).T + pivot, np.float32)

    def _mimic(self, mesh: Array, expression: Expression) -> Array:
        """Lower the jaw and the upper lids."""
        result = mesh.copy()
        drop = 0.35 * self._unit * expression.jaw
        upper_inner, lower_inner = _arcs(self._mesh, INNER_LIPS)
        upper_outer, lower_outer = _arcs(self._mesh, OUTER_LIPS)
        line = self._mesh[lower_outer, 1].mean()
        corner = self._mesh[[INNER_LIPS[0], INNER_LIPS[len(INNER_LIPS) // 2]], 1].mean()
        depth = np.clip((self._mesh[:, 1] - corner) / max(line - corner, 1e-3), 0, 1)
        depth[upper_inner] = depth[upper_outer] = 0
        for arc in (lower_inner, lower_outer):
            depth[arc] = np.sin(np.linspace(0, np.pi, len(arc))) ** 0.7
        result[:, 1] += drop * depth
        for contour in (LEFT_EYE, RIGHT_EYE):
            upper, lower = _arcs(self._mesh, contour)
            goal = np.interp(mesh[upper, 0], *_sorted(mesh[lower]))
            result[upper, 1] += 0.92 * expression.lids * (goal - mesh[upper, 1])
        return result

    def _spread(self, mesh: Array) -> Array:
        """Where each portrait pixel comes from, relative to itself, when the mesh has moved: (G, G, 2).

        The movement falls to 0 around the head.
        """
        values = self._mesh[:, :2] - mesh[:, :2]
        oval = mesh[FACE_OVAL]
        centre = oval.mean(0)
        rings = [
            centre + (oval - centre) * growth + self._unit * np.array([0, 0, growth]) for growth in (1.5, 2.3)
        ]
        weights = (0.75, 0.0)
        vertices = np.concatenate([mesh, *rings])
        spread = np.concatenate([values, *(values[FACE_OVAL] * weight for weight in weights)])
        count = len(FACE_OVAL)
        first = len(mesh) + np.arange(count, dtype=np.int32)
        triangles = np.concatenate([TRIANGLES, _band(FACE_OVAL, first), _band(first, first + count)])
        grid = np.array(vertices, np.float32)
        grid[:, :2] = (grid[:, :2] + 0.5) / 2 - 0.5
        field, _ = interpolate(grid, triangles, spread, self._grid)
        return np.asarray(cv2.GaussianBlur(field, (0, 0), 0.8), np.float32)


def _band(inner: Indices, outer: Indices) -> Indices:
    """Triangles between two rings of vertices, in both windings."""
    inner_next, outer_next = np.roll(inner, -1), np.roll(outer, -1)
    triangles = np.concatenate(
        [np.stack([inner, outer, inner_next], 1), np.stack([inner_next, outer, outer_next], 1)]
    )
    return np.concatenate([triangles, triangles[:, ::-1]])


def _arcs(mesh: Array, contour: Indices) -> tuple[Indices, Indices]:
    """Split a closed contour at its left and right corner into upper and lower arc, corners left out."""
    left, right = int(np.argmin(mesh[contour, 0])), int(np.argmax(mesh[contour, 0]))
    rolled = np.roll(contour, -left)
    middle = (right - left) % len(contour)
    first, second = rolled[1:middle], rolled[middle + 1 :]
    if mesh[first, 1].mean() < mesh[second, 1].mean():
        return first, second
    return second, first


def _sorted(points: Array) -> tuple[Array, Array]:
    order = np.argsort(points[:, 0])
    return points[order, 0], points[order, 1]
