"""Colour, masks, blending and paste-back."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omote.compose import (
    BLEND_METHODS,
    COLOUR_METHODS,
    blend,
    box_mask,
    hull_mask,
    match_colour,
    paste,
    to_float,
)
from omote.compose.colour import reinhard, relight, transport
from omote.compose.masks import polygon_mask
from omote.faces.align import align, template, transform
from omote.faces.face import Face

SIZE = 96


def texture(seed: int, mean=(0.5, 0.5, 0.5), spread=0.1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(SIZE, SIZE, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2)
    noise /= noise.std((0, 1))
    return np.clip(np.float32(mean) + spread * noise, 0, 1)


def moments(pixels: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = pixels[mask > 0.5]
    return values.mean(0), np.cov(values.T)


def test_transport_gives_the_target_its_mean_and_covariance():
    new, target = texture(0, (0.6, 0.4, 0.3), 0.08), texture(1, (0.4, 0.45, 0.5), 0.08)
    target[..., 1] = 0.3 * target[..., 0] + 0.8 * target[..., 1]
    mask = np.ones((SIZE, SIZE), np.float32)
    mean, covariance = moments(transport(new, target, mask), mask)
    wanted_mean, wanted_covariance = moments(target, mask)
    np.testing.assert_allclose(mean, wanted_mean, atol=0.01)
    np.testing.assert_allclose(covariance, wanted_covariance, atol=0.0006)


def test_reinhard_gives_the_target_its_lab_statistics():
    new, target = texture(0, (0.6, 0.4, 0.3), 0.05), texture(1, (0.4, 0.45, 0.5), 0.06)
    mask = np.ones((SIZE, SIZE), np.float32)
    a = cv2.cvtColor(reinhard(new, target, mask), cv2.COLOR_RGB2Lab)
    b = cv2.cvtColor(target, cv2.COLOR_RGB2Lab)
    np.testing.assert_allclose(a.mean((0, 1)), b.mean((0, 1)), atol=0.5)
    np.testing.assert_allclose(a.std((0, 1)), b.std((0, 1)), rtol=0.1)


def test_relight_carries_a_shadow_over_and_keeps_detail():
    new, target = texture(0, (0.6, 0.45, 0.4), 0.03), texture(1, (0.65, 0.5, 0.4), 0.0)
    target *= np.linspace(0.6, 1.3, SIZE, dtype=np.float32)[None, :, None]
    mask = np.ones((SIZE, SIZE), np.float32)
    result = relight(new, target, mask)
    middle = slice(16, -16)
    slow = cv2.GaussianBlur(result, (0, 0), 12)[middle, middle]
    assert np.abs(slow - cv2.GaussianBlur(target, (0, 0), 12)[middle, middle]).mean() < 0.02
    fine = lambda image: (image - cv2.GaussianBlur(image, (0, 0), 4))[middle, middle].ravel()  # noqa: E731
    assert np.corrcoef(fine(result), fine(new))[0, 1] > 0.98


def test_relight_is_as_colourful_as_the_target():
    new = texture(0, (0.6, 0.45, 0.35))
    grey = np.repeat(texture(1, spread=0.05)[..., :1], 3, 2)
    mask = np.ones((SIZE, SIZE), np.float32)
    result = relight(new, grey, mask)
    assert np.ptp(result, axis=2).max() < 0.01
    fine = lambda image: (image - cv2.GaussianBlur(image, (0, 0), 8)).ravel()  # noqa: E731
    assert np.corrcoef(fine(result.mean(2)), fine(new.mean(2)))[0, 1] > 0.95


def test_relight_gives_dark_features_the_hue_of_the_skin_about_them():
    """A black brow of a dark face is brown on a light one, not grey."""
    new, target = texture(0, (0.3, 0.2, 0.15), 0.0), texture(1, (0.85, 0.65, 0.5), 0.0)
    new[44:52, 30:66] = (0.06, 0.05, 0.045)
    result = relight(new, target, np.ones((SIZE, SIZE), np.float32))
    brow, skin = result[48, 48], result[10, 10]
    assert brow.mean() < 0.75 * skin.mean()
    assert (brow.max() - brow.min()) / brow.mean() > 0.6 * (skin.max() - skin.min()) / skin.mean()


def test_relight_gives_shadows_the_tint_that_they_have_in_the_target():
    """Small shadows of light skin are red; those of dark skin, brought to its brightness, would be grey."""
    shade = cv2.GaussianBlur(
        np.random.default_rng(2).normal(0, 1, (SIZE, SIZE)).astype(np.float32), (0, 0), 2
    )
    shade = 0.1 * shade / shade.std()
    target = np.dstack([0.8 + 0.6 * shade, 0.6 + shade, 0.5 + shade]).astype(np.float32).clip(0, 1)
    new = (np.array([0.5, 0.35, 0.3]) + np.roll(shade, 30)[..., None]).astype(np.float32).clip(0, 1)
    result = relight(new, target, np.ones((SIZE, SIZE), np.float32))
    dark = np.roll(shade, 30) < -0.1
    assert dark.sum() > 200
    red = lambda image, where: float((image[where][:, 0] - image[where][:, 1]).mean())  # noqa: E731
    gained = red(result, dark) - red(result, ~dark)
    wanted = red(target, shade < -0.1) - red(target, shade >= -0.1)
    assert gained == pytest.approx(wanted, rel=0.35)
    assert abs(red(new, dark) - red(new, ~dark)) < 0.1 * wanted


@pytest.mark.parametrize("method", COLOUR_METHODS)
def test_colour_transfer_leaves_its_own_target_alone(method):
    target = texture(3, (0.6, 0.45, 0.4))
    mask = box_mask(SIZE)
    np.testing.assert_allclose(match_colour(target.copy(), target, mask, method), target, atol=2e-3)


@pytest.mark.parametrize("method", COLOUR_METHODS)
def test_colour_transfer_survives_flat_and_black_pictures(method):
    black, flat = np.zeros((SIZE, SIZE, 3), np.float32), np.full((SIZE, SIZE, 3), 0.7, np.float32)
    for new, target in ((black, flat), (flat, black), (texture(0), black)):
        result = match_colour(new, target, box_mask(SIZE), method)
        assert np.isfinite(result).all()
        assert result.min() >= 0
        assert result.max() <= 1
    empty = np.zeros((SIZE, SIZE), np.float32)
    assert match_colour(flat, black, empty, method) is flat


def test_masks_are_soft_and_end_at_zero():
    box = box_mask(64, blur=0.2)
    assert box[0].max() == 0
    assert box[32, 32] == 1
    assert (np.diff(box[32, :32]) >= 0).all()
    corners = np.array([(20, 20), (60, 20), (60, 60), (20, 60)], np.float32)
    soft = polygon_mask(corners, 80, feather=8)
    assert soft[40, 40] == 1
    assert soft[10, 10] == 0
    assert 0 < soft[40, 23] < 0.6
    grown = polygon_mask(corners, 80, grow=6, feather=4)
    assert grown[40, 16] > 0
    assert soft[40, 16] == 0
    inner = [*corners, (40, 40)]
    np.testing.assert_array_equal(hull_mask(inner, 80, feather=8), soft)


@pytest.mark.parametrize("method", BLEND_METHODS)
def test_blend_never_touches_what_the_mask_leaves_out(method):
    new, target = texture(0, (0.8, 0.4, 0.3)), texture(1, (0.3, 0.5, 0.6))
    mask = hull_mask([(30, 25), (70, 25), (70, 70), (30, 70)], SIZE, feather=6)
    result = blend(new, target, mask, method)
    np.testing.assert_array_equal(result[mask == 0], target[mask == 0])
    assert np.abs(result - target)[mask == 1].mean() > 0.03
    np.testing.assert_array_equal(blend(new, target, mask, method, opacity=0), target)
    half = blend(new, target, mask, method, opacity=0.5)
    assert np.abs(half - target).sum() < np.abs(result - target).sum()


def test_poisson_takes_the_gradients_of_the_new_face_and_the_colour_of_the_target():
    new, target = texture(0, (0.7, 0.4, 0.3), 0.03), texture(1, (0.4, 0.5, 0.6), 0.0)
    mask = hull_mask([(20, 20), (76, 20), (76, 76), (20, 76)], SIZE, feather=2)
    result = blend(new, target, mask, "poisson")
    centre = (slice(36, 60), slice(36, 60))
    assert np.abs(result[centre].mean((0, 1)) - target[centre].mean((0, 1))).max() < 0.05
    detail = lambda image: (image[centre] - cv2.GaussianBlur(image, (0, 0), 4)[centre]).ravel()  # noqa: E731
    assert np.corrcoef(detail(result), detail(new))[0, 1] > 0.9


def picture(dtype: type) -> np.ndarray:
    noise = np.random.default_rng(5).uniform(0, 1, (200, 220, 3)).astype(np.float32)
    return (cv2.GaussianBlur(noise, (0, 0), 1.5) * np.iinfo(dtype).max).astype(dtype)


def face_at(angle: float, scale: float, x: float, y: float) -> Face:
    c, s = scale * np.cos(np.deg2rad(angle)), scale * np.sin(np.deg2rad(angle))
    points = transform(template("arcface_128") - 0.5, np.array([[c, -s, x], [s, c, y]])).astype(np.float32)
    return Face(box=np.array([0, 0, 1, 1]), score=1, points=points)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(st.floats(-180, 180), st.floats(60, 300), st.floats(-40, 260), st.floats(-40, 240))
@settings(max_examples=25, deadline=None)
def test_an_unchanged_crop_gives_an_unchanged_picture(dtype, angle, scale, x, y):
    pixels = picture(dtype)
    before = pixels.copy()
    crop = align(pixels, face_at(angle, scale, x, y), "arcface_128", 96)
    paste(pixels, crop, to_float(crop.pixels))
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_paste_changes_the_masked_place_and_nothing_else(dtype):
    pixels = picture(dtype)
    before = pixels.copy()
    crop = align(pixels, face_at(20, 120, 100, 100), "arcface_128", 128)
    target = to_float(crop.pixels)
    mask = hull_mask([(40, 40), (88, 40), (88, 88), (40, 88)], 128, feather=6)
    paste(pixels, crop, blend(np.ones_like(target), target, mask))
    back = cv2.warpAffine(
        mask, crop.matrix, (220, 200), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, borderValue=0
    )
    outside = cv2.dilate((back > 0).astype(np.uint8), np.ones((3, 3))) == 0
    np.testing.assert_array_equal(pixels[outside], before[outside])
    assert pixels[back > 0.999].min() > 0.9 * np.iinfo(dtype).max


def test_a_coarse_crop_leaves_no_lines_of_the_old_face() -> None:
    picture = np.full((240, 240, 3), 120, np.uint8)
    picture[:, ::2] += 60  # finer than a crop of a quarter of the size can hold
    before = picture.copy()
    corners = np.array([(80, 90), (160, 90), (120, 130), (90, 170), (150, 170)], np.float32)
    face = Face(box=np.array([60, 60, 180, 200], np.float32), score=1.0, points=corners)
    crop = align(picture, face, "arcface_128", 64)
    assert crop.scale < 0.4
    target = to_float(crop.pixels)
    paste(picture, crop, target.copy())
    assert np.array_equal(picture, before)  # nothing changed, nothing lost
    paste(picture, crop, blend(np.full_like(target, 0.2), target, box_mask(64, padding=0.2)))
    middle = picture[110:140, 105:135].astype(int)
    assert np.abs(middle - 51).max() <= 2
    assert np.array_equal(picture[:20], before[:20])
