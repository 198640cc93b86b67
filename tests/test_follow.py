"""One person is followed through a film, also beside another of the same size."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
from omote.media import open_image
from omote.pipelines.follow import follow_largest


def face(x: float, size: float) -> Face:
    return Face(box=np.array([x, 0, x + size, size]), score=0.9, points=np.zeros((5, 2)))


def followed(*frames: list[Face]) -> list[float | None]:
    """Left edge of the face that was chosen in each frame."""
    chosen = []
    for number, (item, faces) in enumerate(follow_largest(enumerate(frames))):
        assert item == number
        assert len(faces) <= 1
        chosen.append(float(faces[0].box[0]) if faces else None)
    return chosen


def test_the_largest_is_chosen_first():
    assert followed([face(0, 50), face(200, 60)]) == [200]


def test_people_of_one_size_do_not_take_turns():
    frames = [[face(0, 50 + n % 2), face(200, 51 - n % 2)] for n in range(8)]
    assert followed(*frames) == [200] * 8


def test_a_moving_face_is_followed():
    frames = [[face(10 * n, 50), face(200, 55)] for n in range(1, 6)]
    assert followed([face(0, 60), face(200, 55)], *frames) == [0, 10, 20, 30, 40, 50]


@pytest.mark.parametrize(("size", "chosen"), [(60, 0), (70, 0), (80, 200)])
def test_somebody_clearly_larger_takes_over(size: float, chosen: float):
    assert followed([face(0, 50)], [face(0, 50), face(200, size)]) == [0, chosen]


def test_a_face_that_was_hidden_for_a_while_is_found_again():
    both = [face(0, 50), face(200, 55)]
    assert followed([face(0, 50)], [], both, [face(200, 55)], both) == [0, None, 0, 200, 200]


def test_after_a_cut_the_choice_is_made_anew():
    assert followed([face(0, 50)], [face(400, 40), face(600, 45)]) == [0, 600]


def test_rivals_are_those_that_are_not_clearly_smaller(source: Path, target: Path):
    pictures = [cv2.resize(open_image(path).pixels, (400, 400)) for path in (source, target)]
    tiny = cv2.copyMakeBorder(cv2.resize(pictures[0], (150, 150)), 0, 250, 0, 0, cv2.BORDER_CONSTANT)
    finder = FaceFinder()
    for row, count in (((tiny, pictures[0]), 1), ((pictures[0], pictures[0][:, ::-1]), 2)):
        found = finder.find_rivals(np.hstack(row), Selection("largest"))
        assert len(found) == count
        assert found[0].area == max(face.area for face in found)
        assert all(face.mesh is not None for face in found)
        assert len({float(face.box[0]) for face in found}) == count
    assert len(finder.find_rivals(np.hstack(pictures), Selection("left"))) == 1
