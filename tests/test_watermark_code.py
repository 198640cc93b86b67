"""The code of the mark: check value, distance, decoding of noisy and of meaningless words."""

import numpy as np
import pytest

from omote.trust.watermark import code

IDENTIFIERS = [0, 1, 0x0123456789AB, (1 << 48) - 1]


def soft(identifier: int) -> np.ndarray:
    return 1.0 - 2.0 * code.encode(identifier)


def test_the_crc_has_its_published_check_value() -> None:
    assert code.crc16(int.from_bytes(b"123456789", "big"), 72) == 0x29B1


def test_the_generator_polynomial_has_the_roots_of_a_code_of_distance_21() -> None:
    """Its weight-21 bound shows in what combinations of rows weigh."""
    rows = code.generator()
    assert rows.shape == (64, 127)
    assert (rows[:, :64] == np.eye(64)).all()
    drawn = np.random.default_rng(0).integers(0, 2, (4000, 64))
    weights = (drawn @ rows & 1).sum(axis=1)
    assert min(rows.sum(axis=1).min(), weights[weights > 0].min()) >= 21
    turned = np.roll(
        rows[-1], 1
    )  # the code is cyclic: a turned word is the sum of the rows that it starts with
    assert (turned == (turned[:64] @ rows & 1)).all()


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_a_clean_word_gives_its_identifier(identifier: int) -> None:
    decoded = code.decode(soft(identifier))
    assert decoded is not None
    assert (decoded.identifier, decoded.corrected) == (identifier, 0)


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_ten_errors_of_full_weight_are_corrected(identifier: int) -> None:
    rng = np.random.default_rng(identifier % 1000)
    word = soft(identifier) + rng.normal(0, 0.01, 127)
    wrong = rng.choice(127, 10, replace=False)
    word[wrong] *= -0.5
    decoded = code.decode(word)
    assert decoded is not None
    assert (decoded.identifier, decoded.corrected) == (identifier, 10)


def test_gaussian_noise_at_3_6_decibels_per_bit_is_decoded() -> None:
    """Eb/N0 = 1.5^2 / 2 / (48/127) in amplitude over deviation; far beyond ten errors for some words."""
    rng = np.random.default_rng(1)
    right = most = 0
    for identifier in rng.integers(0, 1 << 48, 100):
        decoded = code.decode(1.5 * soft(int(identifier)) + rng.normal(size=127))
        right += decoded is not None and decoded.identifier == identifier
        most = max(most, decoded.corrected if decoded else 0)
    assert right >= 99
    assert most > 10


def test_noise_is_not_decoded() -> None:
    rng = np.random.default_rng(2)
    assert not any(code.decode(rng.normal(size=127)) for _ in range(200))
