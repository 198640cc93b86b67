"""Alignment: the similarity fit, exact inverses, and the published templates."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omote.errors import UsageError
from omote.faces.align import TEMPLATES, align, invert, move, similarity, template, transform, unalign, warp
from omote.faces.face import Face

angles = st.floats(-180, 180)
scales = st.floats(0.05, 20)
shifts = st.floats(-2000, 2000)


def matrix_of(angle: float, scale: float, x: float, y: float) -> np.ndarray:
    c, s = scale * np.cos(np.deg2rad(angle)), scale * np.sin(np.deg2rad(angle))
    return np.array([[c, -s, x], [s, c, y]])


@given(angles, scales, shifts, shifts, st.sampled_from(sorted(TEMPLATES)))
def test_similarity_recovers_the_transform_and_its_inverse_is_exact(angle, scale, x, y, name):
    truth = matrix_of(angle, scale, x, y)
    points = template(name).astype(np.float64) * 100
    fitted = similarity(points, transform(points, truth))
    np.testing.assert_allclose(fitted, truth, atol=1e-6 * max(1, scale, abs(x), abs(y)))
    there_and_back = transform(transform(points, fitted), invert(fitted))
    np.testing.assert_allclose(there_and_back, points, atol=1e-6)


def test_similarity_is_the_least_squares_fit():
    rng = np.random.default_rng(0)
    points, target = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    best = similarity(points, target)
    error = np.square(transform(points, best) - target).sum()
    for _ in range(200):
        other = best.copy()
        turn = matrix_of(rng.normal() * 5, np.exp(rng.normal() * 0.1), 0, 0)[:, :2]
        other[:, :2] = turn @ other[:, :2]
        other[:, 2] += rng.normal(size=2) * 0.1
        assert np.square(transform(points, other) - target).sum() >= error


def test_similarity_refuses_a_single_place():
    with pytest.raises(ValueError, match="different points"):
        similarity(np.ones((5, 2)), np.zeros((5, 2)))


def test_templates_are_the_published_pixels():
    arcface = [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
    np.testing.assert_allclose(template("arcface_112_v2") * 112, arcface, atol=1e-3)
    # The 128 px template is the same face, 8 px further right.
    np.testing.assert_allclose(template("arcface_128") * 128, np.add(arcface, (8, 0)), atol=1e-3)
    assert len(TEMPLATES) == 7
    with pytest.raises(UsageError, match="arcface_112_v2"):
        template("nonesuch")


def smooth_picture(size: int = 400) -> np.ndarray:
    noise = np.random.default_rng(1).uniform(0, 255, (size, size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 8)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize("angle", [0, 30, 180])
def test_unalign_lays_the_crop_back_where_it_came_from(angle):
    pixels = smooth_picture()
    points = transform(template("dfl_whole_face") * 150, matrix_of(angle, 1, 200, 180)).astype(np.float32)
    face = Face(box=np.array([100, 100, 300, 300]), score=1, points=points)
    crop = align(pixels, face, "dfl_whole_face", 300)
    np.testing.assert_allclose(crop.face.points, template("dfl_whole_face") * 300, atol=1e-3)
    back = unalign(crop, (400, 400))
    covered = cv2.erode((back.max(2) > 0).astype(np.uint8), np.ones((7, 7))) > 0
    assert covered.mean() > 0.05
    assert np.abs(back.astype(int) - pixels)[covered].max() <= 3


def test_warp_averages_before_it_shrinks():
    stripes = np.zeros((512, 512), np.uint8)
    stripes[:, ::2] = 255
    small = warp(stripes, np.array([[0.125, 0, 0.0], [0, 0.125, 0.0]]), (60, 60))
    assert np.abs(small[4:-4, 4:-4].astype(int) - 127).max() < 3


def test_warp_keeps_pixel_centres_when_it_shrinks():
    ramp = np.tile(np.arange(512, dtype=np.float32), (512, 1))
    matrix = np.array([[0.25, 0, 0.0], [0, 0.25, 0.0]])
    small = warp(ramp, matrix, (120, 120))
    np.testing.assert_allclose(small[60, 10:110], np.arange(10, 110) * 4, atol=0.05)


def test_move_scales_depth_with_the_plane():
    mesh = np.random.default_rng(0).normal(size=(478, 3)).astype(np.float32)
    face = Face(box=np.array([0, 0, 2, 1]), score=1, points=np.zeros((5, 2)), mesh=mesh)
    moved = move(face, matrix_of(90, 3, 10, 20))
    np.testing.assert_allclose(moved.mesh[:, 2], mesh[:, 2] * 3, rtol=1e-5)
    np.testing.assert_allclose(moved.box, [10 - 3, 20, 10, 20 + 6], atol=1e-4)


@pytest.mark.parametrize(
    "field", [{"box": np.zeros(3)}, {"points": np.zeros((4, 2))}, {"mesh": np.zeros((468, 3))}]
)
def test_face_checks_its_shapes(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        Face(**{"box": np.zeros(4), "score": 1.0, "points": np.zeros((5, 2)), **field})
