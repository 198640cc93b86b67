"""Metrics on planted values: what each number is of pictures and meshes that are known."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omote.evaluation.background import background_mask
from omote.evaluation.colour import difference_1976, difference_2000, skin_colour, skin_mask
from omote.evaluation.gaze import gaze_of
from omote.evaluation.identity import ranks
from omote.evaluation.pose import turn_between
from omote.evaluation.realism import frechet_distance, realism
from omote.evaluation.reconstruction import psnr, ssim
from omote.evaluation.statistics import by_group, cell, correlation, largest_gap, mean, ratio
from omote.faces.contours import FACE_OVAL, LEFT_EYE
from tests.synthetic import posed_face

RNG = np.random.default_rng(0)


def unit(*rows: tuple[float, ...]) -> np.ndarray:
    array = np.array(rows, np.float64)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


# --- identity ---


def test_ranks_count_the_strangers_that_are_nearer() -> None:
    gallery = unit((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1))
    owners = np.array(["a", "b", "c", "a"])
    found = unit((1, 0.1, 0), (0, 1, 0.1), (1, 0.9, 0))
    assert ranks(found, np.array(["a", "a", "c"]), gallery, owners).tolist() == [1, 3, 3]


def test_a_stranger_with_the_same_face_comes_first() -> None:
    gallery = unit((1, 0), (1, 0))
    assert ranks(unit((1, 0)), np.array(["a"]), gallery, np.array(["b", "a"])).tolist() == [2]


def test_a_photo_does_not_find_itself_in_the_gallery() -> None:
    gallery = unit((1, 0, 0), (0, 1, 0), (0.9, 0.5, 0))
    owners, photos = np.array(["a", "a", "b"]), np.array([7, 8, 9])
    found, people = unit((1, 0, 0), (1, 0, 0)), np.array(["a", "a"])
    assert ranks(found, people, gallery, owners, photos[None, :] == [[-1], [7]]).tolist() == [1, 2]


# --- pose ---


@given(st.floats(0, 179), st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1))
def test_the_turn_between_rotations_is_their_angle(degrees: float, axis: tuple[float, float, float]) -> None:
    vector = np.radians(degrees) * np.array(axis) / np.linalg.norm(axis)
    first = cv2.Rodrigues(np.array([0.3, -0.2, 0.1]))[0]
    second = cv2.Rodrigues(vector)[0] @ first
    assert turn_between(first, second) == pytest.approx(degrees, abs=1e-4)


# --- gaze ---


@pytest.mark.parametrize("roll", [0, 25])
def test_gaze_is_told_in_eye_widths_whatever_the_roll(roll: float) -> None:
    mesh = posed_face(roll=roll).mesh.copy()
    for left, right, iris in ((33, 133, 468), (362, 263, 473)):
        across = mesh[right, :2] - mesh[left, :2]
        down = np.array([-across[1], across[0]])
        mesh[iris, :2] = (mesh[left, :2] + mesh[right, :2]) / 2 + 0.2 * across - 0.1 * down
    assert gaze_of(mesh) == pytest.approx([0.2, -0.1], abs=1e-4)


def test_the_far_eye_of_a_turned_head_has_little_say() -> None:
    mesh = posed_face().mesh.copy()
    mesh[[133, 468]] = mesh[33] + [[1, 0, 0], [3, 0, 0]]  # one pixel wide, its iris beyond it
    middle = (mesh[362, :2] + mesh[263, :2]) / 2
    mesh[473, :2] = middle + 0.1 * (mesh[263, :2] - mesh[362, :2])
    assert gaze_of(mesh)[0] == pytest.approx(0.1, abs=0.01)
    mesh[[468, 473], :2] += 1000
    assert np.abs(gaze_of(mesh)).max() <= 0.5


# --- colour ---

# Pairs of colours and their CIEDE2000 of Sharma, Wu, Dalal 2005, table 1.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, -1, 2), (50, 0, 0), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def test_colour_differences_are_those_that_were_published() -> None:
    first, second, wanted = (np.array(column) for column in zip(*SHARMA, strict=True))
    assert difference_2000(first, second) == pytest.approx(wanted, abs=5e-5)
    assert difference_2000(first, first) == pytest.approx(0)
    assert difference_1976([50, 3, 4], [50, 0, 0]) == 5


def test_skin_is_inside_the_face_and_without_eyes() -> None:
    face = posed_face()
    mask = skin_mask(face.mesh, 400)
    x, y = np.round(face.mesh[50, :2]).astype(int)  # a cheek
    assert mask[y, x]
    eye = face.mesh[list(LEFT_EYE), :2].mean(0)
    assert not mask[round(eye[1]), round(eye[0])]
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[mask] = (255, 0, 0)
    assert skin_colour(picture, face.mesh) == pytest.approx([53.24, 80.09, 67.2], abs=0.1), "red in Lab"
    assert skin_colour(picture, face.mesh + 1000) == pytest.approx(
        cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab).mean((0, 1)), abs=1e-3
    )


# --- background ---


def test_the_background_lies_beyond_the_face() -> None:
    face = posed_face(centre=(80, 70), scale=40)
    mask = background_mask(face.mesh, 160)
    for x, y in face.mesh[list(FACE_OVAL), :2]:
        assert not mask[int(np.clip(y, 0, 159)), int(np.clip(x, 0, 159))]
    assert mask[0, 0]
    assert mask[159, 159]


# --- reconstruction ---


def test_psnr_of_a_known_error() -> None:
    picture = np.full((2, 16, 16, 3), 100, np.uint8)
    other = picture.copy()
    other[1] += 10
    assert psnr(picture, other) == pytest.approx([100, 20 * np.log10(255 / 10)])


def test_ssim_is_one_for_equals_and_by_the_formula_for_constants() -> None:
    noise = RNG.integers(0, 255, (1, 40, 40, 3), np.uint8)
    assert ssim(noise, noise) == pytest.approx([1])
    assert ssim(noise, 255 - noise)[0] < 0
    a, b = np.full((1, 40, 40, 3), 50, np.uint8), np.full((1, 40, 40, 3), 100, np.uint8)
    constant = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx([(2 * 50 * 100 + constant) / (50**2 + 100**2 + constant)])


# --- realism ---


def gaussian(count: int, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Rows whose mean and covariance are exactly these."""
    rows = RNG.normal(size=(count, len(centre)))
    rows -= rows.mean(0)
    q, _ = np.linalg.qr(rows)
    return q * np.sqrt(count - 1) @ np.linalg.cholesky(spread).T + centre


