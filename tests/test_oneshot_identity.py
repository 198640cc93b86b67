"""Who the source is: averages, strength in one space, emap conventions, converters, nothing unasked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import helper

from omote.engines.oneshot import SWAPPERS, EmbeddingSwapper
from omote.engines.oneshot.identity import mix
from omote.engines.swapper import Source
from omote.errors import ModelError, UsageError
from omote.faces.align import align
from omote.faces.face import Face
from omote.zoo import Session
from omote.zoo.card import Card
from omote.zoo.catalogue import card_of
from tests.planted import planted
from tests.swap_networks import (
    EMAP,
    PUBLISHED,
    SCALE,
    catalogue,
    converter,
    needed,
    network_of,
    recogniser,
    revealing,
)
from tests.synthetic import painted, posed_face

FACE = posed_face()
PICTURE = painted(FACE, seed=1)
SOURCES = [
    Source(painted(FACE, seed=n, skin=skin), FACE)
    for n, skin in enumerate([(0.9, 0.3, 0.2), (0.2, 0.4, 0.9)])
]
CARDS = catalogue().cards


class Recorder:
    """A recogniser that tells how often it was asked, and knows its answers."""

    def __init__(self, answers: Sequence[np.ndarray[Any, Any]]) -> None:
        self.answers = list(answers)
        self.asked: list[np.ndarray[Any, Any]] = []

    def embed(self, pixels: np.ndarray[Any, Any], faces: Sequence[Face]) -> np.ndarray[Any, Any]:
        self.asked.append(pixels)
        return np.stack([self.answers[len(self.asked) - 1] for _ in faces]).astype(np.float32)


def swapper_of(
    name: str, *answers: np.ndarray[Any, Any], **options: Any
) -> tuple[EmbeddingSwapper, Recorder]:
    swapper = EmbeddingSwapper(network_of(CARDS[name], revealing(PUBLISHED[name])), **options)
    swapper._recogniser = recorder = Recorder(answers)
    return swapper, recorder


def unit(vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return vector / np.linalg.norm(vector)


def shown(swapper: EmbeddingSwapper, identity: Any) -> np.ndarray[Any, Any]:
    """The vector that a planted swapper was given."""
    crop = align(PICTURE, FACE, swapper.template, swapper.crop_size(FACE))
    (made,) = swapper.swap([crop], identity)
    rows = 512 // crop.size
    return np.asarray((made.pixels[:rows, :, 0].ravel() - 0.5) / SCALE[0])


def person(seed: int, length: float) -> np.ndarray[Any, Any]:
    return unit(np.random.default_rng(seed).normal(size=512)) * length


A, B = person(1, 20.0), person(2, 5.0)


def convert(raw: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    session = Session(converter(name))
    return session.run(raw[None].astype(np.float32))[0][0]


CARRIED = {
    "inswapper_128": lambda direction, length: unit(direction @ EMAP),
    "hyperswap_1a_256": lambda direction, length: direction,
    "simswap_256": lambda direction, length: unit(convert(direction * length, "crossface_simswap")),
    "ghost_1_256": lambda direction, length: convert(direction * length, "crossface_ghost"),
    "ghost_1_256_visomaster": lambda direction, length: direction * length,
}
"""From unit vector and raw length to what the swapper takes."""


@pytest.mark.parametrize("name", CARRIED)
def test_several_sources_are_averaged_as_unit_vectors(name: str) -> None:
    swapper, recorder = swapper_of(name, A, B)
    direction = unit((unit(A) + unit(B)) / 2)
    expected = CARRIED[name](direction, 12.5)
    np.testing.assert_allclose(shown(swapper, swapper.identity(SOURCES)), expected, atol=3e-4)
    assert len(recorder.asked) == 2


@pytest.mark.parametrize("name", CARRIED)
@pytest.mark.parametrize("strength", [0.0, 0.3, 0.5, 0.9, 1.0, 1.4])
def test_strength_mixes_in_the_space_of_the_identity_network(name: str, strength: float) -> None:
    swapper, recorder = swapper_of(name, A, B, strength=strength)
    direction = unit((1 - strength) * unit(B) + strength * unit(A))
    share = min(strength, 1)
    expected = CARRIED[name](direction, (1 - share) * 5 + share * 20)
    np.testing.assert_allclose(shown(swapper, swapper.identity(SOURCES[:1])), expected, atol=3e-4)
    assert len(recorder.asked) == (1 if strength == 1 else 2), "the target is looked at only where it counts"


def test_the_target_is_looked_at_in_its_crop() -> None:
    swapper, recorder = swapper_of("inswapper_128", A, B, strength=0.5)
    crop = align(PICTURE, FACE, "arcface_128", 128)
    swapper.swap([crop], swapper.identity(SOURCES[:1]))
    assert recorder.asked[0] is SOURCES[0].pixels
    assert recorder.asked[1] is crop.pixels


def test_both_conventions_of_the_emap_product() -> None:
    """InsightFace's is the default; FaceFusion's is the contract `inswapper_plain`."""
    insight, _ = swapper_of("inswapper_128", A)
    card = card_of("plain", {"contract": "inswapper_plain"}, catalogue().contracts)
    facefusion = EmbeddingSwapper(network_of(card, revealing(PUBLISHED["inswapper_128"])))
    facefusion._recogniser = Recorder([A])
    product = A @ EMAP / np.linalg.norm(A)
    assert abs(np.linalg.norm(product) - 1) > 0.3, "else the two could not be told apart"
    np.testing.assert_allclose(shown(insight, insight.identity(SOURCES[:1])), unit(product), atol=1e-4)
    np.testing.assert_allclose(shown(facefusion, facefusion.identity(SOURCES[:1])), product, atol=2e-4)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_source_is_mixed_with_the_target_of_its_own_crop(parts: int) -> None:
    """Two faces in one batch, each with its own mixture in all of its sub-pictures."""
    swapper, _ = swapper_of("hyperswap_1a_256", A, A, B, strength=0.5, boost=256 * parts)
    crop = align(PICTURE, FACE, "arcface_128", 256 * parts)
    made = swapper.swap([crop, crop], swapper.identity(SOURCES[:1]))
    for one, expected in zip(made, (unit(A), unit(unit(A) + unit(B))), strict=True):
        for y in range(parts):
            for x in range(parts):
                vector = (one.pixels[y::parts, x::parts][:2, :, 0].ravel() - 0.5) / SCALE[0]
                np.testing.assert_allclose(vector, expected, atol=2e-4)


vectors = arrays(np.float32, (2, 16), elements=st.floats(-5, 5, width=32)).filter(
    lambda rows: bool(np.all(np.linalg.norm(rows, axis=1) > 0.1))
)


@given(vectors, st.floats(0, 1))
def test_a_mixture_lies_between(rows: Any, strength: float) -> None:
    target, source = rows
    likeness = unit(target) @ unit(source)
    if likeness < -0.9:
        return  # they all but cancel out
    mixed = mix(target, source, strength)
    lengths = sorted(float(np.linalg.norm(row)) for row in rows)
    assert lengths[0] - 1e-3 <= np.linalg.norm(mixed) <= lengths[1] + 1e-3
    assert unit(mixed) @ unit(source) >= likeness - 1e-4
    assert unit(mixed) @ unit(target) >= likeness - 1e-4


def test_people_who_cancel_out_are_no_crash() -> None:
    one = np.array([1, 0], np.float32)
    assert np.isfinite(mix(one, -one, 0.5)).all()


@pytest.mark.parametrize("strength", [-0.1, 1.6, float("nan")])
def test_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(UsageError, match=r"give 0 to 1\.5"):
        swapper_of("inswapper_128", strength=strength)


@pytest.mark.parametrize("name", ["blendswap_256", "uniface_256"])
def test_a_picture_has_no_strength(name: str) -> None:
    network = network_of(CARDS[name], revealing(PUBLISHED[name]))
    with pytest.raises(UsageError, match=f"{name}: takes the source as a picture"):
        SWAPPERS["image"](network, strength=0.5)


def test_no_source_is_told() -> None:
    swapper, _ = swapper_of("inswapper_128")
    with pytest.raises(UsageError, match="no source"):
        swapper.identity([])


def with_identity(card: Card, data: bytes) -> EmbeddingSwapper:
    identity = network_of(CARDS[card.needs["identity"]], data, {})
    return EmbeddingSwapper(network_of(card, revealing(PUBLISHED[card.name]), {"identity": identity}))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "inswapper_128",
            "inswapper_128: its emap takes 512 values, the identity network gives 128: name the",
        ),
        ("hyperswap_1a_256", "its source input takes 512 values, the identity network gives 128: name the"),
    ],
)
def test_an_identity_network_of_another_width_is_told_at_once(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        with_identity(CARDS[name], recogniser("any", 128))


def test_an_identity_network_that_does_not_state_its_width_is_told_at_the_first_face() -> None:
    swapper, _ = swapper_of("hyperswap_1a_256", person(1, 1.0)[:128])
    with pytest.raises(ModelError, match="takes 512 values, the identity network gives 128"):
        swapper.identity(SOURCES[:1])


def test_a_converter_of_another_width_is_told() -> None:
    card = CARDS["ghost_1_256"]
    identity = network_of(CARDS[card.needs["identity"]], recogniser("any", 128), {})
    needs = {**needed(card), "identity": identity}
    with pytest.raises(ModelError, match="its converter takes 512 values, the identity network gives 128"):
        EmbeddingSwapper(network_of(card, revealing(PUBLISHED["ghost_1_256"]), needs))


def test_a_source_input_that_does_not_fit_the_emap_is_told_without_other_networks() -> None:
    data = revealing(replace(PUBLISHED["inswapper_128"], width=128))
    with pytest.raises(
        ModelError, match="its source input takes 128 values, its emap gives 512: use the file"
    ):
        EmbeddingSwapper.check_graph(network_of(CARDS["inswapper_128"], data, {}))


def test_a_card_without_identity_network_is_told() -> None:
    card = replace(CARDS["hyperswap_1a_256"], needs={})
    with pytest.raises(ModelError, match="names no identity network"):
        EmbeddingSwapper(network_of(card, revealing(PUBLISHED["hyperswap_1a_256"])))


def test_a_graph_without_emap_is_told() -> None:
    shape = [1, 3, 128, 128]
    data = planted(
        [helper.make_node("Mul", ["target", "one"], ["output"])],
        {"one": np.ones(1, np.float32)},
        {"target": shape, "source": [1, 512]},
        {"output": shape},
    )
    with pytest.raises(ModelError, match=r"inswapper_128: its last constant, one, has shape \(1,\)"):
        EmbeddingSwapper(network_of(CARDS["inswapper_128"], data))
