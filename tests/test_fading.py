"""Faces in profile fade to the target, without a step."""

from dataclasses import replace

import numpy as np
import pytest

from omote.compose.fading import DOWN, YAW, visibility
from tests.synthetic import posed_face


def seen(yaw: float, pitch: float = 0.0) -> float:
    return visibility(replace(posed_face(), pose=(yaw, pitch, 0.0)))


def test_faces_towards_the_camera_show_in_full_and_profiles_not_at_all():
    assert seen(0) == seen(YAW[0]) == seen(-YAW[0]) == seen(20, 60) == seen(0, -DOWN[0]) == 1
    assert seen(YAW[1]) == seen(-YAW[1] - 5) == seen(0, -DOWN[1]) == 0
    assert visibility(replace(posed_face(), pose=None)) == 1


@pytest.mark.parametrize("side", [-1, 1])
def test_turning_fades_without_a_step(side):
    shown = np.array([seen(side * yaw) for yaw in np.arange(0, 90, 0.1)])
    assert (np.diff(shown) <= 0).all()
    assert np.abs(np.diff(shown)).max() < 0.02