def test_the_frechet_distance_of_known_gaussians() -> None:
    first = gaussian(50, np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    second = gaussian(70, np.array([1.0, 2.0, 2.0]), np.diag([4.0, 4.0, 1.0]))
    # |μ|² = 9, and (1 - 2)² + (2 - 2)² + (3 - 1)² of the deviations
    assert frechet_distance(first, second) == pytest.approx(9 + 1 + 0 + 4)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_of_covariances_that_do_not_commute() -> None:
    a, b = np.array([[2.0, 0.8], [0.8, 1.0]]), np.array([[1.0, -0.5], [-0.5, 3.0]])
    trace = np.sqrt(np.linalg.eigvals(a @ b)).sum()
    wanted = np.trace(a) + np.trace(b) - 2 * trace
    found = frechet_distance(gaussian(40, np.zeros(2), a), gaussian(30, np.zeros(2), b))
    assert found == pytest.approx(wanted)


def test_the_frechet_distance_needs_no_more_rows_than_columns() -> None:
    few, more = RNG.normal(size=(6, 20)), RNG.normal(size=(9, 20)) + 1
    covariances = np.cov(few.T) @ np.cov(more.T)
    trace = np.sqrt(np.maximum(np.linalg.eigvals(covariances).real, 0)).sum()
    wanted = ((few.mean(0) - more.mean(0)) ** 2).sum() + np.trace(np.cov(few.T)) + np.trace(np.cov(more.T))
    assert frechet_distance(few, more) == pytest.approx(wanted - 2 * trace, rel=1e-4)


def test_halves_share_no_person() -> None:
    """Two photos of everybody, all the same: were one here and one there, the halves would be too near."""
    people = np.repeat(np.arange(20), 2).astype(str)
    rows = np.repeat(RNG.normal(size=(20, 30)), 2, axis=0)
    found = realism(rows, rows + 0.5, people)
    assert found is not None
    assert found.pictures == 20
    alone = frechet_distance(rows[:20], rows[20:])
    assert found.halves == pytest.approx(alone, rel=0.35)
    assert found.swap - found.halves == pytest.approx(30 * 0.25, rel=0.9), "a shift of one half alone"
    assert realism(rows[:, :0], rows[:, :0], people) is None


# --- statistics ---


def test_correlation_and_ratio_over_leading_axes() -> None:
    x = RNG.normal(size=200)
    y = 0.6 * x + 0.8 * RNG.normal(size=200)
    rows = np.column_stack([x, y])
    assert correlation(rows) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert correlation(np.stack([rows, rows[::-1]])).shape == (2,)
    assert np.isnan(correlation(np.column_stack([x, np.ones(200)])))
    assert ratio(np.array([[1.0, 4.0], [2.0, 2.0]])) == 0.5
    assert np.isnan(ratio(np.zeros((3, 2))))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for trial in range(100):
        rows = np.random.default_rng(trial).normal(3, 1, (40, 1))
        found = cell(rows, mean, np.arange(40), seed=trial)
        hits += found.low <= 3 <= found.high
    assert 87 <= hits <= 100


def test_photos_of_one_person_are_no_independent_witnesses() -> None:
    """Ten people, each ten times with the same value: the interval must be that of ten values, not of 100."""
    values = RNG.normal(size=10)
    many = cell(np.repeat(values, 10)[:, None], mean, np.repeat(np.arange(10), 10))
    few = cell(values[:, None], mean, np.arange(10))
    naive = cell(np.repeat(values, 10)[:, None], mean, np.arange(100))
    assert many.value == pytest.approx(few.value)
    assert many.high - many.low == pytest.approx(few.high - few.low, rel=0.15)
    assert naive.high - naive.low < 0.5 * (many.high - many.low)


def test_the_largest_gap_is_between_groups_that_are_large_enough() -> None:
    groups = np.array(["a"] * 30 + ["b"] * 30 + ["c"] * 5 + [""] * 10)
    rows = np.concatenate([np.full(30, 1.0), np.full(30, 3.0), np.full(5, 9.0), np.full(10, -9.0)])[:, None]
    gap = largest_gap(rows, groups, mean)
    assert gap is not None
    assert (gap.lowest, gap.highest, gap.size) == ("a", "b", 2)
    assert 0 < gap.chance < 1
    found = by_group(rows, 0 * rows, groups, mean)
    assert {name: (group.value, group.floor, group.pairs) for name, group in found.items()} == {
        "a": (1, 0, 30), "b": (3, 0, 30), "c": (9, 0, 5)
    }  # fmt: skip
    assert largest_gap(rows[:35], groups[:35], mean) is None


def test_a_group_whose_number_is_none_is_not_compared() -> None:
    groups = np.repeat(["a", "b", "c"], 30)
    rows = RNG.normal(size=(90, 2))
    rows[:30] = 1  # constant: has no correlation
    gap = largest_gap(rows, groups, correlation)
    assert gap is not None
    assert {gap.lowest, gap.highest} == {"b", "c"}
    assert np.isfinite([gap.size, gap.chance]).all()
    assert largest_gap(rows[:60], groups[:60], correlation) is None


def test_chance_makes_gaps_too() -> None:
    """Of twelve groups without a difference the largest gap is far from 0, and chance says so."""
    groups = np.repeat([f"g{number}" for number in range(12)], 25)
    gap = largest_gap(RNG.normal(size=(300, 1)), groups, mean)
    assert gap is not None
    assert gap.chance == pytest.approx(gap.size, rel=0.6)
    assert gap.chance > 0.3
