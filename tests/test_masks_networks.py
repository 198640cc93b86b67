"""Mask networks: their contracts on planted graphs, and PAN on real photos."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from omote.compose.areas import area_mask
from omote.compose.mask_settings import MaskSettings
from omote.compose.parsers import MASKERS, OCCLUDERS, PARSERS, open_maskers
from omote.compose.parsers.edges import crop_mask
from omote.compose.paste import to_float
from omote.errors import ModelError, UsageError
from omote.faces.align import Crop, align
from omote.zoo import Catalogue, Network, Networks, Session
from tests.shared_data import SHARED, needs_shared

onnx = pytest.importorskip("onnx")
from onnx.helper import make_node  # noqa: E402

from tests.planted import planted  # noqa: E402

CATALOGUE = Catalogue.load()
SIDE = 60
# What the published networks' authors say of their classes; l_ and r_ are the person's own sides.
# fmt: off
CELEBAMASK = [
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r", "nose",
    "mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat",
]
HOUSE = {
    "l_brow": "right-brow", "r_brow": "left-brow", "l_eye": "right-eye", "r_eye": "left-eye",
    "l_ear": "right-ear", "r_ear": "left-ear", "eye_g": "glasses", "ear_r": "earring",
    "u_lip": "upper-lip", "l_lip": "lower-lip", "neck_l": "necklace", "cloth": "clothes",
}
# fmt: on
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def network(card: str, data: bytes, **own: object) -> Network:
    """A network of the catalogue's contract with a planted graph; its sides are small unless said."""
    known = CATALOGUE.card(card, "mask")
    return Network(
        replace(known, settings={**known.settings, **own}), Session(data, label=card), lambda: data
    )


def masker(card: str, data: bytes, *args: object, side: int = SIDE, **options: object):
    found = network(card, data, side=side)
    return MASKERS[found.card.adapter](found, *args, **options)


def xseg_graph(side: int = SIDE, batch: int | str = 1, weights=(1.0, 0.0, 0.0)) -> bytes:
    """An XSeg whose mask is a weighted sum of its three input channels."""
    return planted(
        [make_node("MatMul", ["in_face:0", "w"], ["out_mask:0"])],
        {"w": np.array(weights, np.float32)[:, None]},
        {"in_face:0": [batch, side, side, 3]},
        {"out_mask:0": [batch, side, side, 1]},
    )


def raw_pixels() -> dict[str, np.ndarray]:
    """A 1x1 convolution that takes ImageNet's normalisation back: R, G, B in 0..1."""
    mean, std = (np.array(IMAGENET[name], np.float32) for name in ("mean", "std"))
    return {"std": np.diag(std)[:, :, None, None], "mean": mean}


def pan_graph(side: int = SIDE, batch: int | str = 1, classes: int = 3) -> bytes:
    """A parser whose classes are the probabilities R, G, B of its input in 0..1 (and R again)."""
    constants = raw_pixels()
    order = [k % 3 for k in range(classes)]
    constants = {name: value[order] for name, value in constants.items()}
    return planted(
        [make_node("Conv", ["x", "std", "mean"], ["y"])],
        constants,
        {"x": [batch, 3, side, side]},
        {"y": [batch, classes, side, side]},
    )


def codes() -> np.ndarray:
    """A colour for each of 19 classes, (19, 3); in none of them are red and blue the same."""
    levels = np.array([0.1, 0.4, 0.65, 0.9])
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    return grid[grid[:, 0] != grid[:, 2]][::2][:19].astype(np.float32)


def bisenet_graph(side: int = SIDE, batch: int | str = 1) -> bytes:
    """A parser whose best class is the one whose colour is nearest: 2 c·y - |c|² is greatest there."""
    code = codes()
    return planted(
        [
            make_node("Conv", ["x", "std", "mean"], ["y"]),
            make_node("Conv", ["y", "twice", "less"], ["scores"]),
        ],
        {**raw_pixels(), "twice": 2 * code[:, :, None, None], "less": -(code**2).sum(1)},
        {"x": [batch, 3, side, side]},
        {"scores": [batch, 19, side, side]},
    )


