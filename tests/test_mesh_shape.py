"""The shape of a person in a mesh: told from pose, given to others, without their expression."""

import cv2
import numpy as np
import pytest

from omote.compose import blend, to_float
from omote.engines.mesh import MeshSwapper
from omote.engines.mesh.shape import _tables, person_shape, reshaped
from omote.engines.swapper import Source
from omote.faces.align import align
from omote.faces.face import Face
from omote.faces.topology import CANONICAL, FACE_OVAL, INNER_LIPS, LEFT_EYE, LEFT_IRIS, RIGHT_EYE
from tests.synthetic import painted, posed_face


def other_person(face: Face, wider: float = 1.35) -> Face:
    """The same face with a wider nose and eyes that stand farther apart."""
    mesh = np.array(face.mesh)
    eyes = (mesh[33] + mesh[263]) / 2
    along = mesh[263] - mesh[33]
    unit = float(np.linalg.norm(along))
    along /= unit
    for centre, reach in ((mesh[4], 0.25), (mesh[33], 0.2), (mesh[263], 0.2)):
        near = np.exp(-np.square(np.linalg.norm(mesh - centre, axis=1) / (reach * unit)) / 2)
        mesh += (near * (wider - 1) * 0.5 * ((mesh - eyes) @ along))[:, None] * along
    return Face(box=face.box, score=1, points=face.points, mesh=mesh.astype(np.float32))


def drawn_person(face: Face) -> Face:
    """The same face with a shape as people have it, three standard deviations from the mean."""
    mesh = np.array(face.mesh)
    change = (_tables().decode[:, 0] * 3).reshape(-1, 3)
    centred = mesh[: len(change)] - mesh[: len(change)].mean(0)
    mesh[: len(change)] += (change * np.linalg.norm(centred)).astype(np.float32)
    return Face(box=face.box, score=1, points=face.points, mesh=mesh)


def test_pose_place_and_size_are_no_shape():
    shapes = [person_shape(posed_face(**how).mesh) for how in ({}, {"yaw": 35, "roll": -20}, {"scale": 300})]
    people = person_shape(other_person(posed_face()).mesh) - shapes[0]
    for shape in shapes[1:]:
        assert np.abs(shape - shapes[0]).max() < 1e-3 * np.abs(people).max()


@pytest.mark.parametrize("yaw", [0, 30])
def test_a_face_becomes_like_the_person_inside_its_own_oval(yaw):
    face = posed_face(yaw=yaw)
    person = drawn_person(posed_face(yaw=yaw))
    mesh = reshaped(face.mesh, person_shape(drawn_person(posed_face(scale=150)).mesh))
    middle = np.linalg.norm(CANONICAL[:, :2] - CANONICAL[4, :2], axis=1) < 0.8
    made, wanted = ((other - face.mesh)[middle, :2].ravel() for other in (mesh, person.mesh))
    assert np.corrcoef(made, wanted)[0, 1] > 0.8
    assert 0.5 < np.linalg.norm(made) / np.linalg.norm(wanted) < 1.5
    np.testing.assert_allclose(mesh[FACE_OVAL], face.mesh[FACE_OVAL], atol=1e-3)
    same = reshaped(face.mesh, person_shape(posed_face(scale=40).mesh))
    assert np.abs(same - face.mesh).max() < 0.02


def test_the_expression_stays():
    face, person = posed_face(), other_person(posed_face())
    opened = np.array(person.mesh)
    lower = INNER_LIPS[opened[INNER_LIPS, 1] > opened[INNER_LIPS, 1].mean()]
    opened[lower, 1] += 25
    mesh = reshaped(face.mesh, person_shape(opened))
    before, after = (float(m[14, 1] - m[13, 1]) for m in (face.mesh, mesh))
    assert abs(after - before) < 0.5


def test_closed_eyes_stay_closed():
    def lids(mesh: np.ndarray) -> float:
        return float(mesh[145, 1] - mesh[159, 1])

    def squeezed(height: float, width: float = 1) -> np.ndarray:
        mesh = np.array(posed_face().mesh)
        for eye in (LEFT_EYE, RIGHT_EYE):
            middle = mesh[eye, :2].mean(0)
            mesh[eye, :2] = middle + (width, height) * (mesh[eye, :2] - middle)
        return mesh

    large = person_shape(squeezed(1.6, 1.6))
    opened, closed = lids(reshaped(squeezed(1.0), large)), lids(reshaped(squeezed(0.05), large))
    assert opened > 1.05 * lids(squeezed(1.0)), "the person's eyes are larger"
    assert closed < 0.1 * opened


def test_lids_keep_their_form():
    face, person = posed_face(), other_person(posed_face())
    mesh = reshaped(face.mesh, person_shape(person.mesh))
    before, after = (np.linalg.norm(m[LEFT_EYE] - m[LEFT_EYE].mean(0), axis=1) for m in (face.mesh, mesh))
    np.testing.assert_allclose(after / before, (after / before).mean(), rtol=1e-3)
    assert np.abs(mesh - face.mesh)[LEFT_EYE].max() > 0.5


def test_irises_move_with_their_eyes():
    face = posed_face()
    moved = reshaped(face.mesh, person_shape(other_person(face).mesh)) - face.mesh
    assert np.abs(moved[LEFT_EYE, 0]).max() > 0.5
    np.testing.assert_allclose(moved[LEFT_IRIS].mean(0), moved[LEFT_EYE].mean(0), atol=0.2)


def test_a_mesh_that_has_failed_bends_nothing_out_of_shape():
    face, wild = posed_face(), CANONICAL * (1, 6, 1)
    mesh = reshaped(face.mesh, person_shape(wild))
    assert np.isfinite(mesh).all()
    assert np.linalg.norm(mesh - face.mesh, axis=1).max() < 0.5 * face.eye_distance


def test_the_targets_eyes_are_moved_to_where_the_person_has_them():
    face = posed_face()
    person = other_person(face, wider=1.6)
    pixels = painted(face, 1)
    iris = np.round(face.mesh[LEFT_IRIS, :2].mean(0)).astype(int)
    cv2.circle(pixels, (int(iris[0]), int(iris[1])), 4, (10, 200, 10), -1)
    engine = MeshSwapper()
    crop = align(pixels, face, engine.template, engine.crop_size(face))
    (new,) = engine.swap([crop], engine.identity([Source(painted(person, 2), person)]))
    made = blend(new.pixels, to_float(crop.pixels), new.mask)
    wanted = reshaped(crop.face.mesh, person_shape(person.mesh))[LEFT_IRIS, :2].mean(0)
    was = crop.face.mesh[LEFT_IRIS, :2].mean(0)
    assert np.linalg.norm(wanted - was) > 1
    green = np.clip(made[..., 1] - made[..., [0, 2]].max(2) - 0.2, 0, 1)
    y, x = np.mgrid[: len(green), : len(green)]
    green *= np.hypot(x - was[0], y - was[1]) < 15  # some of the noise around is green, too
    found = np.array([(x * green).sum(), (y * green).sum()]) / green.sum()
    assert np.linalg.norm(found - wanted) < 0.5 * np.linalg.norm(found - was)
