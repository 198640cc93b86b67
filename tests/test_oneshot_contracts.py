"""Every swapper of the catalogue against its published contract, number by number."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from onnx import helper

from omote.engines.oneshot import SWAPPERS, EmbeddingSwapper
from omote.engines.oneshot.crops import leave
from omote.engines.oneshot.mask import face_mask
from omote.engines.swapper import Source
from omote.errors import ModelError, OmoteError, UsageError
from omote.faces.align import align
from omote.faces.identity import RECOGNISERS
from omote.zoo import Session
from omote.zoo.card import Card
from tests.planted import planted
from tests.swap_networks import (
    EMAP,
    NATIVE,
    PUBLISHED,
    SCALE,
    Facts,
    catalogue,
    converter,
    network_of,
    recogniser,
    revealing,
)
from tests.synthetic import painted, posed_face

FACE, SOURCE_FACE = posed_face(roll=12.0), posed_face(scale=80.0, yaw=10.0)
PICTURE = painted(FACE, seed=1)
SOURCE = Source(painted(SOURCE_FACE, seed=2, skin=(0.8, 0.4, 0.3)), SOURCE_FACE)
CARDS = {name: card for name, card in catalogue().cards.items() if card.task == "swapper"}


KNOWN = {**PUBLISHED, **NATIVE}
READERS = {**SWAPPERS, "drafted": EmbeddingSwapper}
"""What reads the network alone; of its draft knows `test_drafted_swapper.py`."""


def test_the_catalogue_has_every_published_swapper() -> None:
    for known, ours in ((PUBLISHED, False), (NATIVE, True)):
        assert {name for name, card in CARDS.items() if (card.vendor == "Omote") == ours} == set(known)


def unit(vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return vector / np.linalg.norm(vector)


def embedding(facts: Facts) -> np.ndarray[Any, Any]:
    """Of the source, as the published identity network gives it."""
    network = network_of(catalogue().cards[facts.identity], recogniser(facts.identity), {})
    return RECOGNISERS[network.card.adapter](network).embed(SOURCE.pixels, [SOURCE.face])[0]


def expected_source(facts: Facts) -> np.ndarray[Any, Any]:
    """What the first rows show, (rows, size, 3)."""
    if facts.picture is not None:
        crop = align(SOURCE.pixels, SOURCE.face, *facts.picture)
        shown = np.zeros((facts.source_rows, facts.size, 3))
        shown[:, : facts.picture[1]] = crop.pixels[: facts.source_rows] / 255
        return shown
    vector = embedding(facts)
    if facts.converter:
        vector = Session(converter(facts.converter)).run(vector[None])[0][0]
    if facts.emap:
        vector = unit(vector) @ EMAP
    if facts.unit:
        vector = unit(vector)
    return np.repeat(vector.reshape(facts.source_rows, facts.size, 1), 3, axis=2)


def expected_target(facts: Facts) -> np.ndarray[Any, Any]:
    """What the rows below show, (size - rows, size, 3)."""
    crop = align(PICTURE, FACE, facts.template, facts.size)
    mean, std = facts.entrance
    return ((crop.pixels / 255 - mean) / std)[facts.source_rows :]


def check(card: Card, **options: Any) -> None:
    """Swap with a planted network, by a card, and compare all that it was given with what is published."""
    facts = KNOWN[card.name]
    swapper = READERS[card.adapter](network_of(card, revealing(facts, **options)))
    crop = align(PICTURE, FACE, swapper.template, swapper.crop_size(FACE))
    (made,) = swapper.swap([crop], swapper.identity([SOURCE]))
    shown = (made.pixels - 0.5) / SCALE
    np.testing.assert_allclose(shown[: facts.source_rows], expected_source(facts), atol=2e-4)
    np.testing.assert_allclose(shown[facts.source_rows :], expected_target(facts), atol=2e-4)


@pytest.mark.parametrize("name", KNOWN)
def test_contract_as_published(name: str) -> None:
    check(CARDS[name])


@pytest.mark.parametrize("name", ["inswapper_128", "uniface_256", "blendswap_256"])
@pytest.mark.parametrize("source_first", [False, True])
@pytest.mark.parametrize("batch", [1, "batch"])
def test_order_of_inputs_and_fixed_batch(name: str, source_first: bool, batch: int | str) -> None:
    check(CARDS[name], source_first=source_first, batch=batch)


@pytest.mark.parametrize("name", ["simswap_256", "uniface_256", "blendswap_256"])
def test_blue_first(name: str) -> None:
    """No published swapper is so, but users' own may be."""
    card = CARDS[name]
    check(replace(card, settings={**card.settings, "bgr": True}), bgr=True)


