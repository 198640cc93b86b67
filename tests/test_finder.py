"""Detections that are no faces do not count, whatever the rule."""

from dataclasses import replace

import numpy as np
import pytest

from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
from tests.synthetic import posed_face


class Detected:
    """Stands in for the detector: always the same faces."""

    def __init__(self, faces: list[Face]) -> None:
        self.faces = faces

    def find(self, pixels: np.ndarray) -> list[Face]:
        return self.faces


class Meshed:
    """Stands in for the mesh network: is sure of what the detector gave a score above one half."""

    def __init__(self) -> None:
        self.looked_at = 0

    def refine(self, pixels: np.ndarray, faces: list[Face]) -> list[Face]:
        self.looked_at += len(faces)
        return [replace(face, presence=1.0 if face.score > 0.5 else 0.0) for face in faces]


def face(x: float, scale: float, score: float) -> Face:
    return replace(posed_face(centre=(x, 200), scale=scale), score=score)


BADGE, PERSON, OTHER = face(100, 60, 0.4), face(300, 40, 0.9), face(500, 20, 0.8)


@pytest.mark.parametrize(
    ("rule", "scores", "looks"),
    [
        ("largest", [0.9], 2),
        ("all", [0.9, 0.8], 3),
        ("left", [0.9], 2),
        ("right", [0.8], 1),
        ("0", [0.9], 3),
        ("1", [0.8], 3),
        ("2", [], 3),
        ("near 90,200", [0.9], 2),
    ],
)
def test_a_badge_is_no_face(rule, scores, looks):
    mesh = Meshed()
    finder = FaceFinder(Detected([BADGE, PERSON, OTHER]), mesh)
    found = finder.find(np.zeros((400, 600, 3), np.uint8), Selection.parse(rule))
    assert [one.score for one in found] == scores
    assert mesh.looked_at == looks, "no more faces than needed are looked at"


def test_only_badges_means_no_face():
    finder = FaceFinder(Detected([BADGE]), Meshed())
    assert finder.find(np.zeros((400, 600, 3), np.uint8), Selection()) == []
