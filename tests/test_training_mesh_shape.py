"""What tells people apart in their meshes, found again in meshes that were drawn."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the training room needs torch (extra train)")

from omote.faces.topology import CANONICAL
from omote.training.mesh.shape import (
    POINTS,
    covariances,
    discriminants,
    expression_readings,
    held,
    laid,
    mirrored,
    tables,
)


def people(count: int = 150, photos: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Meshes whose noses are of different lengths, as is the person's, and whose jaws open, as they like."""
    rng = np.random.default_rng(1)
    face = CANONICAL[:POINTS].astype(np.float64)
    nose = np.exp(-np.square(np.linalg.norm(face - face[4], axis=1) / 0.3) / 2)[:, None] * (0, 0.1, 0)
    jaw = np.exp(-np.square(np.linalg.norm(face - face[17], axis=1) / 0.4) / 2)[:, None] * (0, 0.3, 0)
    person = np.repeat(np.arange(count), photos)
    length = rng.normal(size=count)
    meshes = face + length[person, None, None] * nose + rng.normal(size=(len(person), 1, 1)) * jaw
    meshes += rng.normal(size=meshes.shape) * 0.003
    turn = rng.normal(scale=0.2, size=len(person))
    cos, sin, zero = np.cos(turn), np.sin(turn), np.zeros(len(person))
    lean = np.array([[cos, -sin, zero], [sin, cos, zero], [zero, zero, zero + 1]]).transpose(2, 0, 1)
    scale = rng.uniform(50, 200, (len(person), 1, 1))
    return (meshes @ lean) * scale + rng.normal(scale=99, size=(len(person), 1, 3)), person, length


def test_who_it_is_is_told_from_what_it_does():
    meshes, person, length = people()
    found = {name: table.astype(np.float64) for name, table in tables(meshes, person).items()}
    over, _ = laid(meshes)
    first = over.reshape(len(over), -1) @ found["encode"][0]
    assert abs(np.corrcoef(first, length[person])[0, 1]) > 0.95
    does = found["decode"] @ (found["encode"] @ over.reshape(len(over), -1).T)
    readings = expression_readings()
    assert np.abs(readings.T @ does).std() < 0.05 * np.abs(readings.T @ over.reshape(len(over), -1).T).std()


def test_covariances_are_those_that_were_drawn():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(4000), 3)
    values = rng.normal(size=(4000, 2))[person] * (2, 0) + rng.normal(size=(12000, 2)) * (1, 3)
    between, within = covariances(values, person)
    np.testing.assert_allclose(np.diag(between), (4, 0), atol=0.3)
    np.testing.assert_allclose(np.diag(within), (1, 9), atol=0.3)
    encoder, decoder, share = discriminants(between, within)
    assert share == pytest.approx([0.8], abs=0.02)
    np.testing.assert_allclose(decoder @ encoder @ (1, 0), (0.8, 0), atol=0.03)


def test_readings_that_are_held_do_not_move():
    between = np.diag([1.0, 2.0, 3.0])
    readings = np.array([[1.0], [1.0], [0.0]])
    result = held(np.eye(3), between, readings)
    np.testing.assert_allclose(readings.T @ result, 0, atol=1e-9)
    np.testing.assert_allclose(result[:, 2], (0, 0, 1), atol=1e-9)


def test_a_face_mirrored_twice_is_itself():
    meshes, _, _ = people(count=2)
    np.testing.assert_allclose(mirrored(mirrored(meshes)), meshes)
    assert np.abs(mirrored(meshes) - meshes).max() > 1
