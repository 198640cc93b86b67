"""Which face is meant."""

import numpy as np
import pytest

from omote.errors import UsageError
from omote.faces.face import Face
from omote.faces.select import Selection


def face(x: float, size: float) -> Face:
    return Face(box=np.array([x, 50, x + size, 50 + size]), score=0.9, points=np.zeros((5, 2)))


LEFT, MIDDLE, RIGHT = face(0, 20), face(100, 60), face(300, 30)
FACES = [MIDDLE, RIGHT, LEFT]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("largest", [MIDDLE]),
        ("all", [LEFT, MIDDLE, RIGHT]),
        ("left", [LEFT]),
        ("right", [RIGHT]),
        ("0", [LEFT]),
        ("2", [RIGHT]),
        ("3", []),
        ("near 310,70", [RIGHT]),
        ("NEAR 5 5", [LEFT]),
    ],
)
def test_rules(text, chosen):
    picked = Selection.parse(text).pick(FACES)
    assert [id(one) for one in picked] == [id(one) for one in chosen]


@pytest.mark.parametrize("text", ["", "biggest", "near", "near 1", "near a,b", "-1", "1.5", "near 1,2,3"])
def test_other_words_are_refused(text):
    with pytest.raises(UsageError, match=f"^--face '{text}': use largest"):
        Selection.parse(text)
    with pytest.raises(UsageError, match=f"^--source-face '{text}': use largest"):
        Selection.parse(text, "--source-face")


def test_no_faces_no_choice():
    assert Selection.parse("near 1,2").pick([]) == []
