"""Glasses, masks and hands of a source are not carried over as its skin."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from omote.compose.parsers import PARSERS
from omote.demo import portraits
from omote.engines.mesh import MeshSwapper, open_cover_parser
from omote.engines.mesh.cover import bare_and_covered
from omote.engines.mesh.texture import mesh_identity
from omote.engines.swapper import Source
from omote.faces.align import align
from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.media import open_image
from omote.zoo import Networks
from tests.synthetic import painted, posed_face

LEFT, RIGHT = 205, 425
"""Mesh points in the middle of the cheeks."""
GREEN = (20, 160, 40)


class GreenIsCover:
    """Finds what is painted green."""

    looks_at = "result"

    def mask(self, crops: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [(crop[..., 1] < crop[..., 0] + 0.3).astype(np.float32) for crop in crops]


def with_spots(face: Face, *points: int, seed: int = 1) -> np.ndarray:
    pixels = painted(face, seed)
    for point in points:
        x, y = face.mesh[point, :2].round().astype(int)
        cv2.circle(pixels, (int(x), int(y)), 26, GREEN, -1)
    return pixels


def on_cheeks(sources: Sequence[Source]) -> list[tuple[float, bool]]:
    """Mask on the left and the right cheek of a target, and whether green shows there."""
    engine, face = MeshSwapper(parser=GreenIsCover()), posed_face()
    crop = align(painted(face, 2), face, engine.template, 320)
    (new,) = engine.swap([crop], engine.identity(sources))
    found = []
    for point in (LEFT, RIGHT):
        x, y = crop.face.mesh[point, :2].round().astype(int)
        red, green, _ = new.pixels[y, x]
        found.append((float(new.mask[y, x]), bool(green > red)))
    return found


def test_what_is_covered_is_taken_from_the_other_half_of_the_face():
    face = posed_face()
    for point in (LEFT, RIGHT):
        source = Source(with_spots(face, point), face)
        assert [(mask > 0.9, green) for mask, green in on_cheeks([source])] == [(True, False)] * 2


def test_where_both_halves_are_covered_the_target_keeps_its_skin():
    face = posed_face()
    source = Source(with_spots(face, LEFT, RIGHT), face)
    assert max(mask for mask, _ in on_cheeks([source])) < 0.02


def test_what_is_covered_in_one_photo_is_taken_from_another():
    frontal, turned = posed_face(), posed_face(yaw=10)
    worn, bare = with_spots(frontal, LEFT, RIGHT), painted(turned, 3)
    found = on_cheeks([Source(worn, frontal), Source(bare, turned)])
    assert [(mask > 0.9, green) for mask, green in found] == [(True, False)] * 2


def test_another_photo_that_hides_the_place_is_no_help():
    frontal, away = posed_face(), posed_face(yaw=75)
    worn = Source(with_spots(frontal, LEFT, RIGHT), frontal)
    found = on_cheeks([worn, Source(with_spots(away, LEFT, RIGHT, seed=3), away)])
    assert max(mask for mask, _ in found) < 0.02


def test_bare_faces_are_left_as_they_were():
    face = posed_face()
    pixels = painted(face, 1)
    pixels[..., 1] = np.minimum(pixels[..., 1], pixels[..., 0])
    source = Source(pixels, face)
    with_parser, without = mesh_identity([source], GreenIsCover()), mesh_identity([source])
    assert with_parser.bare is None
    np.testing.assert_array_equal(with_parser.levels[0], without.levels[0])


@pytest.fixture(scope="module")
def portrait() -> Source:
    """A face with glasses and a hat."""
    pixels = open_image(portraits()[0]).pixels
    return Source(pixels, max(FaceFinder().find(pixels), key=lambda face: face.area))


def test_omote_parse_finds_the_glasses_of_a_portrait(portrait):
    identity = mesh_identity([portrait], open_cover_parser(Networks()))
    assert identity.bare is not None
    scale = len(identity.bare) / len(identity.levels[0])
    points = {
        "under an eye": 119,
        "under the other": 348,
        "nose": 4,
        "lip": 0,
        "mouth corner": 61,
        "chin": 199,
    }
    bare = {}
    for name, point in points.items():
        x, y = ((identity.mesh[point, :2] + 0.5) * scale - 0.5).round().astype(int)
        bare[name] = identity.bare[y, x]
    assert max(bare["under an eye"], bare["under the other"]) < 0.1
    assert min(bare[name] for name in ("nose", "lip", "mouth corner", "chin")) > 0.9


def test_hair_is_not_carried_over():
    pixels = open_image(portraits()[1]).pixels
    (face, *_) = FaceFinder().find(pixels)
    crop = align(pixels, face, "dfl_whole_face", 256).pixels.astype(np.float32) / 255
    network = Networks().open("omote-parse", "mask")
    hair = PARSERS[network.card.adapter](network, ("hair",)).mask([crop])[0]
    carried = open_cover_parser(Networks()).mask([crop])[0]
    assert (hair > 0.9).mean() > 0.02
    assert carried[hair > 0.9].mean() < 0.1


def test_one_look_makes_skin_unsure_and_both_make_it_covered():
    class LeftAndTop:
        looks_at = "result"

        def mask(self, crops):
            found = [np.ones(crop.shape[:2], np.float32) for crop in crops]
            for mask in found:
                mask[:, : len(mask) // 4] = 0
                mask[: len(mask) // 4] = 0
            return found

    bare, covered = bare_and_covered(np.zeros((512, 512, 3), np.float32), LeftAndTop())
    for found in (bare, covered):
        np.testing.assert_allclose(found, found[:, ::-1], atol=1e-5)
    assert (bare[128, 40], covered[128, 40]) == (0, 0), "seen on the left, and not in the mirror"
    assert (bare[30, 128], covered[30, 128].round(2)) == (0, 1), "seen at the top by both"
    assert (bare[128, 128], covered[128, 128]) == (1, 0)
    assert (np.minimum(bare, covered) == 0).all()
