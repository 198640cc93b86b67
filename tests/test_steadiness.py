"""Steadiness of films: every measure on films whose answer is known; the one-euro filter."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from omote.errors import InputError
from omote.evaluation.film_pair import compare_films
from omote.evaluation.steadiness import (
    SHORTEST,
    colour_flicker,
    contrast,
    face_colour,
    identity_flicker,
    jerk,
    still_steps,
    warped_difference,
)
from omote.faces.face import Face
from omote.faces.one_euro import OneEuro

UNITS = np.full(40, 50.0)
TIME = np.arange(40.0)
SQUARE = np.array([[40, 40], [120, 40], [120, 120], [40, 120]])


def points(x: np.ndarray, y: np.ndarray | float = 0.0) -> np.ndarray:
    """Four landmarks that move along, (T, 4, 2)."""
    way = np.stack([x, np.broadcast_to(y, x.shape)], -1)[:, None]
    return way + np.array([[0, 0], [50, 0], [50, 50], [0, 50]])


def test_jerk_of_known_movements():
    assert jerk(points(np.zeros(40)), UNITS) == 0
    assert jerk(points(3 * TIME), UNITS) == pytest.approx(0, abs=1e-12)
    assert jerk(points(TIME**2), UNITS) == pytest.approx(0, abs=1e-12)
    assert jerk(points(TIME**3), UNITS) == pytest.approx(6 / 50)
    assert jerk(points(TIME**3, TIME**3), UNITS) == pytest.approx(6 * np.sqrt(2) / 50)
    assert jerk(points((-1.0) ** TIME), UNITS) == pytest.approx(8 / 50)
    assert np.isnan(jerk(points(TIME[:3]), UNITS[:3]))


def test_jerk_does_not_depend_on_the_size_of_the_film():
    rng = np.random.default_rng(0)
    shaky = points(rng.normal(size=40))
    assert jerk(2 * shaky, 2 * UNITS) == pytest.approx(jerk(shaky, UNITS))
    # The third difference of white noise has 20 times its variance.
    many = rng.normal(size=(4000, 4, 2))
    expected = np.sqrt(20) * np.sqrt(np.pi / 2)
    assert jerk(many, np.ones(4000)) == pytest.approx(expected, rel=0.02)


def test_still_stretches():
    x = np.concatenate([np.zeros(10), 2 * np.arange(1, 6), np.full(3, 10.0), [20.0], np.full(8, 20.0)])
    still = still_steps(points(x), np.full(len(x), 50.0))
    assert still.tolist() == [True] * 9 + [False] * 5 + [False] * 3 + [False] + [True] * 7 + [False] * 0 + [
        True
    ]
    assert still_steps(points(TIME[:1]), UNITS[:1]).shape == (0,)
    short = np.concatenate([np.zeros(SHORTEST - 1), [9.0], np.full(SHORTEST, 20.0)])
    assert still_steps(points(short), np.full(len(short), 50.0)).sum() == SHORTEST - 1


def test_flicker_of_identity():
    still = np.array([True, True, False, True])
    axis = np.eye(3)
    assert identity_flicker([axis[0]] * 5, still) == pytest.approx(0)
    assert identity_flicker([axis[0], axis[1], axis[0], axis[1], axis[1]], still) == pytest.approx(2 / 3)
    assert np.isnan(identity_flicker([axis[0]] * 5, np.zeros(4, bool)))


def test_flicker_of_colour():
    colours = np.array([[50, 0, 0], [53, 4, 0], [50, 0, 0], [90, 0, 0], [90, 0, 0]], float)
    assert colour_flicker(colours, np.array([True, True, False, True])) == pytest.approx(10 / 3)


def test_colour_of_a_face():
    picture = np.full((200, 200, 3), (10, 200, 30), np.uint8)
    cv2.fillPoly(picture, [SQUARE], (128, 128, 128))
    np.testing.assert_allclose(face_colour(picture, SQUARE), [53.6, 0, 0], atol=0.1)
    np.testing.assert_allclose(face_colour(picture, SQUARE - 60), face_colour(picture, SQUARE - 60.4), atol=8)


def test_contrast_is_the_slope_of_the_luma_inside_the_face():
    across, down = np.meshgrid(np.arange(200), np.arange(200))
    for slope, picture in ((0.5, across / 2), (1, down), (np.sqrt(0.5), (across + down) / 2)):
        grey = np.repeat(picture[..., None], 3, -1).astype(np.uint8)
        assert contrast(grey, SQUARE) == pytest.approx(slope, rel=0.02)
        grey[122:] = 0
        assert contrast(grey, SQUARE) == pytest.approx(slope, rel=0.02)


def wall(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(size=(200, 200, 3)).astype(np.float32), (0, 0), 4)
    return (128 + 600 * noise).clip(0, 255).astype(np.uint8)


def moved(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    return cv2.warpAffine(
        picture, np.float64([[1, 0, x], [0, 1, y]]), (200, 200), borderMode=cv2.BORDER_REFLECT
    )


def test_a_picture_that_moves_with_the_film_does_not_flicker():
    soft = cv2.GaussianBlur(wall(), (0, 0), 3)
    guide = soft, moved(soft, 3, 2)
    made = cv2.GaussianBlur(wall(1), (0, 0), 3)
    along = warped_difference(made, moved(made, 3, 2), guide, SQUARE)
    against = warped_difference(made, moved(made, -3, -2), guide, SQUARE)
    assert 5 * along < against


def test_a_step_in_brightness_is_measured_in_full():
    picture = np.full((200, 200, 3), 100, np.uint8)
    assert warped_difference(picture, picture + 7, (wall(), wall()), SQUARE) == pytest.approx(7)
    assert warped_difference(picture, picture, (wall(), wall()), SQUARE) == 0
    outside = picture.copy()
    outside[150:] += 50
    assert warped_difference(picture, outside, (wall(), wall()), SQUARE) == 0


class Spot:
    """Finds one face where the reddest pixel is."""

    def find(self, pixels: np.ndarray) -> list[Face]:
        red = cv2.GaussianBlur(pixels[..., 0].astype(np.float32) - pixels[..., 1], (0, 0), 4)
        if red.max() < 40:
            return []
        y, x = np.unravel_index(red.argmax(), red.shape)
        box = np.array([x - 30, y - 30, x + 30, y + 30])
        eyes = np.array([[x - 15, y - 8], [x + 15, y - 8], [x, y], [x - 10, y + 12], [x + 10, y + 12]])
        return [Face(box=box, score=0.9, points=eyes)]


class Level:
    """An embedding that says how bright the face is; `step` levels turn it by one radian."""

    def __init__(self, step: float = 80):
        self.step = step

    def embed(self, pixels: np.ndarray, faces: list[Face]) -> np.ndarray:
        levels = [pixels[int(f.box[1]) : int(f.box[3]), int(f.box[0]) : int(f.box[2])].mean() for f in faces]
        return np.array(
            [[np.cos(level / self.step), np.sin(level / self.step)] for level in levels], np.float32
        )


def film(path: Path, places: list[tuple[int, int] | None], levels: list[int] | None = None) -> Path:
    with av.open(str(path), "w") as made:
        stream = made.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 200, 200, "bgr0"
        for number, place in enumerate(places):
            picture = np.full((200, 200, 3), 60, np.uint8)
            if place is not None:
                cv2.circle(picture, place, 25, (200, 60, 60 + (levels or [0] * len(places))[number]), -1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return path


def test_two_films_face_by_face(tmp_path: Path):
    still = [(100, 100)] * 12
    shaky = [(100 + number % 2, 100) for number in range(12)]
    one = film(tmp_path / "one.mkv", still)
    same, other = (
        compare_films(one, one, Spot(), Level()),
        compare_films(one, film(tmp_path / "b.mkv", shaky), Spot(), Level()),
    )
    assert [(track.first, track.frames, track.still) for track in same] == [(0, 12, 11)]
    assert same[0].untouched == same[0].swapped
    assert same[0].swapped.jerk == 0
    assert other[0].swapped.jerk == pytest.approx(4 / 30, rel=0.01)
    assert other[0].untouched.jerk == 0
    np.testing.assert_allclose(same[0].likeness, 1, atol=1e-6)


def test_flicker_of_a_film_is_that_of_its_face(tmp_path: Path):
    still = [(100, 100)] * 12
    one = film(tmp_path / "one.mkv", still)
    restless = film(tmp_path / "b.mkv", still, [80 * (number % 2) for number in range(12)])
    (track,) = compare_films(one, restless, Spot(), Level())
    assert track.untouched.colour == track.untouched.identity == track.untouched.warped == 0
    assert track.swapped.colour > 10
    assert track.swapped.identity > 0
    assert track.swapped.warped > 5


def test_a_third_film_is_measured_beside_the_two(tmp_path: Path):
    still = [(100, 100)] * 12
    shaky = [(100 + number % 2, 100) for number in range(12)]
    one, other = film(tmp_path / "one.mkv", still), film(tmp_path / "other.mkv", shaky)
    counts: list[int] = []
    (track,) = compare_films(one, one, Spot(), Level(), recoded=other, progress=counts.append)
    (pair,) = compare_films(one, other, Spot(), Level())
    assert track.swapped == track.untouched
    assert track.recoded == pair.swapped
    assert pair.recoded is None
    assert counts == list(range(1, 13))


def test_a_face_that_became_another_is_told_from_one_that_did_not(tmp_path: Path):
    still = [(100, 100)] * 12
    one = film(tmp_path / "one.mkv", still)
    other = film(tmp_path / "other.mkv", still, [195] * 12)
    changed = [compare_films(one, made, Spot(), Level(40))[0].changed for made in (one, other)]
    assert changed == [False, True]


def test_a_face_that_one_of_three_films_lacks_is_not_measured(tmp_path: Path):
    one = film(tmp_path / "one.mkv", [(100, 100)] * 12)
    gone = film(tmp_path / "gone.mkv", [(100, 100)] * 9 + [None] * 3)
    (track,) = compare_films(one, one, Spot(), Level(), recoded=gone)
    assert track.frames == 9


def test_gaps_part_tracks_and_short_ones_do_not_count(tmp_path: Path):
    places = [(100, 100)] * 10 + [None] + [(100, 100)] * 9 + [None] + [(100, 100)] * 4
    one = film(tmp_path / "one.mkv", places)
    tracks = compare_films(one, one, Spot(), Level())
    assert [(track.first, track.frames) for track in tracks] == [(0, 10), (11, 9)]


@pytest.mark.parametrize("count", [11, 13])
def test_films_of_other_lengths_are_refused(count: int, tmp_path: Path):
    one = film(tmp_path / "one.mkv", [(100, 100)] * 12)
    other = film(tmp_path / "other.mkv", [(100, 100)] * count)
    with pytest.raises(InputError, match=r"other\.mkv: has not the frames of"):
        compare_films(one, other, Spot(), Level())


def through(values: np.ndarray, rate: float = 30.0, **settings: float) -> np.ndarray:
    smooth = OneEuro(**settings)
    return np.array([smooth(value, number / rate) for number, value in enumerate(values)])


def test_what_rests_stays():
    np.testing.assert_array_equal(through(np.full((20, 2), 7.0)), np.full((20, 2), 7.0))


def test_noise_is_taken_out_at_rest():
    noise = np.random.default_rng(0).normal(size=(400, 5, 2))
    assert through(noise, cutoff=1.0, beta=0.0)[50:].std() < 0.4 * noise.std()


def test_speed_takes_the_lag_out():
    """A ramp lags by its speed over the cut-off, which grows with the speed itself."""
    ramp = np.arange(120.0)[:, None] * 10
    lag = [float((ramp - through(ramp, beta=beta))[-1, 0]) for beta in (0.0, 0.05, 0.5)]
    assert lag[0] > 4 * lag[1] > 8 * lag[2] > 0
    # A first-order low-pass lags by 1 / (2 pi f) seconds, less what one step makes of it.
    assert lag[0] == pytest.approx(300 / (2 * np.pi), rel=0.12)


def test_the_speed_of_a_point_is_that_of_both_its_coordinates():
    """Else a point that moves along one axis would be pulled aside."""
    way = np.zeros((60, 1, 2))
    way[:, 0, 0] = np.arange(60) * 10
    way[30:, 0, 1] = 1
    alone = way.copy()
    alone[..., 0] = 0
    both, one = (through(values, beta=0.5)[31, 0, 1] for values in (way, alone))
    assert both > 0.95 > 1.3 * one


def test_reset_and_bad_input():
    smooth = OneEuro()
    smooth([0.0, 0.0], 0)
    np.testing.assert_array_equal(smooth([9.0, 9.0], 0), [0, 0])
    with pytest.raises(ValueError, match="shape"):
        smooth([1.0, 2.0, 3.0], 1)
    smooth.reset()
    np.testing.assert_array_equal(smooth([1.0, 2.0, 3.0], 1), [1, 2, 3])
    for wrong in ({"cutoff": 0.0}, {"beta": -1.0}, {"derivative": 0.0}):
        with pytest.raises(ValueError, match="cut-offs"):
            OneEuro(**wrong)
