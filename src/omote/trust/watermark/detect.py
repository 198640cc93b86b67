"""Finding the mark, blindly: whitening, geometry, pilots, code.

1. *Whitening*: the picture's slow part is taken away, the rest divided by its local deviation and limited. Frames
   of a film are averaged after that.
2. *Geometry*: the power spectrum of a marked picture has a comb at the harmonics of the tile; scale and rotation are
   found where most of its power lies on the comb. Quarter turns and flips keep the comb.
3. *Pilots*: for each likely geometry the picture is brought back to the scale of the tile, all repeats of the tile are
   summed, and the sum is correlated with the pilots of every seed at every shift, flip and quarter turn.
4. *Code*: only where the pilots leave no doubt, the other harmonics are read and decoded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import exp, log
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.trust.watermark import code
from omote.trust.watermark.geometry import Geometry, likely_geometries
from omote.trust.watermark.pattern import PUBLIC, SEEDS, TILE, Carriers, Plane

Pixels = npt.NDArray[Any]
Phasors = npt.NDArray[np.complex64]

FALSE_ALARM = 1e-6
FRAMES = 24
_TRIALS = TILE * TILE * 4 * 8 * SEEDS * 400  # shifts to half a pixel, flips and turns, seeds, geometries
_TURNS = tuple((turn, flip) for flip in (False, True) for turn in range(4))
_LARGEST = 2600  # pixels of the shorter side; larger pictures are halved first: they were marked with larger tiles


@dataclass(frozen=True, slots=True)
class Reading:
    """A mark that was found.

    Attributes:
        identifier: 48 bits.
        score: correlation with the pilots in standard deviations of what an unmarked picture gives.
        false_alarm: an upper bound of the probability that an unmarked picture reaches this score anywhere in the search.
        corrected: bits of 127 that were wrong before decoding.
        scale: size of the picture now, compared with when it was marked.
        rotation: degrees by which it was turned since, counter-clockwise, quarter turns included.
        flipped: whether it is mirrored.
    """

    identifier: int
    score: float
    false_alarm: float
    corrected: int
    scale: float
    rotation: float
    flipped: bool


def false_alarm(score: float) -> float:
    """An upper bound of the probability that an unmarked picture reaches a pilot score anywhere in the search.

    The phases of an unmarked picture are independent of the pilots', so the sum of N cosines is sub-Gaussian
    with variance N/2 (Hoeffding), whatever the magnitudes; the bound is that of one trial times all trials.
    """
    return min(1.0, exp(log(_TRIALS) - score * score / 2)) if score > 0 else 1.0


def find_mark(pictures: Pixels | Iterable[Pixels], key: bytes = PUBLIC) -> Reading | None:
    """Find the mark in a picture, or in frames of one film.

    Args:
        pictures: RGB (H, W, 3) or luma (H, W), uint8 or uint16; or an iterable of such frames, all of one size. Of a
            film, at least `FRAMES` frames should be given.
        key: the key that it was marked with.

    Returns:
        What was found, or None.

    Raises:
        InputError: frames of different sizes, or none at all.
    """
    frames = iter([pictures]) if isinstance(pictures, np.ndarray) else iter(pictures)
    return Finder(key).find(frames)


@dataclass(frozen=True)
class Finder:
    """A search for marks of one key; keep it to search several files.

    Attributes:
        key: the key.
    """

    key: bytes = PUBLIC
    _chips: dict[int, Phasors] = field(default_factory=dict, compare=False, repr=False)

    def find(self, frames: Iterator[Pixels]) -> Reading | None:
        """As `find_mark`."""
        plane = whitened_mean(frames)
        best: Reading | None = None
        for geometry in likely_geometries(plane, self._carriers.places):
            best = self._read(plane, geometry)
            if best is not None:
                break
        return best

    @cached_property
    def _carriers(self) -> Carriers:
        return Carriers(self.key)

    @cached_property
    def _pilots(self) -> Phasors:
        """(seeds, pilots)."""
        return np.stack([self._carriers.pilot_phasors(seed) for seed in range(SEEDS)])

    def _read(self, plane: Plane, geometry: Geometry) -> Reading | None:
        found = self.score(plane, geometry)
        if false_alarm(found.score) > FALSE_ALARM:
            return None
        return self._decode(found)

    def score(self, plane: Plane, geometry: Geometry) -> "PilotMatch":
        """The best match of the pilots in a whitened picture for a geometry."""
        best: PilotMatch | None = None
        folded = fold(plane, geometry)
        for turn, flip in _TURNS:
            harmonics = self._harmonics(oriented(folded, turn, flip))
            match = self._match(harmonics, geometry, turn, flip)
            if best is None or match.score > best.score:
                best = match
        assert best is not None
        return best

    def _harmonics(self, tile: Plane) -> Phasors:
        """The tile's harmonics, in units of their usual size for their frequency, and limited."""
        places = self._carriers.places
        values = np.fft.rfft2(tile)[places[:, 0], places[:, 1]]
        ring = np.hypot(places[:, 0], places[:, 1]).astype(int)
        power = np.bincount(ring, np.abs(values) ** 2) / np.maximum(np.bincount(ring), 1)
        values = values / np.sqrt(power[ring] + 1e-20)
        size = np.abs(values)
        limited: Phasors = (values * (np.minimum(size, 1.5) / np.maximum(size, 1e-12))).astype(np.complex64)
        return limited

    def _match(self, harmonics: Phasors, geometry: Geometry, turn: int, flip: bool) -> "PilotMatch":
        count = self._carriers.pilots
        rows, columns = self._carriers.places[:count].T
        spectrum = np.zeros((SEEDS, TILE // 2, TILE // 4 + 1), np.complex64)
        spectrum[:, rows, columns] = harmonics[:count] * self._pilots.conj()
        surface = np.fft.irfft2(spectrum, s=(TILE // 2, TILE // 2))
        seed, down, across = np.unravel_index(int(surface.argmax()), surface.shape)
        shift = self._refined(harmonics[:count] * self._pilots[seed].conj(), 2.0 * down, 2.0 * across)
        return PilotMatch(harmonics, geometry, turn, flip, int(seed), *shift)

    def _refined(self, products: Phasors, down: float, across: float) -> tuple[float, float, float]:
        """The shift to a fraction of a pixel, and the score there."""
        places = self._carriers.places[: len(products)]
        norm = float(np.sqrt(np.sum(np.abs(products) ** 2) / 2)) + 1e-12
        best = (down, across, -1.0)
        for step in (1.0, 0.5, 0.25):
            middle = best[:2]
            for d in (-step, 0.0, step):
                for a in (-step, 0.0, step):
                    shift = np.array([middle[0] + d, middle[1] + a])
                    turned = products * np.exp(2j * np.pi * (places @ shift) / TILE)
                    score = float(turned.real.sum()) / norm
                    if score > best[2]:
                        best = (shift[0], shift[1], score)
        return best

    def _decode(self, match: "PilotMatch") -> Reading | None:
        carriers = self._carriers
        count = carriers.pilots
        shift = np.array([match.down, match.across])
        turned = match.harmonics * np.exp(2j * np.pi * (carriers.places @ shift) / TILE)
        if match.seed not in self._chips:
            self._chips[match.seed] = carriers.chips(match.seed)
        values = (turned[count:] * self._chips[match.seed].conj()).real
        decoded = code.decode(np.bincount(carriers.bits(), values, code.LENGTH))
        if decoded is None:
            return None
        rotation = match.geometry.rotation + 90 * match.turn
        return Reading(
            identifier=decoded.identifier,
            score=match.score,
            false_alarm=false_alarm(match.score),
            corrected=decoded.corrected,
            scale=match.geometry.scale,
            rotation=(rotation + 180) % 360 - 180,
            flipped=match.flip,
        )


@dataclass(frozen=True, slots=True)
class PilotMatch:
    """Where the pilots fit best: harmonics as they were read, orientation, seed, shift in pixels, score."""

    harmonics: Phasors
    geometry: Geometry
    turn: int
    flip: bool
    seed: int
    down: float
    across: float
    score: float


def whitened_mean(frames: Iterator[Pixels]) -> Plane:
    """The mean of whitened frames, float32 (H, W).

    Raises:
        InputError: frames of different sizes, or none.
    """
    total: Plane | None = None
    for frame in frames:
        plane = whitened(frame)
        if total is None:
            total = plane
        elif total.shape != plane.shape:
            raise InputError("watermark: frames of different sizes; give those of one film")
        else:
            total += plane
    if total is None:
        raise InputError("watermark: no frame to search; give a picture or a film that has frames")
    return total


def whitened(frame: Pixels) -> Plane:
    """Luma without its slow part, divided by its local deviation and limited, float32."""
    luma = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame
    plane = luma.astype(np.float32) * np.float32(1 if luma.dtype == np.uint8 else 255 / 65535)
    while min(plane.shape) >= _LARGEST:
        plane = cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    detail = plane - cv2.GaussianBlur(plane, (0, 0), 4)
    deviation = np.sqrt(cv2.blur(detail * detail, (17, 17)))
    limited: Plane = np.clip(detail / (deviation + 0.7), -2.5, 2.5)
    return limited


def fold(plane: Plane, geometry: Geometry) -> Plane:
    """All repeats of the tile summed, float32 (128, 128), for a picture of that scale and rotation."""
    straight = geometry.undo(plane)
    height, width = (-(-side // TILE) * TILE for side in straight.shape)
    padded = np.zeros((height, width), np.float32)
    padded[: straight.shape[0], : straight.shape[1]] = straight
    summed: Plane = padded.reshape(height // TILE, TILE, width // TILE, TILE).sum(axis=(0, 2))
    return summed


def oriented(tile: Plane, turn: int, flip: bool) -> Plane:
    """The tile turned back by quarter turns and, where flipped, mirrored back."""
    turned = np.rot90(tile, -turn)
    return np.ascontiguousarray(turned[:, ::-1] if flip else turned)
