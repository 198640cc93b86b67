"""Faces in profile fade to the target, without a step."""

from dataclasses import replace

import numpy as np
import pytest

from omote.compose.fading import DOWN, YAW, visibility
from omote.faces.pose import head_pose
from omote.pipelines.steady import steady
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


def test_looking_down_fades_without_a_step():
    shown = np.array([seen(0, -down) for down in np.arange(0, 90, 0.1)])
    assert (np.diff(shown) <= 0).all()
    assert np.abs(np.diff(shown)).max() < 0.02
    both = np.array([[seen(yaw, -down) for yaw in np.arange(36, 52, 0.5)] for down in np.arange(33, 57, 0.5)])
    assert np.abs(np.diff(both, axis=0)).max() < 0.05
    assert np.abs(np.diff(both, axis=1)).max() < 0.07


def test_a_turning_head_whose_mesh_trembles_fades_evenly():
    noise = np.random.default_rng(0).normal(0, 0.3, 60)
    faces = []
    for yaw in np.linspace(36, 52, 60) + noise:
        face = posed_face(yaw=yaw)
        faces.append(replace(face, pose=head_pose(face.mesh), track=0))
    calm = [found[0] for _, found in steady((number, [face]) for number, face in enumerate(faces))]
    raw, shown = (np.array([visibility(face) for face in run]) for run in (faces, calm))
    assert shown[0] > 0.9 > 0.1 > shown[-1]
    assert np.abs(np.diff(shown, 2)).mean() < 0.8 * np.abs(np.diff(raw, 2)).mean()
    assert np.abs(np.diff(shown)).max() < np.abs(np.diff(raw)).max()
