"""Finding the mark, blindly: whitening, geometry, pilots, code, proof.

1. *Whitening* (`whiten`): the picture's slow part is taken away, loud places are made quiet. Frames of a
   film are summed after that.
2. *Geometry* (`geometry`): the power spectrum of a marked picture has a comb at the harmonics of the tile;
   scale and rotation are found where most of its power lies on the comb. Quarter turns and flips keep the
   comb.
3. *Pilots*: for each likely geometry the picture is brought back to the scale of the tile, all repeats of
   the tile are summed, and the sum is correlated with the pilots of every seed at every shift, flip and
   quarter turn.
4. *Code*: where the pilots stand out, the other harmonics are read and decoded, and the CRC is checked.
5. *Proof*: now every harmonic's phase is known; their agreement bounds the probability of a false alarm.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import exp, log
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.trust.watermark import code
from omote.trust.watermark.geometry import CANDIDATES, Geometry, likely_geometries
from omote.trust.watermark.pattern import PUBLIC, SEEDS, TILE, Carriers, Phasors, Plane
from omote.trust.watermark.whiten import Pixels, whitened_sums

FALSE_ALARM = 1e-6
FRAMES = 24

_PILOTS = 5.5  # standard deviations; the best of all trials on an unmarked picture lies about there
_GRID = 48  # shifts that are tried, each way
_ORIENTATIONS = tuple((turn, flip) for flip in (False, True) for turn in range(4))
_REFINEMENTS = (1.0, 0.5, 0.25)  # pixels
_LEVELS = 3  # at most, of `whitened_sums`
_TRIALS = _LEVELS * (1 + CANDIDATES) * len(_ORIENTATIONS) * (SEEDS * _GRID**2 + 9 * len(_REFINEMENTS))


@dataclass(frozen=True, slots=True)
class Reading:
    """A mark that was found.

    Attributes:
        identifier: 48 bits.
        score: agreement of all harmonics with the mark of this identifier, in standard deviations of what an
            unmarked picture gives.
        false_alarm: an upper bound of the probability that an unmarked picture reaches this score with any
            identifier anywhere in the search.
        corrected: bits of 127 that were wrong before decoding.
        scale: size of the tile now, compared with 128 pixels. That is the size of the picture now, compared
            with when it was marked; or twice that for those of 1600 pixels and more, whose tile is doubled.
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

    @property
    def provider(self) -> int:
        """The first 8 bits of the identifier: who marked, and with which version."""
        return self.identifier >> (code.IDENTIFIER_BITS - 8)


def false_alarm(score: float) -> float:
    """An upper bound of the probability that an unmarked picture reaches a score anywhere in the search.

    The phases of the mark are drawn from the key, independently of the picture. So the agreement of N
    harmonics of whatever size is a sum of cosines of uniform phases, sub-Gaussian with half the sum of
    squares as its variance (Hoeffding): one trial exceeds z deviations with a probability of at most
    exp(-z²/2). The bound is that of all trials and all 2^48 identifiers together; the CRC is not counted.
    """
    return min(1.0, exp(min(0.0, log(_TRIALS) + code.IDENTIFIER_BITS * log(2) - max(score, 0.0) ** 2 / 2)))


def find_mark(pictures: Pixels | Iterable[Pixels], key: bytes = PUBLIC) -> Reading | None:
    """Find the mark in a picture, or in frames of one film.

    Args:
        pictures: RGB (H, W, 3) or luma (H, W), uint8, or uint16 of which white is 65535; or an iterable of
            such frames, all of one size. Of a film, at least `FRAMES` frames should be given.
        key: the key that it was marked with.

    Returns:
        What was found, or None.

    Raises:
        InputError: frames of different sizes, or none at all.
    """
    frames = iter([pictures]) if isinstance(pictures, np.ndarray) else iter(pictures)
    return Finder(key).find(frames)


@dataclass(frozen=True, slots=True)
class Match:
    """Where the pilots fit best.

    Attributes:
        harmonics: what was read, in the tile's orientation.
        geometry: what was undone.
        turn: quarter turns that were undone.
        flip: whether a flip was undone.
        seed: of the public set.
        shift: pixels, down and across.
        score: agreement of the pilots, in standard deviations.
    """

    harmonics: Phasors
    geometry: Geometry
    turn: int
    flip: bool
    seed: int
    shift: tuple[float, float]
    score: float


