"""Areas by landmarks: what they cover, how they fit together, from the mesh and from 68 points alike."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omote.compose.areas import AREAS, FEATHER, Area, area_mask, outline
from omote.errors import UsageError
from omote.faces.align import move, similarity, template
from omote.faces.contours import INNER_LIPS, LEFT_EYE, RIGHT_EYE
from omote.faces.face import Face
from tests.synthetic import posed_face

# Which mesh point lies where each of the 68 landmarks is.
# fmt: off
LANDMARKS_68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)
# fmt: on
SIZE = 160


def in_crop(source: str, yaw: float = 0.0, name: str = "ffhq_512", size: int = SIZE) -> tuple[Face, Face]:
    """A face in a crop as `source` tells it, and the same with its mesh."""
    face = posed_face(yaw=yaw, roll=25)
    face = move(face, similarity(face.points, template(name) * size))
    if source == "mesh":
        return face, face
    return replace(face, mesh=None, landmarks=face.mesh[list(LANDMARKS_68), :2]), face


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


sources = pytest.mark.parametrize("source", ["mesh", "68"])
yaws = st.floats(-40, 40)
names = st.sampled_from(["arcface_112_v2", "arcface_128", "ffhq_512", "dfl_whole_face"])


@sources
@given(yaw=yaws, name=names)
@settings(max_examples=20, deadline=None)
def test_upper_and_lower_face_are_the_face(source, yaw, name):
    face, _ = in_crop(source, yaw, name)
    whole, upper, lower = (area_mask(face, [area], SIZE) for area in AREAS[:3])
    assert not np.any((upper > 0) & (lower > 0))
    assert np.array_equal((upper > 0) | (lower > 0), whole > 0)
    # Asked for together they have no soft seam between them.
    assert np.array_equal(area_mask(face, ["upper-face", "lower-face"], SIZE), whole)


@sources
@given(yaw=yaws, name=names)
@settings(max_examples=20, deadline=None)
def test_the_mouth_is_in_the_lower_face_and_the_eyes_are_in_the_upper(source, yaw, name):
    face, meshed = in_crop(source, yaw, name)
    upper, lower, mouth = (area_mask(face, [area], SIZE) for area in AREAS[1:4])
    assert np.all(lower[mouth > 0] > 0)
    assert 0.03 < (mouth > 0).sum() / (lower > 0).sum() < 0.6
    for contour, mask in ((LEFT_EYE, upper), (RIGHT_EYE, upper), (INNER_LIPS, lower), (INNER_LIPS, mouth)):
        x, y = np.round(meshed.mesh[list(contour), :2].mean(0)).astype(int)
        assert mask[y, x] > 0.5
    eyes = area_mask(face, ["eyes"], SIZE)
    assert 0.03 < (eyes > 0).sum() / (upper > 0).sum() < 0.3
    assert not np.any((eyes > 0) & (mouth > 0))
    for contour in (LEFT_EYE, RIGHT_EYE):
        x, y = np.round(meshed.mesh[list(contour), :2].mean(0)).astype(int)
        assert eyes[y, x] > 0.65  # of a head that is turned by 40° the feather reaches the far eye's middle
    x, y = np.round(meshed.mesh[1, :2]).astype(int)  # the tip of the nose
    assert upper[y - 2, x] > 0


@sources
@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("size", [32, 128, 512])
def test_masks_are_in_bounds_soft_and_scale_with_the_crop(source, area: Area, size):
    face, _ = in_crop(source, size=size)
    mask = area_mask(face, [area], size)
    assert mask.shape == (size, size)
    assert mask.dtype == np.float32
    assert mask.min() == 0
    assert mask.max() > 0.5
    assert mask.max() <= 1
    share = (mask > 0).mean()
    large, _ = in_crop(source, size=1024)
    assert share == pytest.approx((area_mask(large, [area], 1024) > 0).mean(), abs=2 / size)


def test_the_soft_edge_is_a_fraction_of_the_height_of_the_face():
    face, _ = in_crop("mesh", size=512)
    mask = area_mask(face, ["face"], 512)
    chin = face.mesh[152]
    column = mask[: round(chin[1]) + 2, round(chin[0])][::-1]
    height = np.ptp(outline(face).face[:, 1])
    width = np.argmax(column > 0.99) - np.argmax(column > 0)
    assert width == pytest.approx(FEATHER * height, rel=0.2)


@pytest.mark.parametrize("yaw", [-30, -15, 0, 15, 30])
def test_both_sources_tell_the_same_areas(yaw):
    few, many = in_crop("68", yaw)[0], in_crop("mesh", yaw)[0]
    least = {"face": 0.95, "upper-face": 0.9, "lower-face": 0.95, "mouth": 0.9, "eyes": 0.85}
    for area in AREAS:
        assert overlap(area_mask(few, [area], SIZE) > 0, area_mask(many, [area], SIZE) > 0) >= least[area]


def test_the_mesh_comes_first():
    face, meshed = in_crop("68")
    both = replace(meshed, landmarks=face.landmarks + 20)
    assert np.array_equal(area_mask(both, ["face"], SIZE), area_mask(meshed, ["face"], SIZE))


@sources
def test_a_face_may_reach_beyond_its_crop(source):
    face = move(in_crop(source)[0], np.array([[2.5, 0, -200], [0, 2.5, -200]]))
    for area in AREAS:
        assert area_mask(face, [area], SIZE).shape == (SIZE, SIZE)


@pytest.mark.parametrize("landmarks", [None, np.zeros((106, 2))])
def test_a_face_without_such_landmarks_is_refused(landmarks):
    face = replace(posed_face(), mesh=None, landmarks=landmarks)
    with pytest.raises(UsageError, match="478-point mesh or 68 landmarks"):
        area_mask(face, ["mouth"], SIZE)
