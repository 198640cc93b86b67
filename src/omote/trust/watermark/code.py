"""The code of the mark: 48 bits of identifier, CRC-16, BCH(127, 64), decoded softly.

The binary BCH code of length 127 with 64 message bits has distance 21 (Lin & Costello, Error Control
Coding, ch. 6). It is decoded by ordered statistics (Fossorier & Lin, IEEE Trans. Inf. Theory 41, 1995):
the 64 most reliable independent bits are trusted but for up to `ORDER` of them, and the codeword that
agrees best with all soft values wins. That comes close to the best any decoder can do, where algebraic
decoding stops at 10 errors.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

IDENTIFIER_BITS = 48
MESSAGE_BITS = 64
LENGTH = 127
ORDER = 2

_PRIMITIVE = 0b10001001  # x^7 + x^3 + 1
_DESIGNED_ERRORS = 10

Bits = npt.NDArray[np.uint8]
Soft = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A codeword whose CRC is right.

    Attributes:
        identifier: 48 bits.
        corrected: how many of the 127 bits had the wrong sign.
        codeword: (127,) of 0 and 1.
    """

    identifier: int
    corrected: int
    codeword: Bits


def crc16(value: int, bits: int) -> int:
    """CRC-16/CCITT-FALSE of the lowest `bits` bits of a number, highest bit first."""
    register = 0xFFFF
    for place in reversed(range(bits)):
        feedback = (register >> 15) ^ (value >> place & 1)
        register = (register << 1 & 0xFFFF) ^ (0x1021 if feedback else 0)
    return register


def encode(identifier: int) -> Bits:
    """The codeword (127,) of an identifier of 48 bits."""
    message = identifier << 16 | crc16(identifier, IDENTIFIER_BITS)
    return (_to_bits(message) @ generator() & 1).astype(np.uint8)


def decode(soft: Soft) -> Decoded | None:
    """The identifier that soft values stand for, or None where the CRC denies it.

    Args:
        soft: (127,), positive where the bit is likely 0, negative where 1, larger where surer.
    """
    codeword = nearest(soft)
    message = int("".join(map(str, codeword[:MESSAGE_BITS])), 2)
    identifier, check = message >> 16, message & 0xFFFF
    if crc16(identifier, IDENTIFIER_BITS) != check:
        return None
    return Decoded(identifier, int(np.sum(codeword != (soft < 0))), codeword)


def nearest(soft: Soft) -> Bits:
    """The codeword (127,) that agrees best with soft values among those that ordered statistics tries."""
    order = np.argsort(-np.abs(soft), kind="stable")
    rows, trusted = _reduce(generator()[:, order])
    sorted_soft = soft[order]
    hard = (sorted_soft < 0).astype(np.uint8)
    base = (hard[trusted] @ rows & 1).astype(np.uint8)
    words = _flips(rows) ^ base
    cost = (words ^ hard) @ np.abs(sorted_soft)
    best = np.empty(LENGTH, np.uint8)
    best[order] = words[int(np.argmin(cost))]
    return best


@cache
def generator() -> Bits:
    """The systematic generator matrix (64, 127): a codeword starts with its message."""
    degree = LENGTH - MESSAGE_BITS
    polynomial = _generator_polynomial()
    rows = []
    for place in reversed(range(MESSAGE_BITS)):
        word = 1 << (place + degree)
        word |= _remainder(word, polynomial)
        rows.append([word >> bit & 1 for bit in reversed(range(LENGTH))])
    return np.array(rows, np.uint8)


def _reduce(matrix: Bits) -> tuple[Bits, npt.NDArray[np.intp]]:
    """Gauss-Jordan over GF(2) from the left: the reduced rows, and the columns of their identity matrix."""
    rows = matrix.copy()
    pivots: list[int] = []
    for column in range(LENGTH):
        rank = len(pivots)
        ones = np.flatnonzero(rows[rank:, column])
        if not ones.size:
            continue
        pivot = rank + int(ones[0])
        rows[[rank, pivot]] = rows[[pivot, rank]]
        others = np.flatnonzero(rows[:, column])
        rows[others[others != rank]] ^= rows[rank]
        pivots.append(column)
        if len(pivots) == MESSAGE_BITS:
            break
    return rows, np.array(pivots)


def _flips(rows: Bits) -> Bits:
    """The sums of no, one, ... `ORDER` rows."""
    sums = [np.zeros((1, LENGTH), np.uint8)]
    for count in range(1, ORDER + 1):
        chosen = np.array(list(combinations(range(MESSAGE_BITS), count)))
        sums.append(np.bitwise_xor.reduce(rows[chosen], axis=1))
    return np.concatenate(sums)


def _to_bits(message: int) -> Bits:
    return np.array([message >> bit & 1 for bit in reversed(range(MESSAGE_BITS))], np.uint8)


def _generator_polynomial() -> int:
    """The product of the minimal polynomials of a, a^2, ... a^20, where a is a root of `_PRIMITIVE`."""
    powers = [1]
    for _ in range(LENGTH - 1):
        power = powers[-1] << 1
        powers.append(power ^ _PRIMITIVE if power & 0x80 else power)
    logarithm = {power: exponent for exponent, power in enumerate(powers)}

    def times(first: int, second: int) -> int:
        return powers[(logarithm[first] + logarithm[second]) % LENGTH] if first and second else 0

    roots = {exponent << turn for exponent in range(1, 2 * _DESIGNED_ERRORS + 1) for turn in range(7)}
    coefficients = [1]  # lowest first
    for root in sorted({exponent % LENGTH for exponent in roots}):
        shifted = [0, *coefficients]
        scaled = [times(powers[root], coefficient) for coefficient in coefficients] + [0]
        coefficients = [first ^ second for first, second in zip(shifted, scaled, strict=True)]
    return sum(coefficient << place for place, coefficient in enumerate(coefficients))


def _remainder(dividend: int, divisor: int) -> int:
    size = divisor.bit_length()
    while dividend.bit_length() >= size:
        dividend ^= divisor << (dividend.bit_length() - size)
    return dividend
