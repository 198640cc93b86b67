"""DeepFaceLab networks: layout, colour, masks, morph value, size from the graph."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from omote.compose import box_mask
from omote.engines.oneshot import SWAPPERS, DfmSwapper
from omote.errors import ModelError, UsageError
from omote.faces.align import align
from omote.zoo.catalogue import card_of
from omote.zoo.networks import Network, Networks
from tests.planted import planted
from tests.swap_networks import catalogue, network_of
from tests.synthetic import painted, posed_face

SIZE = 64
FACE = posed_face()
PICTURE = painted(FACE, seed=1)


def dfm(
    size: int = SIZE,
    batch: int | str = "batch",
    morph: bool = False,
    morph_first: bool = False,
    factors: tuple[float, float, float] = (0.9, 0.8, 0.7),
) -> bytes:
    """A network whose face is its input's channels in their order times `factors` and the morph value.

    Its first mask is 1 in the left three quarters, its second in the upper three quarters.
    """
    mask = np.zeros((1, size, size, 1), np.float32)
    left, upper = mask.copy(), mask.copy()
    left[:, :, : size * 3 // 4] = 1
    upper[:, : size * 3 // 4] = 1
    nodes = [
        helper.make_node("Mul", ["in_face:0", "factors"], ["face"]),
        helper.make_node("Mul", ["face", "morph_value:0" if morph else "one"], ["out_celeb_face:0"]),
        helper.make_node("Mul", ["in_face:0", "none"], ["nothing"]),
        helper.make_node("ReduceMax", ["nothing"], ["zeros"], axes=[3]),
        helper.make_node("Add", ["zeros", "left"], ["out_face_mask:0"]),
        helper.make_node("Add", ["zeros", "upper"], ["out_celeb_face_mask:0"]),
    ]
    constants = {
        "factors": np.array(factors, np.float32),
        "one": np.ones(1, np.float32),
        "none": np.zeros(1, np.float32),
        "left": left,
        "upper": upper,
    }
    inputs: dict[str, list[int | str]] = {"in_face:0": [batch, size, size, 3]}
    if morph:
        inputs["morph_value:0"] = [1]
    if morph_first:
        inputs = dict(reversed(inputs.items()))
    one, three = [batch, size, size, 1], [batch, size, size, 3]
    outputs = {"out_face_mask:0": one, "out_celeb_face:0": three, "out_celeb_face_mask:0": one}
    return planted(nodes, constants, inputs, outputs)


def network(data: bytes, settings: Mapping[str, Any] | None = None) -> Network:
    card = card_of("person.dfm", {"contract": "dfm", **(settings or {})}, catalogue().contracts)
    return network_of(card, data, {})


@pytest.mark.parametrize("batch", [1, "batch"])
def test_layout_and_colour(batch: int | str) -> None:
    swapper = SWAPPERS["dfm"](network(dfm(batch=batch)))
    assert (swapper.template, swapper.crop_size(FACE)) == ("dfl_whole_face", SIZE)
    crop = align(PICTURE, FACE, swapper.template, SIZE)
    made = swapper.swap([crop, crop], swapper.identity([]))
    assert len(made) == 2
    for one in made:
        # blue is the network's first channel, so that it is the one that keeps 0.9
        np.testing.assert_allclose(one.pixels, crop.pixels / 255 * (0.7, 0.8, 0.9), atol=1e-6)


@pytest.mark.parametrize("size", [SIZE, 96])
def test_size_comes_from_the_graph(size: int) -> None:
    assert DfmSwapper(network(dfm(size))).crop_size(FACE) == size


def test_mask_is_the_smaller_of_both_eroded_and_soft() -> None:
    swapper = DfmSwapper(network(dfm(256)))
    (made,) = swapper.swap([align(PICTURE, FACE, swapper.template, 256)])
    mask, edge = made.mask, 192
    # eroded by 0.01 of 256 px, 3 px, then blurred: the middle of the edge lies there
    row = mask[100]
    middle = np.interp(0.5, row[edge - 30 : edge + 30][::-1], np.arange(edge - 30, edge + 30)[::-1])
    assert middle == pytest.approx(edge - 3 - 0.5, abs=0.3)
    np.testing.assert_allclose(mask.T, mask, atol=1e-5)
    quarter = np.interp(0.8413, row[edge - 30 : edge + 30][::-1], np.arange(edge - 30, edge + 30)[::-1])
    assert middle - quarter == pytest.approx(0.028 * 256, abs=0.4), "one standard deviation"
    assert mask[60, 60] == pytest.approx(1, abs=1e-5)
    assert mask[100, 240] < 1e-4
    assert mask[240, 100] < 1e-4
    assert (mask <= box_mask(256, blur=0.05)).all()


def test_mask_settings() -> None:
    swapper = DfmSwapper(network(dfm(), {"erode": 0, "blur": 0}))
    (made,) = swapper.swap([align(PICTURE, FACE, swapper.template, SIZE)])
    np.testing.assert_array_equal(made.mask[4:48, 4:48], 1)
    assert not made.mask[48:].any()


@pytest.mark.parametrize("morph_first", [False, True])
@pytest.mark.parametrize("batch", [1, "batch"])
def test_strength_is_the_morph_value(morph_first: bool, batch: int | str) -> None:
    data = dfm(batch=batch, morph=True, morph_first=morph_first)
    swapper = DfmSwapper(network(data), strength=0.5)
    crop = align(PICTURE, FACE, swapper.template, SIZE)
    for one in swapper.swap([crop, crop]):
        np.testing.assert_allclose(one.pixels, crop.pixels / 255 * (0.35, 0.4, 0.45), atol=1e-6)
    with pytest.raises(UsageError, match=r"strength 1\.2 is out of range: give 0 to 1"):
        DfmSwapper(network(data), strength=1.2)


def test_without_morph_value_there_is_no_strength() -> None:
    with pytest.raises(UsageError, match=r"person\.dfm: has no morph value"):
        DfmSwapper(network(dfm()), strength=0.5)


@pytest.mark.parametrize("morph", [False, True])
def test_boost(morph: bool) -> None:
    swapper = DfmSwapper(network(dfm(morph=morph)), boost=3 * SIZE)
    assert swapper.crop_size(FACE) == 3 * SIZE
    crop = align(PICTURE, FACE, swapper.template, 3 * SIZE)
    (made,) = swapper.swap([crop])
    np.testing.assert_allclose(made.pixels, crop.pixels / 255 * (0.7, 0.8, 0.9), atol=1e-6)
    assert made.mask.shape == (3 * SIZE, 3 * SIZE)
    assert made.mask[90, 60] > 0.99
    assert made.mask[90, 175] < 0.01
    with pytest.raises(UsageError, match="boost 100"):
        DfmSwapper(network(dfm()), boost=100)
    with pytest.raises(ValueError, match="not 100"):
        swapper.swap([align(PICTURE, FACE, swapper.template, 100)])


def test_no_crops_no_faces_and_any_source() -> None:
    swapper = DfmSwapper(network(dfm()))
    assert swapper.swap([], swapper.identity()) == []


def ports(**shapes: list[int | str]) -> bytes:
    names = {name.replace("__", ":"): shape for name, shape in shapes.items()}
    first = next(iter(names))
    nodes = [helper.make_node("Identity", [first], [f"out{i}"]) for i in range(3)]
    return planted(nodes, {}, names, {f"out{i}": names[first] for i in range(3)})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ports(in_face=[1, 64, 64, 3]), "expected an input in_face:0 .any × N × N × 3., found in_face"),
        (ports(in_face__0=[1, "h", "w", 3]), "expected an input in_face:0"),
        (ports(in_face__0=[1, 64, 32, 3]), "input 0 should be in_face:0 .any × 64 × 64 × 3."),
        (ports(in_face__0=[1, 64, 64, 3], extra=[1]), "expected 1 inputs, found 2"),
        (ports(in_face__0=[1, 64, 64, 3]), "output 0 should be .any × 64 × 64 × 1."),
    ],
)
def test_a_graph_without_the_contract_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=rf"person\.dfm: .*{message}"):
        DfmSwapper(network(data))


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "person.dfm"
    file.write_bytes(dfm())
    opened = Networks(catalogue()).open(file, "swapper", "dfm")
    assert SWAPPERS[opened.card.adapter](opened).crop_size(FACE) == SIZE
