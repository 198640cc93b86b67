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
CANDIDATES = 10

_BLOCK = 1024  # pixels; a larger picture's spectra are summed over blocks of that side
_SPECTRUM = 1024  # the side of a spectrum: blocks are padded to it, but at most to twice their side
_AROUND = 4  # harmonics: how wide the surroundings of a frequency are
_STEP = 0.7  # cycles that the outermost harmonic moves between two geometries that are tried

Places = npt.NDArray[np.intp]
Steps = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Geometry:
    """What happened to a marked picture.

    Attributes:
        scale: size now, compared with before.
        rotation: degrees, counter-clockwise.
    """

    scale: float = 1.0
    rotation: float = 0.0

    @property
    def untouched(self) -> bool:
        """Whether nothing happened."""
        return self.scale == 1.0 and self.rotation == 0.0

    def fold(self, plane: Plane) -> Plane:
        """All repeats of the tile summed, float32 (S, S), where S is 128 or, interpolated, 64.

        Args:
            plane: a whitened picture to which this happened.
        """
        side = TILE if self.untouched else TILE // 2
        straight = plane if self.untouched else self._undone(plane, TILE / side)
        height, width = (-(-length // side) * side for length in straight.shape)
        padded = np.zeros((height, width), np.float32)
        padded[: straight.shape[0], : straight.shape[1]] = straight
        summed: Plane = padded.reshape(height // side, side, width // side, side).sum(axis=(0, 2))
        return summed

    def _undone(self, plane: Plane, step: float) -> Plane:
        """The picture straight again, a sample for every `step` pixels it had; what lies outside is 0."""
        height, width = plane.shape
        shrink = self.scale * step
        if shrink > 1:
            plane = cv2.GaussianBlur(plane, (0, 0), 0.4 * shrink).astype(np.float32)
        angle = radians(self.rotation)
        across = abs(width * cos(angle)) + abs(height * sin(angle))
        down = abs(width * sin(angle)) + abs(height * cos(angle))
        size = (ceil(across / shrink), ceil(down / shrink))
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -self.rotation, 1 / shrink)
        matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
        return cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_CUBIC).astype(np.float32)


def likely_geometries(plane: Plane, places: Places) -> Iterator[Geometry]:
    """The untouched picture first, then what its spectrum suggests, best first.

    Args:
        plane: a whitened picture.
        places: (N, 2), the tile's harmonics in use, down and across.
    """
    yield Geometry()
    block = min(_BLOCK, max(plane.shape))
    reach = float(np.hypot(*places.T).max()) / TILE * block  # cycles of the outermost harmonic in a block
    scales = np.array(list(_scales(reach)))
    turn = np.degrees(_STEP / reach)
    most = ceil(ROTATIONS / turn)
    rotations = turn * np.arange(-most, most + 1)
    scores = _comb_scores(relief(plane, block), places, scales, rotations)
    for _ in range(CANDIDATES):
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        yield Geometry(float(scales[row]), float(rotations[column]))
        near = np.abs(scales / scales[row] - 1) < 2.5 * _STEP * scales[row] / reach
        scores[np.ix_(near, np.abs(rotations - rotations[column]) < 2.5 * turn)] = -np.inf


def relief(plane: Plane, block: int) -> Plane:
    """By how much each frequency stands out of those around it, in amplitude, limited.

    Args:
        plane: a whitened picture.
        block: the side of the squares whose spectra are summed.

    Returns:
        float32 (S, S // 2 + 1), zero frequency first, negative ones at the end.
    """
    side = cv2.getOptimalDFTSize(max(block, min(2 * block, _SPECTRUM)))
    power = np.zeros((side, side // 2 + 1), np.float32)
    for top in _starts(plane.shape[0], block):
        for left in _starts(plane.shape[1], block):
            part = plane[top : top + block, left : left + block]
            padded = np.zeros((side, side), np.float32)
            padded[: part.shape[0], : part.shape[1]] = part * np.outer(*map(_taper, part.shape))
            spectrum = np.fft.rfft2(padded)
            power += spectrum.real**2 + spectrum.imag**2
    power = np.fft.fftshift(power, axes=0)
    around = round(_AROUND * side / TILE) | 1
    usual = cv2.blur(power, (around, around), borderType=cv2.BORDER_REFLECT) + np.float32(1e-9)
    out: Plane = np.fft.ifftshift(np.sqrt(np.minimum(power / usual, 6)), axes=0)
    return out


def _comb_scores(spectrum: Plane, places: Places, scales: Steps, rotations: Steps) -> Plane:
    """How much the comb stands out for each scale (rows) and rotation (columns)."""
    side, half = spectrum.shape
    flat = spectrum.ravel()
    scores = np.empty((len(scales), len(rotations)), np.float32)
    for column, rotation in enumerate(rotations):
        angle = radians(rotation)
        turned = places @ np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])
        cycles = np.where(turned[:, 1:] < 0, -turned, turned) * (side / TILE)
        at = np.rint(cycles[None] / scales[:, None, None]).astype(
            np.int32
        )  # the spectrum is even: one half is kept
        scores[:, column] = flat[at[..., 0] % side * half + at[..., 1]].mean(axis=1)
    return scores


def _scales(reach: float) -> Iterator[float]:
    scale = SCALES[0]
    while scale <= SCALES[1]:
        yield scale
        scale *= 1 + _STEP * scale / reach


def _starts(length: int, block: int) -> list[int]:
    return [int(start) for start in np.linspace(0, max(length - block, 0), -(-length // block))]


def _taper(length: int) -> npt.NDArray[np.float32]:
    edge = max(length // 30, 1)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    window = np.ones(length, np.float32)
    window[:edge], window[-edge:] = ramp, ramp[::-1]
    return window