@dataclass(frozen=True)
class Finder:
    """A search for marks of one key; keep it to search several files.

    Attributes:
        key: the key.
    """

    key: bytes = PUBLIC
    _chips: dict[int, Phasors] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def carriers(self) -> Carriers:
        """Where the key puts the mark."""
        return Carriers(self.key)

    def find(self, frames: Iterator[Pixels]) -> Reading | None:
        """As `find_mark`."""
        for level in whitened_sums(frames):
            for geometry in likely_geometries(level.plane, self.carriers.places):
                match = self.match(level.plane, geometry)
                reading = self.read(match) if match.score >= _PILOTS else None
                if reading is not None and reading.false_alarm <= FALSE_ALARM:
                    return replace(reading, scale=reading.scale * 2**level.halved)
        return None

    def match(self, plane: Plane, geometry: Geometry) -> Match:
        """The best match of the pilots in a whitened picture for a geometry."""
        folded = geometry.fold(plane)
        matches = [self._match(_oriented(folded, *way), geometry, *way) for way in _ORIENTATIONS]
        return self._refined(max(matches, key=lambda match: match.score))

    def read(self, match: Match, checked: bool = True) -> Reading | None:
        """Decode the code bits; None where the CRC denies them, unless they are not to be checked."""
        carriers, count = self.carriers, self.carriers.pilots
        turned = match.harmonics * _shifted(carriers.places, match.shift)
        values = (turned[count:] * self._chips_of(match.seed).conj()).real.astype(np.float64)
        soft = np.bincount(carriers.bits(), values, code.LENGTH).astype(np.float64)
        decoded = code.decode(soft)
        if decoded is None and checked:
            return None
        word = code.nearest(soft) if decoded is None else decoded.codeword
        signs = 1.0 - 2.0 * word[carriers.bits()]
        power = np.sqrt(np.sum(np.abs(match.harmonics) ** 2) / 2)
        pilots = match.score * np.sqrt(np.sum(np.abs(match.harmonics[:count]) ** 2) / 2)
        score = float((pilots + np.sum(values * signs)) / (power + 1e-12))
        return Reading(
            identifier=decoded.identifier if decoded else 0,
            score=score,
            false_alarm=false_alarm(score),
            corrected=int(np.sum(word != (soft < 0))),
            scale=match.geometry.scale,
            rotation=(match.geometry.rotation + 90 * match.turn + 180) % 360 - 180,
            flipped=match.flip,
        )

    @cached_property
    def _pilots(self) -> Phasors:
        """(seeds, pilots), conjugate."""
        return np.stack([self.carriers.pilot_phasors(seed) for seed in range(SEEDS)]).conj()

    def _chips_of(self, seed: int) -> Phasors:
        if seed not in self._chips:
            self._chips[seed] = self.carriers.chips(seed)
        return self._chips[seed]

    def _match(self, tile: Plane, geometry: Geometry, turn: int, flip: bool) -> Match:
        """The best seed and shift on the grid."""
        harmonics = _levelled(self.carriers.harmonics(tile), self.carriers.places)
        products = harmonics[: self.carriers.pilots] * self._pilots
        rows, columns = self.carriers.places[: self.carriers.pilots].T
        spectrum = np.zeros((SEEDS, _GRID, _GRID // 2 + 1), np.complex64)
        spectrum[:, rows, columns] = products
        surface = np.fft.irfft2(spectrum, s=(_GRID, _GRID))
        seed, down, across = (int(index) for index in np.unravel_index(int(surface.argmax()), surface.shape))
        shift = (down * TILE / _GRID, across * TILE / _GRID)
        return self._scored(Match(harmonics, geometry, turn, flip, seed, shift, 0.0), shift)

    def _refined(self, match: Match) -> Match:
        """The same, its shift found to a fraction of a pixel."""
        for step in _REFINEMENTS:
            down, across = match.shift
            near = [(down + d * step, across + a * step) for d in (-1, 0, 1) for a in (-1, 0, 1)]
            match = max((self._scored(match, shift) for shift in near), key=lambda tried: tried.score)
        return match

    def _scored(self, match: Match, shift: tuple[float, float]) -> Match:
        pilots = self.carriers.pilots
        products = match.harmonics[:pilots] * self._pilots[match.seed]
        power = np.sqrt(np.sum(np.abs(products) ** 2) / 2) + 1e-12
        score = np.sum((products * _shifted(self.carriers.places[:pilots], shift)).real) / power
        return Match(match.harmonics, match.geometry, match.turn, match.flip, match.seed, shift, float(score))


def _levelled(values: Phasors, places: npt.NDArray[np.intp]) -> Phasors:
    """Harmonics in units of what is usual for their frequency, and limited."""
    ring = np.hypot(places[:, 0], places[:, 1]).astype(int)
    power = np.bincount(ring, np.abs(values) ** 2) / np.maximum(np.bincount(ring), 1)
    relative = values / np.sqrt(power[ring] + 1e-20)
    size = np.abs(relative)
    limited: Phasors = (relative * (np.minimum(size, 1.2) / np.maximum(size, 1e-12))).astype(np.complex64)
    return limited


def _shifted(places: npt.NDArray[np.intp], shift: tuple[float, float]) -> npt.NDArray[Any]:
    """The phasors that undo a shift."""
    undone: npt.NDArray[Any] = np.exp(2j * np.pi / TILE * (places @ np.array(shift)))
    return undone


def _oriented(tile: Plane, turn: int, flip: bool) -> Plane:
    """The tile turned back by quarter turns and, where flipped, mirrored back."""
    turned = np.rot90(tile, -turn)
    return np.ascontiguousarray(turned[:, ::-1] if flip else turned)
