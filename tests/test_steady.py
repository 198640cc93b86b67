"""Smoothing in time: trembling is averaged, movement is not, cuts and other people do not mix."""

from dataclasses import replace

import numpy as np

from omote.faces.face import Face
from omote.pipelines.steady import steady
from tests.synthetic import posed_face


def moved(face: Face, shift: np.ndarray) -> Face:
    return replace(face, mesh=face.mesh + shift.astype(np.float32))


def run(films: list[list[Face]]) -> list[list[Face]]:
    result = list(steady(enumerate(films)))
    assert [number for number, _ in result] == list(range(len(films)))
    return [faces for _, faces in result]


def test_trembling_is_averaged():
    rng = np.random.default_rng(0)
    face = posed_face()
    films = [[moved(face, rng.normal(size=(478, 3)) * 0.3)] for _ in range(40)]
    before = np.std([faces[0].mesh for faces in films], axis=0).mean()
    after = np.std([faces[0].mesh for faces in run(films)], axis=0).mean()
    assert after < 0.65 * before


def test_movement_is_followed_without_lag_or_loss():
    """A head that shakes twice a second by a tenth of the eye distance keeps 93 % of that at its turns."""
    face = posed_face()
    films = [[moved(face, np.array([6.0 * np.sin(number / 2), 3.0 * number, 0]))] for number in range(20)]
    for before, after in zip(films, run(films), strict=True):
        np.testing.assert_allclose(after[0].mesh, before[0].mesh, atol=0.4)


def test_trembling_is_averaged_while_the_head_moves():
    """Steps of three pixels are far more than the tremble; the middle of two neighbours is on the way."""
    rng = np.random.default_rng(0)
    face = posed_face()
    ways = [np.array([3.0 * number, 1.5 * number, 0]) for number in range(40)]
    films = [[moved(face, way + rng.normal(size=(478, 3)) * 0.3)] for way in ways]
    apart = [
        [faces[0].mesh - face.mesh - way for faces, way in zip(them, ways, strict=True)]
        for them in (films, run(films))
    ]
    before, after = (np.std(rest[2:-2]) for rest in apart)
    assert after < 0.65 * before


def test_lids_move_while_the_head_stands_still():
    face = posed_face()
    films = []
    for number in range(11):
        mesh = face.mesh.copy()
        mesh[159, 1] += 12 if number == 5 else 0
        films.append([replace(face, mesh=mesh)])
    after = run(films)
    np.testing.assert_allclose(after[5][0].mesh[159, 1], face.mesh[159, 1] + 12, atol=0.1)


def test_cuts_and_other_people_do_not_mix():
    here, there = posed_face(), posed_face(centre=(320, 150), scale=60, yaw=30)
    films = [[here], [here], [here, there], [there, here], [there], [], [there]]
    for before, after in zip(films, run(films), strict=True):
        assert len(before) == len(after)
        for old, new in zip(before, after, strict=True):
            np.testing.assert_allclose(new.mesh, old.mesh, atol=1e-3)


def test_short_films_and_films_without_faces_pass():
    assert run([]) == []
    assert run([[]]) == [[]]
    face = posed_face()
    for count in (1, 2, 3):
        assert [len(faces) for faces in run([[face]] * count)] == [1] * count
