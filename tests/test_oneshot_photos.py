"""One-shot swappers on real photos: the whole job, and a real identity network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from omote.engines.oneshot import SWAPPERS, EmbeddingSwapper
from omote.engines.swapper import Source
from omote.faces.align import align, transform
from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.identity import RECOGNISERS, cosine
from omote.pipelines import Job, SwapSettings
from tests.shared_data import SHARED, needs_shared
from tests.swap_networks import HYPERSWAP, PUBLISHED, SCALE, catalogue, network_of, revealing, unchanging

Pixels = np.ndarray[Any, Any]
CARDS = catalogue().cards
WEIGHTS = SHARED / "weights" / "id_mobilefacenet_ms1m_foamliu.onnx"


def read(path: Path) -> Pixels:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))


@pytest.mark.parametrize(
    "name", ["inswapper_128", "simswap_256", "ghost_2_256", "blendswap_256", "uniface_256"]
)
def test_a_job_with_a_network_that_changes_nothing_leaves_the_photo(
    name: str, source: Path, target: Path
) -> None:
    swapper = SWAPPERS[CARDS[name].adapter](network_of(CARDS[name], unchanging(PUBLISHED[name])))
    job, photo = Job([source], SwapSettings(), swapper), read(target)
    (face,) = job.find(photo)
    result = job.swap(photo, [face])
    crop = align(photo, face, swapper.template, swapper.crop_size(face))
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    places = transform(np.stack([x, y], -1), crop.matrix)
    outside = ((places <= -1) | (places >= crop.size)).any(-1)
    np.testing.assert_array_equal(result[outside], photo[outside])
    error = np.mean((result[~outside].astype(float) - photo[~outside]) ** 2)
    assert error <= 255**2 / 10**4, "40 dB"


@pytest.fixture(scope="module")
def people(source: Path, target: Path) -> list[Source]:
    """Two people."""
    pictures = [read(source), read(target)]
    return [Source(picture, FaceFinder().find(picture)[0]) for picture in pictures]


def real_swapper(strength: float) -> EmbeddingSwapper:
    """A planted swapper that shows its vector, with a real identity network of 128 numbers."""
    card = replace(CARDS["hyperswap_1a_256"], needs={"identity": "mobilefacenet_ms1m"})
    identity = network_of(CARDS["mobilefacenet_ms1m"], WEIGHTS.read_bytes(), {})
    network = network_of(card, revealing(replace(HYPERSWAP, width=128)), {"identity": identity})
    return EmbeddingSwapper(network, strength=strength)


def vector(swapper: EmbeddingSwapper, who: Source, pixels: Pixels, face: Face) -> Pixels:
    crop = align(pixels, face, swapper.template, swapper.crop_size(face))
    (made,) = swapper.swap([crop], swapper.identity([who]))
    return np.asarray((made.pixels[0, :128, 0] - 0.5) / SCALE[0])


@needs_shared
def test_strength_with_a_real_identity_network(people: list[Source]) -> None:
    one, other = people
    identity = network_of(CARDS["mobilefacenet_ms1m"], WEIGHTS.read_bytes(), {})
    recogniser = RECOGNISERS[identity.card.adapter](identity)
    mine, theirs = (recogniser.embed(who.pixels, [who.face])[0] for who in people)
    assert cosine(mine, theirs) < 0.3, "two people"
    likeness = []
    for strength in (0.0, 0.5, 1.0, 1.4):
        given = vector(real_swapper(strength), one, other.pixels, other.face)
        likeness.append((float(cosine(given, mine)), float(cosine(given, theirs))))
    to_source, to_target = zip(*likeness, strict=True)
    assert list(to_source[:3]) == sorted(to_source[:3])
    assert list(to_target) == sorted(to_target, reverse=True)
    assert to_source[2] > 0.999
    # The target is looked at in its crop, which shows it as the picture does.
    assert to_target[0] > 0.95
    assert to_source[1] == pytest.approx(to_target[1], abs=0.05)
