"""The mask follows the shape of the new face: wider, or narrower and softer, without a step."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from omote.compose import Masking, MaskSettings, to_float
from omote.compose.adapting import NO_WIDER, ShapeFit, below_hair, calm, fitted
from omote.demo import portraits
from omote.engines.oneshot.mask import face_mask
from omote.faces.align import Crop, align
from omote.faces.contours import FACE_OVAL
from omote.faces.finder import FaceFinder
from omote.faces.mesh import FaceMesh
from omote.media import open_image
from omote.pipelines import SwapSettings, open_networks
from omote.pipelines.choose import make_masking
from tests.synthetic import painted, posed_face

SIZE = 256
CHIN, CHEEKS, TOP = 18, (9, 27), 0
"""Places in FACE_OVAL."""


@pytest.fixture(scope="module")
def crop() -> Crop:
    pixels = open_image(portraits()[1]).pixels
    face = max(FaceFinder().find(pixels), key=lambda face: face.area)
    return align(pixels, face, "ffhq_512", SIZE)


@pytest.fixture(scope="module")
def fit() -> ShapeFit:
    return ShapeFit(FaceMesh())


def stretched(crop: Crop, across: float, down: float = 1.0) -> np.ndarray:
    """The crop with another face: its own, wider or longer about the middle of its oval."""
    x, y = crop.face.mesh[list(FACE_OVAL), :2].mean(0)
    matrix = np.array([[across, 0, x * (1 - across)], [0, down, y * (1 - down)]])
    return cv2.warpAffine(to_float(crop.pixels), matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)


def test_contours_are_compared(crop, fit):
    same, wide, narrow, long = fit.wider(
        [crop] * 4,
        [to_float(crop.pixels), stretched(crop, 1.15), stretched(crop, 0.85), stretched(crop, 1, 1.1)],
    )
    assert np.abs(same).max() < 1e-4
    assert min(wide[list(CHEEKS)]) > 0.05
    assert max(narrow[list(CHEEKS)]) < -0.05
    assert long[CHIN] > 0.05
    assert max(np.abs(wide[CHIN]), np.abs(long[list(CHEEKS)]).max()) < 0.06
    assert long[TOP] == 0, "hair begins there"


def test_the_mask_covers_a_wider_face_and_draws_back_from_a_narrower_one(crop, fit):
    mask = face_mask(crop.face, SIZE)
    areas = []
    for across in (0.85, 0.93, 1.0, 1.07, 1.15):
        (wider,) = fit.wider([crop], [stretched(crop, across)])
        areas.append((fitted(mask, crop.face, wider) > 0.5).mean())
    assert (np.diff(areas) > 0).all()
    assert areas[0] < 0.9 * areas[2] < areas[2] < 0.95 * areas[4]


def test_without_a_face_in_the_result_the_mask_stays(crop, fit):
    blank = np.full((SIZE, SIZE, 3), 0.7, np.float32)
    faceless = Crop(crop.pixels, crop.matrix, replace(crop.face, mesh=None))
    assert not np.any(fit.wider([crop, faceless], [blank, stretched(crop, 1.15)]))
    mask = face_mask(crop.face, SIZE)
    assert fitted(mask, crop.face, NO_WIDER) is mask


def test_each_side_of_the_mask_moves_by_itself():
    crop = align(painted(posed_face()), posed_face(), "ffhq_512", SIZE)
    mask, unit = face_mask(crop.face, SIZE), crop.face.eye_distance
    wider = NO_WIDER.copy()
    right = CHEEKS[int(crop.face.mesh[FACE_OVAL[CHEEKS[1]], 0] > crop.face.mesh[FACE_OVAL[CHEEKS[0]], 0])]
    wider[right - 4 : right + 5] = 0.15
    moved = fitted(mask, crop.face, wider)
    row = round(float(crop.face.mesh[FACE_OVAL[right], 1]))
    edges = [np.flatnonzero(m[row] > 0.5)[[0, -1]] for m in (mask, moved)]
    assert edges[1][1] - edges[0][1] == pytest.approx(0.15 * unit, abs=2)
    assert edges[1][0] == edges[0][0]
    middle = np.round(crop.face.points).astype(int)
    np.testing.assert_allclose(moved[middle[:, 1], middle[:, 0]], mask[middle[:, 1], middle[:, 0]], atol=0.02)


def test_narrower_is_softer():
    crop = align(painted(posed_face()), posed_face(), "ffhq_512", SIZE)
    mask = face_mask(crop.face, SIZE)
    row = round(float(crop.face.mesh[FACE_OVAL[CHEEKS[0]], 1]))
    steepest = [
        np.abs(np.diff(fitted(mask, crop.face, NO_WIDER + more)[row])).max()
        for more in (0, -0.05, -0.1, -0.2)
    ]
    assert (np.diff(steepest) < 0).all()
    inside = fitted(mask, crop.face, NO_WIDER - 0.15) > 0
    assert not np.any(inside & (mask == 0)), "nothing shows that did not before"


@pytest.mark.parametrize("place", [CHIN, *CHEEKS])
def test_nothing_pops(place):
    """Differences that grow evenly move the mask evenly: no thresholds, as in a film from frame to frame."""
    crop = align(painted(posed_face()), posed_face(), "ffhq_512", 128)
    mask = face_mask(crop.face, 128)
    bump = np.roll(np.exp(-0.5 * ((np.arange(36) - 18) / 3) ** 2), place - 18).astype(np.float32)
    masks = [fitted(mask, crop.face, below_hair(calm(bump * x))) for x in np.linspace(-0.4, 0.4, 161)]
    steps = [np.abs(after - before).max() for before, after in pairwise(masks)]
    assert max(steps) < 0.06, "for half a hundredth of the eye distance"
    assert np.abs(masks[0] - masks[-1]).max() > 0.4


def test_tremble_of_the_network_is_no_difference():
    noise = np.random.default_rng(0).normal(0, 0.008, (200, 36)).astype(np.float32)
    left = np.array([calm(row) for row in noise])
    assert left.std() < 0.1 * noise.std()
    assert 0.08 < calm(NO_WIDER + 0.1)[0] < 0.1


def test_masks_are_fitted_where_a_network_swaps(crop, fit):
    mask, new = face_mask(crop.face, SIZE), stretched(crop, 1.15)
    plain, adapted = Masking(MaskSettings()), Masking(MaskSettings(), fit=fit)
    assert adapted.mask(crop, new, mask).sum() > 1.05 * plain.mask(crop, new, mask).sum()
    assert not adapted.mask(crop, new, np.ones_like(mask))[[0, -1]].any()
    networks = open_networks(SwapSettings(), 1)
    shown = [
        make_masking(replace(SwapSettings(mask="box"), **asked), networks)[0].mask(crop, new, mask).sum()
        for asked in ({"swapper": "mesh", "mask_adapt": True}, {"mask_adapt": True}, {"mask_adapt": False})
    ]
    assert shown[0] == shown[2] < shown[1], "the mesh engine keeps the shape of the target"
