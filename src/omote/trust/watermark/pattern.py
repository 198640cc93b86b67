"""The pattern of the mark: a square tile, keyed, whose Fourier coefficients all have the same size.

The tile is periodic, so a picture that is covered by it has its whole energy at the harmonics of 1/128
cycles per pixel, wherever it was cropped; that comb shows scale and rotation. A fifth of the harmonics are
pilots of known phase, which show flip, shift and seed; the others carry the codeword, several of them for
each bit. Periods from 6 to 20 pixels outlive quantisers and scaling, and the eye sees them least in
texture.

Pilot phases and chips are drawn for each file from a public set of seeds, so that the mean of many marked
files does not show the tile. Everything follows from SHAKE-256 of key and seed, for ever the same.
"""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256, shake_256

import numpy as np
import numpy.typing as npt

from omote.trust.watermark import code

TILE = 128  # pixels
SEEDS = 32
PUBLIC = b"omote watermark 1"

_LOWEST, _HIGHEST = 6.0, 21.0  # cycles per tile
_BLOCKING = 16  # codecs' blocks of 8 px leave lines at multiples of this many cycles per tile

Plane = npt.NDArray[np.float32]
Phasors = npt.NDArray[np.complex64]


@dataclass(frozen=True)
class Carriers:
    """Where a key puts pilots and code bits, and with which phases.

    Attributes:
        key: secret or public.
    """

    key: bytes = PUBLIC

    @cached_property
    def places(self) -> npt.NDArray[np.intp]:
        """(N, 2): cycles per tile, down and across, of all harmonics in use; one of each conjugate pair."""
        reach = int(_HIGHEST)
        down, across = np.mgrid[-reach : reach + 1, 1 : reach + 1]
        radius = np.hypot(down, across)
        used = (radius >= _LOWEST) & (radius <= _HIGHEST) & (down != 0)
        used &= ~((down % _BLOCKING == 0) & (across % _BLOCKING == 0))
        found = np.stack([down[used], across[used]], axis=1)
        order: npt.NDArray[np.intp] = found[_order(self.key, "places", len(found))]
        return order

    @property
    def pilots(self) -> int:
        """How many harmonics, the first ones, are pilots."""
        return len(self.places) // 5

    def pilot_phasors(self, seed: int) -> Phasors:
        """(pilots,) unit phasors."""
        return _phasors(self.key, f"pilots {seed}", self.pilots)

    def chips(self, seed: int) -> Phasors:
        """(N - pilots,) unit phasors that the code bits are multiplied by."""
        return _phasors(self.key, f"chips {seed}", len(self.places) - self.pilots)

    def bits(self) -> npt.NDArray[np.intp]:
        """(N - pilots,) which code bit each of the other harmonics carries."""
        return np.arange(len(self.places) - self.pilots) % code.LENGTH

    def tile(self, identifier: int) -> Plane:
        """The tile (128, 128) of an identifier: mean 0, standard deviation 1."""
        seed = seed_of(identifier)
        signs = 1 - 2 * code.encode(identifier).astype(np.float32)
        spectrum = np.zeros((TILE, TILE // 2 + 1), np.complex64)
        spectrum[self.places[:, 0], self.places[:, 1]] = np.concatenate(
            [self.pilot_phasors(seed), self.chips(seed) * signs[self.bits()]]
        )
        tile = np.fft.irfft2(spectrum, s=(TILE, TILE))
        unit: Plane = (tile / tile.std()).astype(np.float32)
        return unit

    def harmonics(self, tile: Plane) -> Phasors:
        """(N,) the harmonics of a tile (128, 128), or (64, 64) where it was sampled at every other pixel."""
        read: Phasors = np.fft.rfft2(tile)[self.places[:, 0], self.places[:, 1]].astype(np.complex64)
        return read


def seed_of(identifier: int) -> int:
    """Which of the public seeds a file with this identifier uses."""
    return sha256(identifier.to_bytes(6, "big")).digest()[0] % SEEDS


def _order(key: bytes, use: str, count: int) -> npt.NDArray[np.intp]:
    drawn = np.frombuffer(_stream(key, use, 8 * count), "<u8")
    return np.argsort(drawn, kind="stable")


def _phasors(key: bytes, use: str, count: int) -> Phasors:
    drawn = np.frombuffer(_stream(key, use, 2 * count), "<u2")
    return np.exp(2j * np.pi * drawn / 65536).astype(np.complex64)


def _stream(key: bytes, use: str, count: int) -> bytes:
    return shake_256(len(key).to_bytes(4, "big") + key + use.encode()).digest(count)