OTHER: dict[str, Any] = {
    "template": "dfl_whole_face",
    "side": 64,
    "mean": (0.4, 0.5, 0.6),
    "std": (0.3, 0.5, 0.4),
    "bgr": True,
    "source_template": "arcface_128",
    "source_side": 128,
    "source_mean": (0.1, 0.0, 0.0),
    "source_std": (0.5, 1.0, 1.0),
}


def changes(card: Card) -> Iterator[tuple[str, Card]]:
    """The card with one thing after the other changed."""
    facts = KNOWN[card.name]
    settings: dict[str, Any] = {**OTHER}
    settings["output"] = "signed" if card.settings.get("output", "unit") == "unit" else "unit"
    settings["target_input"], settings["source_input"] = facts.names[1], facts.names[0]
    if facts.picture is None:
        settings["emap"] = not facts.emap
        if not (facts.converter and facts.unit):  # else the converter gives unit length already
            settings["unit"] = not facts.unit
        settings = {
            key: value
            for key, value in settings.items()
            if not key.startswith("source_") or key == "source_input"
        }
    for key, value in settings.items():
        yield key, replace(card, settings={**card.settings, key: value})
    if facts.picture is None:
        other = "arcface_ghost" if card.needs["identity"] != "arcface_ghost" else "arcface_simswap"
        yield "no identity", replace(card, needs={})
        yield "another identity", replace(card, needs={**card.needs, "identity": other})
        if facts.converter:
            yield "no converter", replace(card, needs={"identity": card.needs["identity"]})
        for name in ("crossface_simswap", "crossface_ghost", "crossface_hififace"):
            if name != card.needs.get("converter"):
                yield name, replace(card, needs={**card.needs, "converter": name})


DISTINCT = {facts: name for name, facts in reversed(KNOWN.items())}.values()
"""One network of each kind: the others differ in nothing that could be changed."""
CHANGES = [(name, what, card) for name in DISTINCT for what, card in changes(CARDS[name])]


@pytest.mark.parametrize(("name", "what", "card"), CHANGES, ids=[f"{n}-{w}" for n, w, _ in CHANGES])
def test_every_change_of_a_convention_is_noticed(name: str, what: str, card: Card) -> None:
    with pytest.raises((AssertionError, OmoteError)):
        check(card)


COLOURS = np.array([0.1, 0.5, 0.9])
RANGES = {
    "unit": COLOURS,
    "signed": 2 * COLOURS - 1,
    "imagenet": (COLOURS - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225),
}


@pytest.mark.parametrize("bgr", [False, True])
@pytest.mark.parametrize("output", RANGES)
def test_output_range_and_order(output: Any, bgr: bool) -> None:
    planes = RANGES[output][:: -1 if bgr else 1].reshape(3, 1, 1)
    np.testing.assert_allclose(leave(planes, output, bgr).ravel(), COLOURS, atol=1e-6)
    doubled = leave(4 * planes - 2, output, bgr)
    assert 0 <= doubled.min() <= doubled.max() <= 1


def test_pictures_of_16_bits_are_the_same_to_a_network() -> None:
    card, facts = CARDS["hyperswap_1a_256"], PUBLISHED["hyperswap_1a_256"]
    swapper = SWAPPERS["embedding"](network_of(card, revealing(facts)))
    deep = PICTURE.astype(np.uint16) * 257
    crops = [align(picture, FACE, "arcface_128", 256) for picture in (PICTURE, deep)]
    shallow, same = swapper.swap(crops, swapper.identity([SOURCE]))
    np.testing.assert_allclose(same.pixels, shallow.pixels, atol=1 / 255)


@pytest.mark.parametrize("boost", [2, 3])
def test_boost_runs_all_sub_pictures_of_all_faces_as_one_batch(boost: int) -> None:
    card, facts = CARDS["inswapper_128"], PUBLISHED["inswapper_128"]
    network = network_of(card, revealing(facts))
    swapper = SWAPPERS["embedding"](network, boost=128 * boost)
    batches: list[int] = []
    run = network.session.run_batch
    network.session.run_batch = lambda *inputs: batches.append(len(inputs[0])) or run(*inputs)  # type: ignore[method-assign,func-returns-value]
    assert swapper.crop_size(FACE) == 128 * boost
    crop = align(PICTURE, FACE, "arcface_128", 128 * boost)
    made = swapper.swap([crop, crop], swapper.identity([SOURCE]))
    assert batches == [2 * boost**2]
    source = expected_source(facts)
    for one in made:
        shown = (one.pixels - 0.5) / SCALE
        for y in range(boost):
            for x in range(boost):
                piece = shown[y::boost, x::boost]
                np.testing.assert_allclose(piece[:4], source, atol=2e-4)
                np.testing.assert_allclose(piece[4:], crop.pixels[y::boost, x::boost][4:] / 255, atol=2e-4)
        assert one.mask.shape == (128 * boost, 128 * boost)


