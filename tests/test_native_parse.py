"""omote-parse as it ships: it finds the regions of portraits, and what is held before them stays in front."""

from functools import cache

import cv2
import numpy as np
import pytest

from omote.demo import portraits
from omote.faces.align import align
from omote.faces.crops import IMAGENET_MEAN, IMAGENET_STD, tensor
from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
from omote.media import open_image
from omote.pipelines import Job, SwapSettings
from omote.zoo import Networks, native_weights

SIDE = 192
MIDDLES = {"nose": 1, "lip": 0, "eye": 159, "brow": 105}
"""A point of the mesh that lies in each region."""


@cache
def found(number: int) -> tuple[np.ndarray, Face]:
    pixels = open_image(portraits()[number]).pixels
    return pixels, FaceFinder().find(pixels, Selection("largest"))[0]


@pytest.mark.parametrize("template", ["arcface_112_v2", "ffhq_512", "dfl_whole_face"])
@pytest.mark.parametrize("number", [0, 1])
def test_regions_lie_where_the_mesh_says(number, template):
    network = Networks().open("omote-parse", "mask")
    names = network.card.settings["regions"]
    crop = align(*found(number), template, SIDE)
    planes = tensor(crop.pixels[None].astype(np.float32) / 255, IMAGENET_MEAN, IMAGENET_STD)
    labels = network.session.run_batch(planes)[0][0].argmax(0)
    points = crop.face.mesh[:468, :2].round().astype(int)
    inside = points[((points >= 4) & (points < SIDE - 4)).all(1)]
    face = [names.index(name) for name in network.card.settings["face"]]
    assert np.isin(labels[inside[:, 1], inside[:, 0]], face).mean() > 0.8
    for region, point in MIDDLES.items():
        x, y = points[point]
        near = labels[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5]
        assert (near == names.index(region)).any(), region


def test_what_is_held_before_a_face_stays_in_front():
    source, _ = portraits()
    pixels, face = found(1)
    held = pixels.copy()
    x, y = face.mesh[13, :2].round().astype(int)  # the lips
    reach = round(face.eye_distance * 0.45)
    cv2.rectangle(held, (x - 2 * reach, y - reach // 2), (x + 4 * reach, y + reach // 2), (40, 160, 90), -1)
    covered = np.any(held != pixels, axis=2)
    changed = {}
    for mask in ("box", "box,occlusion"):
        made = Job([source], SwapSettings(mask=mask)).swap(held, [face])
        changed[mask] = (np.abs(made.astype(int) - held).max(2) > 12)[covered].mean()
    assert changed["box,occlusion"] < 0.1 < 0.3 < changed["box"]


def test_it_is_asked_by_default_and_small():
    assert SwapSettings().masking.occlusion == ("omote-parse",)
    assert len(native_weights("parse")) <= 3_000_000
