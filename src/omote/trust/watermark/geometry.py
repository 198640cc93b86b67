"""Which scale and rotation a picture has had since it was marked, from the comb in its power spectrum."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, cos, radians, sin

import cv2
import numpy as np
import numpy.typing as npt

from omote.trust.watermark.pattern import TILE, Plane

SCALES = (0.38, 1.7)
ROTATIONS = 3.5  # degrees, either way
_BLOCK = 1024  # pixels; a larger picture's spectra are averaged over blocks of that side
_PADDING = 2
_CANDIDATES = 12

Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Geometry:
    """What happened to a marked picture.

    Attributes:
        scale: size now, compared with before.
        rotation: degrees, counter-clockwise.
    """

    scale: float = 1.0
    rotation: float = 0.0

    def undo(self, plane: Plane) -> Plane:
        """The picture as large and as straight as it was, float32; what lies outside is 0."""
        if self.scale == 1.0 and self.rotation == 0.0:
            return plane
        height, width = plane.shape
        if self.scale > 1:
            plane = cv2.GaussianBlur(plane, (0, 0), 0.5 * self.scale)
        angle = radians(self.rotation)
        across = abs(width * cos(angle)) + abs(height * sin(angle))
        down = abs(width * sin(angle)) + abs(height * cos(angle))
        size = (ceil(across / self.scale), ceil(down / self.scale))
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -self.rotation, 1 / self.scale)
        matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
        straight: Plane = cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_CUBIC)
        return straight


def likely_geometries(plane: Plane, places: Places) -> Iterator[Geometry]:
    """The untouched picture first, then what its spectrum suggests, best first.

    Args:
        plane: a whitened picture.
        places: (N, 2), the tile's harmonics in use, down and across.
    """
    yield Geometry()
    spectrum = power_spectrum(plane)
    block = min(_BLOCK, max(plane.shape))
    scores, scales, rotations = _comb_scores(spectrum, places, block)
    for _ in range(_CANDIDATES):
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        if not np.isfinite(scores[row, column]):
            return
        yield from _around(Geometry(float(scales[row]), float(rotations[column])), plane, places)
        near_scale = np.abs(scales / scales[row] - 1) < 4 / block
        near_rotation = np.abs(rotations - rotations[column]) < 1.0
        scores[np.ix_(near_scale, near_rotation)] = -np.inf


def _around(coarse: Geometry, plane: Plane, places: Places) -> Iterator[Geometry]:
    yield coarse


def power_spectrum(plane: Plane) -> Plane:
    """The power spectrum over the mean of its ring, limited; float32 (S, S), zero frequency first."""
    block = min(_BLOCK, max(plane.shape))
    side = cv2.getOptimalDFTSize(_PADDING * block)
    total = np.zeros((side, side // 2 + 1), np.float32)
    for top in _starts(plane.shape[0], block):
        for left in _starts(plane.shape[1], block):
            part = plane[top : top + block, left : left + block]
            window = np.outer(_taper(part.shape[0]), _taper(part.shape[1]))
            padded = np.zeros((side, side), np.float32)
            padded[: part.shape[0], : part.shape[1]] = part * window
            total += np.abs(np.fft.rfft2(padded)).astype(np.float32) ** 2
    down = np.fft.fftfreq(side, 1 / side)[:, None]
    ring = np.hypot(down, np.arange(side // 2 + 1)[None]).astype(np.int32)
    mean = np.bincount(ring.ravel(), total.ravel()) / np.bincount(ring.ravel())
    spectrum: Plane = np.minimum(total / np.maximum(mean, 1e-12)[ring].astype(np.float32), 6)
    return spectrum


def _comb_scores(
    spectrum: Plane, places: Places, block: int
) -> tuple[Plane, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean power on the comb for each scale (rows) and rotation (columns)."""
    side = spectrum.shape[0]
    reach = float(np.hypot(*places.T).max()) / TILE * block  # cycles in the block
    scales = np.array(list(_scale_steps(reach)))
    step = np.degrees(0.7 / reach)
    rotations = np.arange(-ROTATIONS, ROTATIONS + step, step)
    scores = np.empty((len(scales), len(rotations)), np.float32)
    for column, rotation in enumerate(rotations):
        angle = radians(rotation)
        turn = np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])  # (down, across), counter-clockwise
        cycles = (places @ turn) * (side / TILE)
        cycles *= np.where(cycles[:, 1:] < 0, -1, 1)
        for row, scale in enumerate(scales):
            at = np.rint(cycles / scale).astype(np.int32)
            scores[row, column] = spectrum[at[:, 0], at[:, 1]].mean()
    return scores, scales, rotations


def _scale_steps(reach: float) -> Iterator[float]:
    scale = SCALES[0]
    while scale <= SCALES[1]:
        yield scale
        scale *= 1 + 0.7 * scale / reach


def _starts(length: int, block: int) -> range:
    return range(0, max(length - block, 0) + 1, block)


def _taper(length: int) -> npt.NDArray[np.float32]:
    edge = max(length // 8, 1)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    window = np.ones(length)
    window[:edge], window[-edge:] = ramp, ramp[::-1]
    return window.astype(np.float32)
