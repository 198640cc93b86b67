"""Colour: how far the skin of a swapped face is from the target's, as CIE colour difference."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.evaluation.metric import Metric, Scene
from omote.evaluation.photos import Pixels
from omote.evaluation.statistics import mean
from omote.faces.topology import FACE_OVAL, LEFT_BROW, LEFT_EYE, OUTER_LIPS, RIGHT_BROW, RIGHT_EYE

Array = npt.NDArray[np.float64]

_HOLES = (LEFT_EYE, RIGHT_EYE, LEFT_BROW, RIGHT_BROW, OUTER_LIPS)
_SHRINK, _WIDEN = 0.85, 1.25
"""The oval without its edge, where hair and background are; brows, eyes and lips with theirs."""


def skin_mask(mesh: npt.ArrayLike, side: int) -> npt.NDArray[np.bool_]:
    """Where the skin of a face is: inside the oval, without brows, eyes and lips.

    Args:
        mesh: (478, 3) or (478, 2) in pixels.
        side: of the picture.

    Returns:
        (side, side).
    """
    flat = np.asarray(mesh, np.float64)[:, :2]
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [_scaled(flat[FACE_OVAL], _SHRINK)], 1)
    for hole in _HOLES:
        cv2.fillPoly(mask, [_scaled(flat[hole], _WIDEN)], 0)
    return mask > 0


def skin_colour(pixels: Pixels, mesh: npt.ArrayLike) -> Array:
    """Mean colour of the skin, (3,) CIE Lab (D65): of the (S, S, 3) RGB picture and its mesh.

    A face whose mesh covers no skin at all gives the mean of the picture.
    """
    mask = skin_mask(mesh, len(pixels))
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.asarray(lab[mask].mean(0) if mask.any() else lab.mean((0, 1)), np.float64)


def difference_1976(first: npt.ArrayLike, second: npt.ArrayLike) -> Array:
    """CIE76: Euclidean distance of Lab colours, (..., 3) → (...)."""
    return np.asarray(np.linalg.norm(np.asarray(first, np.float64) - np.asarray(second, np.float64), axis=-1))


def difference_2000(first: npt.ArrayLike, second: npt.ArrayLike) -> Array:
    """CIEDE2000 of Lab colours, (..., 3) → (...).

    Sharma, Wu, Dalal, The CIEDE2000 Color-Difference Formula: Implementation Notes, 2005.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(first, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(second, np.float64), -1, 0)
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0

    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where(~grey & (h2 - h1 == 180), 180, turn)
    d_light, d_chroma = l2 - l1, c2 - c1
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))

    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    apart = np.abs(h1 - h2) > 180
    hue = np.where(grey, h1 + h2, (h1 + h2 + np.where(apart, np.where(h1 + h2 < 360, 360, -360), 0)) / 2)
    tone = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    s_light = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * tone
    twist = -np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    twist = 2 * twist * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    x, y, z = d_light / s_light, d_chroma / s_chroma, d_hue / s_hue
    return np.asarray(np.sqrt(np.maximum(x * x + y * y + z * z + twist * y * z, 0)))


def _scaled(points: Array, factor: float) -> npt.NDArray[np.int32]:
    centre = points.mean(0)
    return np.asarray(np.round((points - centre) * factor + centre), np.int32)


def _of_1976(scene: Scene) -> Array:
    return difference_1976(scene.made.skin, scene.target.skin)[:, None]


def _of_2000(scene: Scene) -> Array:
    return difference_2000(scene.made.skin, scene.target.skin)[:, None]


METRICS = (
    Metric("skin_cie76", "skin colour, CIE 1976", "ΔE", "lower", "target", _of_1976, mean),
    Metric("skin_ciede2000", "skin colour, CIEDE2000", "ΔE", "lower", "target", _of_2000, mean),
)
