"""The mesh engine on painted faces: what it moves, what it keeps, what it fades."""

import cv2
import numpy as np
import pytest

from omote.compose import blend, match_colour, paste, to_float
from omote.engines.mesh import MeshSwapper
from omote.engines.swapper import Source
from omote.errors import UsageError
from omote.faces.align import align
from omote.faces.face import Face
from omote.faces.topology import INNER_LIPS, LEFT_EYE, RIGHT_EYE
from tests.synthetic import painted, posed_face

ENGINE = MeshSwapper()


def swapped(source: Source, pixels: np.ndarray, face: Face, colour="light"):
    """The whole journey of one picture; also the crop and what the engine made of it."""
    crop = align(pixels, face, ENGINE.template, ENGINE.crop_size(face))
    (new,) = ENGINE.swap([crop], ENGINE.identity([source]))
    target = to_float(crop.pixels)
    result = pixels.copy()
    paste(result, crop, blend(match_colour(new.pixels, target, new.mask, colour), target, new.mask))
    return result, crop, new


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.square(a.astype(np.float64) - b).mean()
    return float(10 * np.log10(np.iinfo(a.dtype).max ** 2 / max(error, 1e-9)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("yaw", [0, 25])
def test_swapping_a_face_with_itself_changes_next_to_nothing(dtype, yaw):
    face = posed_face(yaw=yaw, roll=12)
    pixels = painted(face).astype(dtype) * (257 if dtype == np.uint16 else 1)
    result, crop, new = swapped(Source(pixels, face), pixels, face)
    inside = cv2.warpAffine(new.mask, crop.matrix, (400, 400), flags=cv2.WARP_INVERSE_MAP) > 0.1
    assert inside.mean() > 0.1
    assert psnr(result[inside], pixels[inside]) >= 38
    outside = cv2.dilate(inside.astype(np.uint8), np.ones((25, 25))) == 0
    np.testing.assert_array_equal(result[outside], pixels[outside])


def test_the_texture_follows_the_mesh():
    """A spot painted on the source's cheek appears on the same cheek of a target of other pose and size."""
    source, target = posed_face(), posed_face(centre=(180, 210), scale=70, yaw=15, roll=-20)
    spot = 50
    source_pixels, target_pixels = painted(source, 1), painted(target, 2)
    centre = tuple(int(v) for v in np.round(source.mesh[spot, :2]))
    cv2.circle(source_pixels, centre, 9, (20, 160, 40), -1)
    result, _, _ = swapped(Source(source_pixels, source), target_pixels, target, colour="none")
    green = result[..., 1].astype(int) - result[..., 0]
    y, x = np.unravel_index(np.argmax(cv2.GaussianBlur(green.astype(np.float32), (0, 0), 4)), green.shape)
    assert np.hypot(x - target.mesh[spot, 0], y - target.mesh[spot, 1]) < 3


def test_the_target_keeps_eyes_mouth_and_everything_outside():
    face = posed_face()
    opened = np.array(face.mesh)
    lower = INNER_LIPS[opened[INNER_LIPS, 1] > opened[INNER_LIPS, 1].mean()]
    opened[lower, 1] += 20
    face = Face(box=face.box, score=1, points=face.points, mesh=opened)
    _, crop, new = swapped(Source(painted(face, 1), face), painted(face, 1), face)
    for contour in (LEFT_EYE, RIGHT_EYE, INNER_LIPS):
        x, y = np.round(crop.face.mesh[contour, :2].mean(0)).astype(int)
        assert new.mask[y, x] < 0.02
    nose = np.round(crop.face.mesh[4, :2]).astype(int)
    assert new.mask[nose[1], nose[0]] > 0.99
    assert new.mask[0].max() == new.mask[-1].max() == new.mask[:, 0].max() == new.mask[:, -1].max() == 0


def test_closed_lips_show_no_teeth_of_the_source():
    face = posed_face()
    opened = np.array(face.mesh)
    middle = opened[INNER_LIPS, 1].mean()
    lower = INNER_LIPS[opened[INNER_LIPS, 1] > middle]
    opened[lower, 1] += 12
    smiling = Face(box=face.box, score=1, points=face.points, mesh=opened)
    pixels = painted(face, 1)
    cv2.fillPoly(pixels, [np.round(opened[INNER_LIPS, :2]).astype(np.int32)], (0, 255, 0))
    shut = np.array(face.mesh)
    shut[INNER_LIPS, 1] = middle
    closed = Face(box=face.box, score=1, points=face.points, mesh=shut)
    result, _, _ = swapped(Source(pixels, smiling), painted(face, 2), closed, colour="none")
    y, x = round(float(middle)), shut[INNER_LIPS, 0]
    seam = result[y - 1 : y + 2, int(x.min()) + 3 : int(x.max()) - 3].astype(int)
    assert (seam[..., 1] - seam[..., 0]).max() < 60


def cheeks(crop, new) -> tuple[float, float]:
    """Mask on the left and right cheek, as seen in the picture."""
    values = []
    for vertex in (205, 425):
        x, y = np.round(crop.face.mesh[vertex, :2]).astype(int)
        values.append(float(new.mask[y, x]))
    return values[0], values[1]


def test_skin_that_the_source_hides_fades_instead_of_smearing():
    frontal, turned = posed_face(), posed_face(yaw=75)
    _, crop, new = swapped(Source(painted(turned, 1), turned), painted(frontal, 2), frontal)
    left, right = cheeks(crop, new)
    assert left > 0.9, "the cheek that faces the camera is used"
    assert right < 0.1, "the cheek that is turned away is not"


def test_several_photos_fill_what_one_of_them_hides():
    frontal = posed_face()
    views = [posed_face(yaw=yaw) for yaw in (75, -75)]
    sources = [Source(painted(view, seed), view) for seed, view in enumerate(views)]
    crop = align(painted(frontal, 5), frontal, ENGINE.template, 320)
    (one,) = ENGINE.swap([crop], ENGINE.identity(sources[:1]))
    (both,) = ENGINE.swap([crop], ENGINE.identity(sources))
    assert min(cheeks(crop, one)) < 0.1
    assert min(cheeks(crop, both)) > 0.9
    with pytest.raises(UsageError, match="at least one"):
        ENGINE.identity([])


def test_dark_glasses_of_the_target_stay():
    face = posed_face()
    bare = painted(face, 2)
    worn = bare.copy()
    for contour in (LEFT_EYE, RIGHT_EYE):
        x, y = np.round(face.mesh[contour, :2].mean(0)).astype(int)
        cv2.circle(worn, (int(x), int(y) + 5), 36, (15, 12, 10), 6)
    result, _, _ = swapped(Source(painted(face, 1), face), worn, face)
    rims = np.abs(worn.astype(int) - bare).max(2) > 60
    below = np.zeros_like(rims)
    below[int(face.points[0, 1]) + 15 :] = True
    kept = result[rims & below].mean()
    assert kept < 50, "the rims below the eyes are still dark"
    bare_result, _, _ = swapped(Source(painted(face, 1), face), bare, face)
    assert bare_result[rims & below].mean() > 100


def test_crops_are_about_as_large_as_the_face_in_the_picture():
    for scale in (20, 90, 300, 2000):
        face = posed_face(scale=scale)
        size = ENGINE.crop_size(face)
        assert size % 32 == 0
        assert 128 <= size <= 1024
        if 128 < size < 1024:
            scale_of_crop = align(np.zeros((8, 8, 3), np.uint8), face, ENGINE.template, size).scale
            assert 0.95 < scale_of_crop < 1.4
