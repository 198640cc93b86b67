"""The property of every swapper: where nothing is changed, the picture stays, bit for bit.

The crop's journey is that of `omote.pipelines.swap.Job`: align, swap, blend, paste.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omote.compose import blend, box_mask, match_colour, paste, to_float
from omote.engines.oneshot import SWAPPERS
from omote.engines.oneshot.mask import face_mask
from omote.engines.swapper import Source, Swapper
from omote.faces.align import Crop, align, invert, move, transform
from omote.faces.face import Face
from tests.swap_networks import PUBLISHED, catalogue, network_of, revealing, unchanging
from tests.synthetic import painted, posed_face

Pixels = np.ndarray[Any, Any]
CARDS = catalogue().cards
SOURCE_FACE = posed_face(scale=70.0)
SOURCE = Source(painted(SOURCE_FACE, seed=3), SOURCE_FACE)


def journey(picture: Pixels, face: Face, swapper: Swapper[Any]) -> tuple[Pixels, Crop, Pixels]:
    """The picture with its face swapped, the crop, and the mask that was used."""
    result = picture.copy()
    crop = align(result, face, swapper.template, swapper.crop_size(face))
    (new,) = swapper.swap([crop], swapper.identity([SOURCE]))
    target = to_float(crop.pixels)
    mask = np.minimum(new.mask, box_mask(crop.size, blur=0.05))
    composed = blend(match_colour(new.pixels, target, mask, "none"), target, mask)
    paste(result, crop, composed)
    return result, crop, mask


def reached(picture: Pixels, crop: Crop, mask: Pixels) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where in the picture the mask may have an effect: within a crop pixel of where it is not 0."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    places = transform(np.stack([x, y], -1), crop.matrix)
    low = np.floor(places).astype(int)
    inside = np.zeros((height, width), bool)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = low[..., 0] + dx, low[..., 1] + dy
            valid = (column >= 0) & (row >= 0) & (column < crop.size) & (row < crop.size)
            inside[valid] |= mask[row[valid], column[valid]] > 0
    return inside


def psnr(one: Pixels, other: Pixels) -> float:
    white = np.iinfo(one.dtype).max
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(white**2 / error))


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_identity_network_leaves_the_picture(name: str, dtype: type) -> None:
    """At every card: bit-equal outside the mask, at least 40 dB within."""
    face = posed_face(scale=75.0, roll=-17.0, yaw=8.0)
    picture = painted(face, seed=4).astype(dtype) * (257 if dtype == np.uint16 else 1)
    facts = PUBLISHED[name]
    boost = 2 * facts.size if facts.size == 128 else None
    swapper = SWAPPERS[CARDS[name].adapter](network_of(CARDS[name], unchanging(facts)), boost=boost)
    result, crop, mask = journey(picture, face, swapper)
    inside = reached(picture, crop, mask)
    assert 0.02 < inside.mean() < 0.8
    np.testing.assert_array_equal(result[~inside], picture[~inside])
    assert psnr(result[inside], picture[inside]) >= 40


@given(st.floats(30, 150), st.floats(-180, 180), st.floats(-40, 440), st.floats(-40, 440), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_anywhere_in_the_picture(scale: float, roll: float, x: float, y: float, seed: int) -> None:
    """Faces of any size and turn, half outside the picture, too."""
    face = posed_face((x, y), scale, roll=roll)
    picture = painted(posed_face(), seed=seed)
    facts = PUBLISHED["inswapper_128"]
    swapper = SWAPPERS["embedding"](network_of(CARDS["inswapper_128"], unchanging(facts)))
    result, crop, mask = journey(picture, face, swapper)
    inside = reached(picture, crop, mask)
    np.testing.assert_array_equal(result[~inside], picture[~inside])
    assert not inside.any() or psnr(result[inside], picture[inside]) >= 40


def test_a_network_that_changes_the_face_changes_the_picture_only_there() -> None:
    """The counterpart: the property above would hold for a swapper that does nothing at all."""
    face = posed_face()
    picture = painted(face, seed=4)
    facts = PUBLISHED["inswapper_128"]
    swapper = SWAPPERS["embedding"](network_of(CARDS["inswapper_128"], revealing(facts)))
    result, crop, mask = journey(picture, face, swapper)
    inside = reached(picture, crop, mask)
    assert psnr(result[inside], picture[inside]) < 25
    np.testing.assert_array_equal(result[~inside], picture[~inside])


@pytest.mark.parametrize("size", [64, 128, 512])
@pytest.mark.parametrize("template", ["arcface_128", "ffhq_512", "mtcnn_512"])
def test_the_mask_covers_the_face_and_ends_in_the_crop(size: int, template: str) -> None:
    crop = align(painted(posed_face()), posed_face(), template, size)
    mask = face_mask(crop.face, size)
    assert mask.shape == (size, size)
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() == 1
    assert not mask[[0, -1]].any()
    assert not mask[:, [0, -1]].any()
    points = np.round(crop.face.points).astype(int)
    assert (mask[points[:, 1], points[:, 0]] > 0.9).all(), "eyes, nose and mouth"
    steps = np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask, axis=1)).max()
    assert max(steps) < 0.13 * 256 / size, "the edge is soft"


def test_the_mask_follows_the_mesh_and_is_smaller_than_the_crop() -> None:
    crop = align(painted(posed_face()), posed_face(), "ffhq_512", 256)
    mask, without = face_mask(crop.face, 256), face_mask(replace(crop.face, mesh=None), 256)
    assert mask.sum() < 0.8 * without.sum()
    np.testing.assert_array_equal(without, box_mask(256))
    moved = replace(crop.face, mesh=crop.face.mesh + np.array([20, 0, 0], np.float32))
    np.testing.assert_allclose(face_mask(moved, 256)[60:200, 60:200], mask[60:200, 40:180], atol=1e-3)
    # drawn at 256 and enlarged: the place stays
    large = face_mask(move(crop.face, np.array([[4.0, 0, 1.5], [0, 4, 1.5]])), 1024)
    assert np.abs(large.reshape(256, 4, 256, 4).mean((1, 3)) - mask).max() < 0.03


def test_a_face_outside_its_crop_has_an_empty_mask() -> None:
    crop = align(painted(posed_face()), posed_face(), "arcface_128", 128)
    gone = move(crop.face, np.array([[1.0, 0, 500], [0, 1.0, 0]]))
    assert not face_mask(gone, 128).any()


def test_the_crop_comes_back_where_it_was() -> None:
    """`invert` and `transform` as used here agree with `align`: eyes lie on the template."""
    crop = align(painted(posed_face()), posed_face(), "arcface_128", 128)
    np.testing.assert_allclose(
        transform(crop.face.points, invert(crop.matrix)), posed_face().points, atol=1e-3
    )