@pytest.mark.parametrize(("batch", "faces"), [(1, 3), ("batch", 3), (1, 0)])
def test_several_faces_each_get_their_own_crop_back(batch: int | str, faces: int) -> None:
    card, facts = CARDS["inswapper_128"], PUBLISHED["inswapper_128"]
    swapper = SWAPPERS["embedding"](network_of(card, revealing(facts, batch)))
    poses = [posed_face(yaw=20.0 * i, scale=70.0 + i) for i in range(faces)]
    crops = [align(PICTURE, pose, "arcface_128", 128) for pose in poses]
    made = swapper.swap(crops, swapper.identity([SOURCE]))
    assert len(made) == faces
    for crop, one in zip(crops, made, strict=True):
        np.testing.assert_allclose((one.pixels[4:] - 0.5) / SCALE, crop.pixels[4:] / 255, atol=2e-4)
        np.testing.assert_array_equal(one.mask, face_mask(crop.face, 128))


def raw_export(names: tuple[str, str], shapes: tuple[list[int], list[int]]) -> bytes:
    inputs = dict(zip(names, shapes, strict=True))
    target = max(inputs, key=lambda name: len(inputs[name]))
    return planted([helper.make_node("Identity", [target], ["1165"])], {}, inputs, {"1165": inputs[target]})


@pytest.mark.parametrize(
    ("names", "shapes", "message"),
    [
        (
            ("a", "b"),
            ([1, 3, 64, 64], [1, 512]),
            "input 0 should be .any × 3 × 128 × 128., found a .1 × 3 × 64",
        ),
        (("a", "b"), ([1, 1, 128, 128], [1, 512]), "found a .1 × 1 × 128 × 128."),
        (("a", "b"), ([1, 3, 128, 128], [1, 512, 1]), "input 1 should be .any × any., found b"),
        (("source", "target"), ([1, 3, 128, 128], [1, 512]), "found source .1 × 3 × 128 × 128."),
    ],
)
def test_a_graph_without_the_contract_is_refused(
    names: tuple[str, str], shapes: tuple[list[int], list[int]], message: str
) -> None:
    with pytest.raises(ModelError, match=rf"inswapper_128: .*{message}"):
        SWAPPERS["embedding"](network_of(plain("inswapper_128"), raw_export(names, shapes)))


def plain(name: str) -> Card:
    """The card without emap, for graphs that have none."""
    return replace(CARDS[name], settings={**CARDS[name].settings, "emap": False})


def test_a_graph_with_one_input_is_refused() -> None:
    with pytest.raises(ModelError, match="inswapper_128: expected a target and a source input, found input"):
        SWAPPERS["embedding"](network_of(plain("inswapper_128"), recogniser("any")))


def test_inputs_of_unknown_names_are_told_by_their_shapes() -> None:
    for names, shapes in (
        (("x", "onnx::Gemm_1"), ([1, 3, 128, 128], [1, 512])),
        (("v", "y"), ([1, 512], [1, 3, 128, 128])),
    ):
        swapper = SWAPPERS["embedding"](network_of(plain("inswapper_128"), raw_export(names, shapes)))
        crop = align(PICTURE, FACE, "arcface_128", 128)
        (made,) = swapper.swap([crop], swapper.identity([SOURCE]))
        np.testing.assert_allclose(made.pixels, crop.pixels / 255, atol=1e-6)


def test_the_picture_need_not_be_the_first_output() -> None:
    shape = [1, 3, 128, 128]
    nodes = [
        helper.make_node("Identity", ["source"], ["features"]),
        helper.make_node("Identity", ["target"], ["781"]),
        helper.make_node("Neg", ["target"], ["other"]),
    ]
    outputs = {"features": [1, 512], "781": shape, "other": shape}
    data = planted(nodes, {}, {"target": shape, "source": [1, 512]}, outputs)
    swapper = SWAPPERS["embedding"](network_of(plain("inswapper_128"), data))
    crop = align(PICTURE, FACE, "arcface_128", 128)
    (made,) = swapper.swap([crop], swapper.identity([SOURCE]))
    np.testing.assert_allclose(made.pixels, crop.pixels / 255, atol=1e-6)