def painted_classes(side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """A crop in which class k fills cell (k // 5, k % 5) of a 5 x 4 grid; and the class of every pixel."""
    rows, columns = np.mgrid[:side, :side]
    classes = np.minimum(rows * 4 // side * 5 + columns * 5 // side, 18)
    return codes()[classes], classes


def solid(*colour: float, side: int = SIDE) -> np.ndarray:
    return np.full((side, side, 3), colour, np.float32)


def test_every_card_has_an_adapter():
    cards = [card for card in CATALOGUE.cards.values() if card.task == "mask"]
    assert {card.adapter for card in cards} == set(MASKERS)
    assert {"xseg_1", "xseg_2", "xseg_3", "bisenet_resnet_18", "bisenet_resnet_34"} < {c.name for c in cards}


@pytest.mark.parametrize(
    ("card", "side"),
    [("xseg_1", 256), ("xseg_3", 256), ("bisenet_resnet_34", 512), ("pan_skin_clothes_hair", 512)],
)
def test_published_sizes(card, side):
    graph = {"xseg": xseg_graph, "bisenet": bisenet_graph, "pan": pan_graph}[CATALOGUE.card(card).adapter]
    found = network(card, graph(side))
    (mask,) = MASKERS[found.card.adapter](found).mask([solid(0.5, 0.5, 0.5, side=128)])
    assert mask.shape == (128, 128)
    other = network(card, graph(side // 2))
    with pytest.raises(ModelError, match=f"{card}: input 0 should be .*{side} × {side}"):
        MASKERS[found.card.adapter](other)


@pytest.mark.parametrize(("weights", "colour"), [((1, 0, 0), 2), ((0, 1, 0), 1), ((0, 0, 1), 0)])
def test_xseg_sees_blue_first_in_0_to_1(weights, colour):
    pixel = [0.6, 0.8, 0.95]
    (mask,) = masker("xseg_1", xseg_graph(weights=weights)).mask([solid(*pixel)])
    # A flat mask v comes out of the hardening as (v - 1/2) * 2.
    np.testing.assert_allclose(mask, (pixel[colour] - 0.5) * 2, atol=1e-5)


def test_xseg_has_channels_last_and_keeps_rows_and_columns():
    crop = solid(0, 0, 0)
    crop[10:40, 5:20, 2] = 1
    (mask,) = masker("xseg_1", xseg_graph()).mask([crop])
    rows, columns = np.nonzero(mask > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((10, 39, 5, 19), abs=1)
    planes = planted(
        [make_node("ReduceMax", ["x"], ["y"], axes=[1])],
        {},
        {"x": [1, 3, 256, 256]},
        {"y": [1, 1, 256, 256]},
    )
    with pytest.raises(ModelError, match=r"xseg_1: input 0 should be \(any × 256 × 256 × 3\)"):
        masker("xseg_1", planes, side=256)


@pytest.mark.parametrize("dark", [0.0, -3.0])
def test_values_beyond_the_range_are_cut_off_before_the_edge_is_softened(dark):
    crop = solid(0, 0, 0)
    crop[:, 30:, 2] = 1
    (plain,) = masker("xseg_1", xseg_graph()).mask([crop])
    crop[:, :30, 2], crop[:, 30:, 2] = dark, 3
    (beyond,) = masker("xseg_1", xseg_graph(weights=(3, 0, 0))).mask([crop])
    np.testing.assert_allclose(beyond, plain, atol=1e-6)


@pytest.mark.parametrize(("region", "value"), [("skin", 0.6), ("clothes", 0.8), ("hair", 0.95)])
def test_pan_sees_red_first_less_imagenets_mean_over_its_deviation(region, value):
    (mask,) = masker("pan_skin_clothes_hair", pan_graph(), [region]).mask([solid(0.6, 0.8, 0.95)])
    np.testing.assert_allclose(mask, (value - 0.5) * 2, atol=1e-5)


def test_classes_of_pan_are_independent_and_joined_by_their_maximum():
    crop = solid(0, 0, 0)
    crop[:, :30, 0] = crop[:, 20:, 2] = 1  # skin on the left, hair on the right, both in between
    (both,) = masker("pan_skin_clothes_hair", pan_graph(), ["skin", "hair"]).mask([crop])
    assert both.min() > 0.99
    (skin,) = masker("pan_skin_clothes_hair", pan_graph()).mask([crop])  # skin is what a face has
    assert skin[30, 25] > 0.9
    assert skin[30, 35] < 0.01


@pytest.mark.parametrize("number", range(19))
def test_bisenet_tells_the_best_of_19_classes(number):
    """Each class at its place: class ids, argmax, colour order and normalisation all have to be right."""
    crop, classes = painted_classes()
    name = CATALOGUE.card("bisenet_resnet_34").settings["regions"][number]
    (mask,) = masker("bisenet_resnet_34", bisenet_graph(), [name]).mask([crop])
    there = cv2.erode((classes == number).astype(np.uint8), np.ones((3, 3))) > 0
    assert mask[there].min() > 0.5
    assert mask[classes != number].max() < 0.35


def test_region_names_are_those_of_the_training_data():
    for card in ("bisenet_resnet_18", "bisenet_resnet_34"):
        assert CATALOGUE.card(card).settings["regions"] == [HOUSE.get(name, name) for name in CELEBAMASK]


def test_bisenet_takes_the_face_unless_told():
    crop, classes = painted_classes()
    (mask,) = masker("bisenet_resnet_34", bisenet_graph()).mask([crop])
    face = np.isin(classes, [1, 2, 3, 4, 5, 6, 10, 11, 12, 13])
    inside = cv2.erode(face.astype(np.uint8), np.ones((3, 3))) > 0
    assert mask[inside].min() > 0.5
    assert mask[cv2.erode((~face).astype(np.uint8), np.ones((3, 3))) > 0].max() < 0.05


def test_the_end_of_a_name_is_both_sides():
    crop, _ = painted_classes()
    both, left, right = (
        masker("bisenet_resnet_34", bisenet_graph(), names).mask([crop])[0]
        for names in (["eye"], ["left-eye"], ["right-eye"])
    )
    assert left.max() > 0.9
    assert right.max() > 0.9
    np.testing.assert_allclose(both, np.maximum(left, right), atol=1e-5)
    with pytest.raises(UsageError, match="bisenet_resnet_34 knows no region 'ey': use background, skin"):
        masker("bisenet_resnet_34", bisenet_graph(), ["skin", "ey"])


def test_a_parser_with_other_classes_is_refused():
    with pytest.raises(ModelError, match=r"bisenet_resnet_18: output 0 should be \(any × 19 × 60 × 60\)"):
        masker("bisenet_resnet_18", pan_graph(classes=18))
    wrong = network("pan_skin_clothes_hair", pan_graph(), side=SIDE, face=["beard"])
    with pytest.raises(ModelError, match="regions that it does not know: beard"):
        PARSERS["pan"](wrong)


@pytest.mark.parametrize("batch", [1, "batch"])
@pytest.mark.parametrize(
    ("card", "graph"),
    [("xseg_2", xseg_graph), ("bisenet_resnet_18", bisenet_graph), ("pan_skin_clothes_hair", pan_graph)],
)
def test_crops_of_any_size_in_one_batch(card, graph, batch):
    crops = [painted_classes(side)[0] for side in (60, 200, 30)]
    crops[1] = crops[1][::-1].copy()
    together = masker(card, graph(batch=batch)).mask(crops)
    for crop, mask in zip(crops, together, strict=True):
        assert mask.shape == crop.shape[:2]
        assert mask.dtype == np.float32
        assert 0 <= mask.min() < mask.max() <= 1
        (alone,) = masker(card, graph()).mask([crop])
        np.testing.assert_allclose(mask, alone, atol=1e-6)


@pytest.mark.parametrize("size", [64, 128, 256, 700])
def test_the_edge_lies_inside_and_scales_with_the_crop(size):
    found = np.zeros((256, 256), np.float32)
    found[:, 128:] = 1  # the left half is a hand
    line = crop_mask(found, size)[size // 2]
    assert line[: size // 2 - max(2, size // 128)].max() < 0.01
    # A Gaussian edge of 5/256 of the crop, of which the upper half is kept: erf(1 / sqrt 2) = 0.683 there.
    assert np.interp((0.5 + 5 / 256) * size - 0.5, np.arange(size), line) == pytest.approx(0.683, abs=0.06)
    assert line[round(size * 0.57) :].min() > 0.99


def test_occlusion_is_sought_in_the_target_and_regions_in_the_result():
    assert masker("xseg_1", xseg_graph()).looks_at == "target"
    assert masker("bisenet_resnet_18", bisenet_graph()).looks_at == "result"
    assert masker("pan_skin_clothes_hair", pan_graph()).looks_at == "result"
    assert set(OCCLUDERS) | set(PARSERS) == set(MASKERS)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    graphs = {"xseg": xseg_graph(), "pan": pan_graph()}
    for name, data in graphs.items():
        (tmp_path / f"{name}.onnx").write_bytes(data)
        (tmp_path / f"{name}.toml").write_text(f'contract = "{name}"\nside = {SIDE}\n')
    return {name: str(tmp_path / f"{name}.onnx") for name in graphs}


def test_networks_are_opened_as_the_settings_ask(files):
    networks = Networks()
    assert open_maskers(MaskSettings(), networks) == ()
    asked = MaskSettings(occlusion=(files["xseg"], files["pan"]), regions=("hair",), parser=files["pan"])
    occluder, in_the_way, parser = open_maskers(asked, networks)
    assert [one.looks_at for one in (occluder, in_the_way, parser)] == ["target", "target", "result"]
    crop = solid(0.1, 0.1, 1.0)
    assert [one.mask([crop])[0].max() > 0.9 for one in (occluder, in_the_way, parser)] == [True, False, True]
    assert len(networks.opened) == 2
    with pytest.raises(UsageError, match="finds no regions"):
        open_maskers(MaskSettings(regions=(), parser=files["xseg"]), networks)
    with pytest.raises(UsageError, match=r"no mask network is called 'xseg_4'.*xseg"):
        open_maskers(MaskSettings(occlusion=("xseg_4",)), networks)


# --- PAN on real photos -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pan() -> Network:
    data = (SHARED / "weights" / "seg_skin_clothes_hair_pan512.onnx").read_bytes()
    return Network(CATALOGUE.card("pan_skin_clothes_hair"), Session(data), lambda: data)


def real_crop(photo: str) -> Crop:
    from omote.faces.finder import FaceFinder
    from omote.faces.select import Selection

    pixels = cv2.imread(str(SHARED / "media" / "eval" / f"{photo}.jpg"), cv2.IMREAD_COLOR_RGB)
    (face,) = FaceFinder().find(pixels, Selection("largest"))
    return align(pixels, face, "arcface_128", 256)


@needs_shared
@pytest.mark.parametrize(
    "photo",
    [
        "occlusion/pixabay_3231024",  # iou 0.780, of the oval 0.889 is skin
        "expressions/stock-emotions-a-2",  # 0.730, 0.958
        "skin_age/pixabay_1311182",  # 0.776, 0.973
        "synthetic_sources/fakerjs_male_63",  # 0.752, 0.890
        "public_domain/s12",  # 0.761, 0.896
    ],
)
def test_skin_of_real_faces_is_their_oval(pan, photo):
    crop = real_crop(photo)
    skin, hair = (
        PARSERS["pan"](pan, [name]).mask([to_float(crop.pixels)])[0] > 0.5 for name in ("skin", "hair")
    )
    oval = area_mask(crop.face, ["face"], crop.size) > 0
    assert (skin & oval).sum() / (skin | oval).sum() > 0.7  # skin goes on over forehead, ears and neck
    assert (skin & oval).sum() / oval.sum() > 0.85
    assert (hair & oval).sum() / oval.sum() < 0.1
    assert not (skin & hair).sum() > 0.02 * skin.sum()


@needs_shared
def test_a_real_mask_before_a_real_face_is_found(pan):
    crop = real_crop("occlusion/rmfd_mask_0115")
    (skin,) = PARSERS["pan"](pan, looks_at="target").mask([to_float(crop.pixels)])
    lower = area_mask(crop.face, ["lower-face"], crop.size) > 0.5
    assert (skin[lower] > 0.5).mean() < 0.05


@needs_shared
def test_the_real_network_wants_red_first(pan):
    crop = to_float(real_crop("skin_age/pixabay_1311182").pixels)
    parser = PARSERS["pan"](pan)
    right, wrong = parser.mask([crop, np.ascontiguousarray(crop[..., ::-1])])
    assert wrong.sum() < 0.8 * right.sum()
