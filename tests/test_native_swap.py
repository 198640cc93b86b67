"""omote-swap-128 as it ships: it is what swaps by default, and gives the target the source's face."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from omote.demo import portraits
from omote.faces.identity import ArcFace, cosine
from omote.faces.select import Selection
from omote.media import open_image
from omote.pipelines import Job, SwapSettings
from omote.pipelines.contracts import check_contract
from omote.zoo import Networks, native_weights

SETTINGS = SwapSettings()


@pytest.fixture(scope="module")
def swaps() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Embeddings of source, target and result, for the demo's portraits both ways."""
    recogniser = ArcFace(Networks().open("omote-identity", "identity"))
    first, second = portraits()
    found = []
    for source, target in ((first, second), (second, first)):
        job = Job([source], SETTINGS)
        before = open_image(target).pixels
        after = job.swap(before, job.find(before))
        found.append(
            tuple(_who(recogniser, job, picture) for picture in (open_image(source).pixels, before, after))
        )
    return found


def _who(recogniser: ArcFace, job: Job, pixels: np.ndarray) -> np.ndarray:
    (face, *_) = job.finder.find(pixels, Selection("largest"))
    return recogniser.embed(pixels, [face])[0]


def test_the_result_is_like_the_source(swaps):
    (source, target, result), _ = swaps
    assert cosine(source, target) < 0.25
    assert cosine(result, source) > 0.55
    assert cosine(result, source) > cosine(result, target) + 0.1  # her glasses hide part of her skin


def test_behind_the_target_s_glasses_it_still_comes_nearer_to_the_source(swaps):
    """Glasses stay before the face, and so does what is seen through them."""
    _, (source, target, result) = swaps
    assert cosine(result, source) > cosine(target, source) + 0.08


def test_it_is_the_default_and_meets_its_contract():
    card = Networks().catalogue.card(str(SETTINGS.swapper))
    assert (card.name, card.adapter) == ("omote-swap-128", "drafted")
    check_contract(card, native_weights("swap-128"))


def test_between_strengths_the_face_lies_between_the_people():
    recogniser = ArcFace(Networks().open("omote-identity", "identity"))
    source, target = portraits()
    before, likeness = open_image(target).pixels, []
    for strength in (0.0, 0.5, 1.0):
        job = Job([source], replace(SETTINGS, strength=strength))
        result = _who(recogniser, job, job.swap(before, job.find(before)))
        pictures = (open_image(source).pixels, before)
        likeness.append([cosine(result, _who(recogniser, job, picture)) for picture in pictures])
    (none, own), (half, partly), (full, least) = likeness
    assert none < half - 0.1 < full - 0.1
    assert own > partly + 0.1 > least + 0.1
    assert own > 0.75


def test_it_is_small():
    assert len(native_weights("swap-128")) <= 4_000_000


def test_what_is_far_from_the_face_is_left_alone(tmp_path: Path):
    first, second = portraits()
    job = Job([first], SETTINGS)
    before = open_image(second).pixels
    faces = job.find(before)
    after = job.swap(before, faces)
    x0, y0, x1, y1 = faces[0].box
    margin = 0.5 * (x1 - x0)
    rows, columns = np.ogrid[: before.shape[0], : before.shape[1]]
    far = (rows < y0 - margin) | (rows > y1 + margin) | (columns < x0 - margin) | (columns > x1 + margin)
    assert far.any()
    assert np.array_equal(before[far], after[far])
    assert (before != after)[~far].mean() > 0.1