def test_a_graph_without_a_picture_at_its_exit_is_refused() -> None:
    ports = {"target": [1, 3, 128, 128], "source": [1, 512]}
    data = planted([helper.make_node("Identity", ["source"], ["y"])], {}, ports, {"y": [1, 512]})
    with pytest.raises(ModelError, match=r"output 0 should be .any × 3 × 128 × 128., found y .1 × 512."):
        SWAPPERS["embedding"](network_of(plain("inswapper_128"), data))


def two_pictures(names: tuple[str, str]) -> bytes:
    shape = [1, 3, 256, 256]
    node = helper.make_node("Identity", [names[1]], ["output"])
    return planted([node], {}, dict.fromkeys(names, shape), {"output": shape})


@pytest.mark.parametrize(
    "settings", [{"target_input": "b"}, {"source_input": "a"}, {"target_input": "b", "source_input": "a"}]
)
def test_two_pictures_of_unknown_names_are_told_by_the_card(settings: dict[str, str]) -> None:
    card = CARDS["uniface_256"]
    with pytest.raises(ModelError, match="inputs a and b could both be the target"):
        SWAPPERS["image"](network_of(card, two_pictures(("a", "b"))))
    named = replace(card, settings={**card.settings, **settings})
    swapper = SWAPPERS["image"](network_of(named, two_pictures(("a", "b"))))
    crop = align(PICTURE, FACE, "ffhq_512", 256)
    (made,) = swapper.swap([crop], swapper.identity([SOURCE]))
    np.testing.assert_allclose(made.pixels, crop.pixels / 255, atol=1e-6)
    wrong = replace(card, settings={**card.settings, "target_input": "c"})
    with pytest.raises(ModelError, match="has no input 'c', only a and b"):
        SWAPPERS["image"](network_of(wrong, two_pictures(("a", "b"))))


def test_pictures_are_told_by_half_a_name() -> None:
    card = CARDS["uniface_256"]
    for names in (("a", "target"), ("source", "b")):
        swapper = SWAPPERS["image"](network_of(card, two_pictures(names)))
        crop = align(PICTURE, FACE, "ffhq_512", 256)
        (made,) = swapper.swap([crop], swapper.identity([SOURCE]))
        np.testing.assert_allclose(made.pixels, crop.pixels / 255, atol=1e-6)


def test_of_several_pictures_the_largest_face_is_taken() -> None:
    card, facts = CARDS["blendswap_256"], PUBLISHED["blendswap_256"]
    swapper = SWAPPERS["image"](network_of(card, revealing(facts)))
    small = posed_face(scale=40.0)
    other = Source(painted(small, seed=9), small)
    one, two = swapper.identity([other, SOURCE]), swapper.identity([SOURCE])
    np.testing.assert_array_equal(one, two)
    with pytest.raises(UsageError, match="no source"):
        swapper.identity([])


def test_not_a_number_is_told() -> None:
    shape = [1, 3, 128, 128]
    node = helper.make_node("Div", ["target", "zero"], ["output"])
    data = planted(
        [node], {"zero": np.zeros(1, np.float32)}, {"target": shape, "source": [1, 512]}, {"output": shape}
    )
    swapper = SWAPPERS["embedding"](network_of(plain("inswapper_128"), data))
    crop = align(PICTURE * 0, FACE, "arcface_128", 128)
    with pytest.raises(ModelError, match="inswapper_128: its output is not a number"):
        swapper.swap([crop], swapper.identity([SOURCE]))


def test_wrong_crops_and_settings_are_refused() -> None:
    card, facts = CARDS["inswapper_128"], PUBLISHED["inswapper_128"]
    network = network_of(card, revealing(facts))
    swapper = SWAPPERS["embedding"](network)
    with pytest.raises(ValueError, match="128 × N pixels, not 100"):
        swapper.swap([align(PICTURE, FACE, "arcface_128", 100)], swapper.identity([SOURCE]))
    with pytest.raises(UsageError, match="boost 200"):
        SWAPPERS["embedding"](network, boost=200)
    with pytest.raises(ModelError, match="template"):
        SWAPPERS["embedding"](with_settings("inswapper_128", template="arcface_113"))
    with pytest.raises(ModelError, match="three numbers"):
        SWAPPERS["embedding"](with_settings("inswapper_128", mean=[0.5]))


@cache
def data_of(name: str) -> bytes:
    return revealing(PUBLISHED[name])


def with_settings(name: str, **settings: Any) -> Any:
    card = replace(CARDS[name], settings={**CARDS[name].settings, **settings})
    return network_of(card, data_of(name))
