"""The new face takes on the plate's noise and softness, and no more than these."""

import cv2
import numpy as np
import pytest

from omote.compose.grain import match_grain, noise_levels

SIDE = 192
ALL = np.ones((SIDE, SIDE), np.float32)


def smooth_face() -> np.ndarray:
    rng = np.random.default_rng(3)
    picture = cv2.GaussianBlur(rng.random((SIDE, SIDE, 3), np.float32), (0, 0), 8)
    return (picture - picture.min()) / np.ptp(picture) * 0.5 + 0.25


def plate(noise: float, blur: float = 0.0, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grain = rng.standard_normal((SIDE, SIDE, 1)).astype(np.float32) * noise
    picture = smooth_face()[:, ::-1] + grain
    return cv2.GaussianBlur(picture, (0, 0), blur) if blur else np.ascontiguousarray(picture)


def levels(picture: np.ndarray) -> np.ndarray:
    return noise_levels(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), ALL > 0)


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.05])
def test_white_noise_is_measured_at_both_octaves(sigma):
    full, half = levels(plate(sigma))
    assert full == pytest.approx(sigma, rel=0.05)
    assert half == pytest.approx(sigma / 2, rel=0.1)  # the mean of four


@pytest.mark.parametrize(("noise", "blur"), [(0.01, 0), (0.04, 0), (0.04, 0.6), (0.08, 0.9)])
def test_the_new_face_gets_the_plates_noise(noise, blur):
    target = plate(noise, blur)
    made = match_grain(smooth_face(), target, ALL)
    np.testing.assert_allclose(levels(made), levels(target), rtol=0.12)


def test_half_the_amount_is_half_the_noise():
    target = plate(0.03)
    assert levels(match_grain(smooth_face(), target, ALL, 0.5))[0] == pytest.approx(0.015, rel=0.1)


def test_a_face_that_is_too_sharp_is_softened_and_a_soft_one_stays():
    lines = np.sin(np.arange(SIDE, dtype=np.float32) * 1.3)[:, None, None] * 0.05  # no diagonals: no noise
    detailed = smooth_face() + lines
    softer = cv2.GaussianBlur(detailed, (0, 0), 0.8)

    def fine(picture: np.ndarray) -> float:
        return float((picture - cv2.GaussianBlur(picture, (0, 0), 1.0)).std())

    made = match_grain(detailed, softer, ALL)
    assert fine(made) < 1.2 * fine(softer) < 0.8 * fine(detailed)
    np.testing.assert_array_equal(match_grain(softer, detailed, ALL), softer)


def test_a_clean_plate_and_the_face_itself_change_nothing():
    face = smooth_face()
    assert np.abs(match_grain(face, plate(0.0), ALL) - face).max() < 0.001
    noisy = plate(0.03)
    assert np.abs(match_grain(noisy, noisy, ALL) - noisy).max() < 0.002
    np.testing.assert_array_equal(match_grain(face, noisy, ALL, 0.0), face)
    np.testing.assert_array_equal(match_grain(face, noisy, ALL * 0), face)


def test_a_frame_gets_the_same_noise_again_and_the_next_frame_another():
    face, first, second = smooth_face(), plate(0.03), plate(0.03, seed=2)
    again = match_grain(face, first, ALL)
    np.testing.assert_array_equal(match_grain(face, first, ALL), again)
    change = again - match_grain(face, second, ALL)
    assert change.std() == pytest.approx(0.03 * 2**0.5, rel=0.1)
