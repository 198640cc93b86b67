"""Restorers: their contracts on planted graphs, Real-ESRGAN on a real face, restoring in place."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from omote.compose.mask_settings import MaskSettings
from omote.compose.masking import Masking
from omote.compose.paste import to_float
from omote.compose.restore import BLEND, restore_face
from omote.compose.restorers import RESTORERS, FaceRestorer, Upscaler, open_restorer
from omote.errors import ModelError, UsageError
from omote.faces.align import align, transform
from omote.zoo import Catalogue, Network, Networks, Session
from tests.shared_data import SHARED, needs_shared
from tests.synthetic import painted, posed_face

onnx = pytest.importorskip("onnx")
from onnx import TensorProto  # noqa: E402
from onnx.helper import make_node  # noqa: E402

from tests.planted import planted  # noqa: E402

CATALOGUE = Catalogue.load()
SIDE = 24
GAINS = np.array([0.5, 0.25, 0.75], np.float32)


def network(card: str, data: bytes, **own: object) -> Network:
    """A network of the catalogue's contract with a planted graph."""
    known = CATALOGUE.card(card, "restorer")
    return Network(
        replace(known, settings={**known.settings, **own}), Session(data, label=card), lambda: data
    )


def gain_graph(side: int = SIDE, batch: int | str = 1, gains: np.ndarray = GAINS) -> bytes:
    """A restorer that multiplies R, G and B, each by its own gain."""
    return planted(
        [make_node("Mul", ["input", "gain"], ["output"])],
        {"gain": gains.reshape(1, 3, 1, 1).astype(np.float32)},
        {"input": [batch, 3, side, side]},
        {"output": [batch, 3, side, side]},
    )


def weight_graph(side: int = SIDE, batch: int | str = 1) -> bytes:
    """A restorer whose red is its input's, and green and blue are its weight."""
    return planted(
        [
            make_node("Cast", ["weight"], ["w"], to=TensorProto.FLOAT),
            make_node("Mul", ["input", "red"], ["kept"]),
            make_node("Mul", ["w", "rest"], ["said"]),
            make_node("Add", ["kept", "said"], ["output"]),
        ],
        {
            "red": np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1),
            "rest": np.array([0, 1, 1], np.float32).reshape(1, 3, 1, 1),
        },
        {"input": [batch, 3, side, side], "weight": [1]},
        {"output": [batch, 3, side, side]},
        kinds={"weight": TensorProto.DOUBLE},
    )


def upscale_graph(
    side: int | str, scale: int = 4, batch: int | str = "batch", gains: np.ndarray = GAINS
) -> bytes:
    """An upscaler that repeats every pixel, times its colour's gain."""
    large = side * scale if isinstance(side, int) else "large"
    return planted(
        [
            make_node("Mul", ["input", "gain"], ["bright"]),
            make_node(
                "Resize", ["bright", "", "scales"], ["output"], mode="nearest",
                coordinate_transformation_mode="asymmetric", nearest_mode="floor",
            ),
        ],
        {
            "gain": gains.reshape(1, 3, 1, 1).astype(np.float32),
            "scales": np.array([1, 1, scale, scale], np.float32),
        },
        {"input": [batch, 3, side, side]},
        {"output": [batch, 3, large, large]},
    )  # fmt: skip


def noise(count: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(4).random((count, side, side, 3), np.float32)


@pytest.mark.parametrize(
    ("card", "template", "side", "weight"),
    [
        ("gfpgan_1.2", "ffhq_512", 512, None),
        ("gfpgan_1.3", "ffhq_512", 512, None),
        ("gfpgan_1.4", "ffhq_512", 512, None),
        ("codeformer", "ffhq_512", 512, 0.5),
        ("gpen_bfr_256", "arcface_128", 256, None),
        ("gpen_bfr_512", "ffhq_512", 512, None),
        ("gpen_bfr_1024", "ffhq_512", 1024, None),
        ("gpen_bfr_2048", "ffhq_512", 2048, None),
        ("restoreformer_plus_plus", "ffhq_512", 512, None),
    ],
)
def test_published_face_restorers(card, template, side, weight):
    graph = gain_graph(side) if weight is None else weight_graph(side)
    restorer = RESTORERS[CATALOGUE.card(card).adapter](network(card, graph))
    assert isinstance(restorer, FaceRestorer)
    assert (restorer.template, restorer.size, restorer.weight) == (template, side, weight)
    wrong = gain_graph(side // 2) if weight is None else weight_graph(side // 2)
    with pytest.raises(ModelError, match=f"{card}: input 0 should be .*{side} × {side}"):
        FaceRestorer(network(card, wrong))


def test_every_card_has_an_adapter():
    cards = [card for card in CATALOGUE.cards.values() if card.task == "restorer"]
    assert {card.adapter for card in cards} == set(RESTORERS)


@pytest.mark.parametrize("batch", [1, "batch"])
@pytest.mark.parametrize("count", [1, 3])
def test_faces_are_red_first_in_minus_1_to_1_in_and_out(batch, count):
    crops = noise(count)
    found = FaceRestorer(network("gfpgan_1.4", gain_graph(batch=batch), side=SIDE)).restore(crops)
    # x -> 2 x - 1 -> times the gain -> (y + 1) / 2: black becomes (1 - gain) / 2, not black.
    np.testing.assert_allclose(found, ((2 * crops - 1) * GAINS + 1) / 2, atol=1e-6)
    assert found.dtype == np.float32


def test_values_beyond_the_range_are_cut_off():
    gains = np.array([3, 3, 3], np.float32)
    found = FaceRestorer(network("gfpgan_1.4", gain_graph(gains=gains), side=SIDE)).restore(noise(1))
    assert (found.min(), found.max()) == (0, 1)


@pytest.mark.parametrize("batch", [1, "batch"])
@pytest.mark.parametrize(("given", "used"), [(None, 0.5), (0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_the_weight_is_one_float64(batch, given, used):
    crops = noise(2)
    restorer = FaceRestorer(network("codeformer", weight_graph(batch=batch), side=SIDE), given)
    found = restorer.restore(crops)  # the graph takes no other element type
    np.testing.assert_allclose(found[..., 0], crops[..., 0], atol=1e-6)
    np.testing.assert_allclose(found[..., 1:], (used + 1) / 2, atol=1e-6)


def test_a_weight_is_refused_where_there_is_none():
    for card, graph in (("gfpgan_1.4", gain_graph(512)), ("real_esrgan_general_x4v3", upscale_graph("h"))):
        with pytest.raises(UsageError, match=f"{card} takes no weight"):
            RESTORERS[CATALOGUE.card(card).adapter](network(card, graph), 0.5)
    for weight in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match=r"outside 0\.\.1"):
            FaceRestorer(network("codeformer", weight_graph(512)), weight)


def test_graphs_must_have_a_weight_or_not():
    with pytest.raises(ModelError, match="codeformer: expected 2 inputs, found 1"):
        FaceRestorer(network("codeformer", gain_graph(512)))
    with pytest.raises(ModelError, match=r"gfpgan_1\.3: expected 1 inputs, found 2"):
        FaceRestorer(network("gfpgan_1.3", weight_graph(512)))


def test_an_unknown_template_is_refused_at_once():
    for card, graph in (("gfpgan_1.4", gain_graph(512)), ("real_esrgan_x4", upscale_graph("h"))):
        with pytest.raises(ModelError, match="setting 'template' is 'ffhq': use arcface"):
            RESTORERS[CATALOGUE.card(card).adapter](network(card, graph, template="ffhq"))


@pytest.mark.parametrize("side", [16, "h"])
@pytest.mark.parametrize("batch", [1, "batch"])
def test_upscalers_are_red_first_in_0_to_1_and_give_the_size_back(side, batch):
    flat = np.broadcast_to(np.array([0.2, 0.8, 0.6], np.float32), (2, 32, 32, 3)).copy()
    flat[1, :, 16:] = 1
    upscaler = Upscaler(
        network("real_esrgan_general_x4v3", upscale_graph(side, batch=batch), side=32, entrance=16)
    )
    assert (upscaler.template, upscaler.size) == ("ffhq_512", 32)
    np.testing.assert_allclose(upscaler.restore(flat), flat * GAINS, atol=1e-6)
    bright = Upscaler(
        network("real_esrgan_x4", upscale_graph(side, batch=batch, gains=GAINS * 4), side=32, entrance=16)
    )
    np.testing.assert_allclose(bright.restore(flat), np.clip(flat * GAINS * 4, 0, 1), atol=1e-6)


def test_an_upscaler_sees_its_entrance_and_nothing_finer():
    checks = np.zeros((1, 32, 32, 3), np.float32)
    checks[:, ::2, ::2] = checks[:, 1::2, 1::2] = 1
    upscaler = Upscaler(network("real_esrgan_x4", upscale_graph(16, gains=np.ones(3)), side=32, entrance=16))
    np.testing.assert_allclose(upscaler.restore(checks), 0.5, atol=1e-6)
    with pytest.raises(ModelError, match=r"real_esrgan_x4: output 0 should be .* 64 × 64"):
        Upscaler(network("real_esrgan_x4", upscale_graph(16, scale=2), side=32, entrance=16))


def test_a_restorer_is_opened_by_file_and_contract(tmp_path: Path):
    file = tmp_path / "mine.onnx"
    file.write_bytes(weight_graph(512))
    restorer = open_restorer(Networks(), file, weight=0.25, contract="weighted_face_restorer")
    assert isinstance(restorer, FaceRestorer)
    assert restorer.weight == 0.25
    with pytest.raises(UsageError, match=r"no restorer is called 'gfpgan_1\.5': did you mean gfpgan_1"):
        open_restorer(Networks(), "gfpgan_1.5")


# --- restoring in place -------------------------------------------------------------------------------------


class Does:
    """A restorer that does what it is told to, in a crop of its own size."""

    template = "ffhq_512"

    def __init__(self, change, size: int = 128) -> None:
        self.size = size
        self._change = change

    def restore(self, crops):
        assert crops.shape[1:] == (self.size, self.size, 3)
        assert crops.dtype == np.float32
        return self._change(crops).astype(np.float32)


FACE = posed_face(roll=10)
ONE = Does(lambda crops: crops)
BRIGHTER = Does(lambda crops: crops + 0.1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_restorer_that_changes_nothing_leaves_the_picture_as_it_is(dtype):
    picture = painted(FACE).astype(dtype) * (257 if dtype == np.uint16 else 1)
    before = picture.copy()
    restore_face(picture, FACE, ONE)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("blend", [0.0, 0.5, 1.0, None])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_restored_face_is_laid_over_in_part(blend, dtype):
    full = np.iinfo(dtype).max
    picture = (painted(FACE) * (full / 255)).astype(dtype)
    before = picture.copy()
    restore_face(picture, FACE, BRIGHTER, *([] if blend is None else [blend]))
    change = picture.astype(np.float64) - before
    x, y = np.round(FACE.points[2]).astype(int)
    share = BLEND if blend is None else blend
    assert change[y - 9 : y + 9, x - 9 : x + 9].mean() / full == pytest.approx(0.1 * share, abs=2e-3)
    # Outside the crop the picture is bit-equal, and it ends softly inside.
    crop = align(before, FACE, "ffhq_512", 128)
    rows, columns = np.mgrid[:400, :400]
    where = transform(np.stack([columns, rows], -1), crop.matrix)
    outside = np.any((where < -1) | (where > 128), axis=-1)
    assert not change[outside].any()
    rim = np.all((where > 0) & (where < 127), axis=-1) & np.any((where < 4) | (where > 123), axis=-1)
    assert np.abs(change[rim]).max() / full < 0.02
    if share == 0:
        assert not change.any()


@pytest.mark.parametrize("name", ["ffhq_512", "arcface_128"])
def test_the_restorer_sees_the_face_on_its_own_template(name):
    picture, seen = painted(FACE), []
    restorer = Does(lambda crops: seen.append(crops) or crops, 96)
    restorer.template = name
    expected = to_float(align(picture, FACE, name, 96).pixels)
    restore_face(picture, FACE, restorer)
    assert np.array_equal(seen[0][0], expected)


def test_a_mask_limits_where_the_face_is_restored():
    picture = painted(FACE)
    before = picture.copy()
    restore_face(picture, FACE, BRIGHTER, 1.0, Masking(MaskSettings(areas=("mouth",))))
    change = np.abs(picture.astype(int) - before).max(2)
    mouth, nose = FACE.points[3:].mean(0), FACE.points[2]
    assert change[round(float(mouth[1])), round(float(mouth[0]))] > 20
    assert change[round(float(nose[1])), round(float(nose[0]))] == 0


def test_detail_finer_than_the_picture_does_not_alias():
    small = posed_face(centre=(50, 47), scale=16)
    picture = np.full((100, 100, 3), 128, np.uint8)

    def stripes(crops):
        crops = crops.copy()
        crops[:, :, ::4], crops[:, :, 1::4] = 1, 1
        crops[:, :, 2::4], crops[:, :, 3::4] = 0, 0
        return crops

    restorer = Does(stripes, 512)
    assert align(picture, small, "ffhq_512", 512).scale > 5
    restore_face(picture, small, restorer, 1.0)
    assert np.ptp(picture.astype(int)) < 6


def test_a_wrong_blend_is_refused():
    for blend in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="restore blend"):
            restore_face(painted(FACE), FACE, ONE, blend)


# --- Real-ESRGAN on a real face -----------------------------------------------------------------------------


def sharpness(pixels: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())


def low(pixels: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(pixels, (0, 0), 8)


@needs_shared
def test_real_esrgan_sharpens_a_blurred_face_and_keeps_what_is_coarse():
    from omote.faces.finder import FaceFinder
    from omote.faces.select import Selection

    data = (SHARED / "weights" / "sr_realesr_general_x4v3.onnx").read_bytes()
    restorer = Upscaler(network("real_esrgan_general_x4v3", data, entrance=128))
    file = SHARED / "media" / "eval" / "skin_age" / "pixabay_1311182.jpg"
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    (face,) = FaceFinder().find(picture, Selection("largest"))
    scale = align(picture, face, restorer.template, restorer.size).scale
    blurred = cv2.GaussianBlur(picture, (0, 0), 2.5 / min(scale, 1))
    crop = to_float(align(blurred, face, restorer.template, restorer.size).pixels)
    (restored,) = restorer.restore(crop[None])
    assert sharpness(restored) > 3 * sharpness(crop)  # measured: 0.0065 -> 0.0273
    assert np.abs(low(restored) - low(crop)).mean() < 0.01  # measured: 0.0070
    # Colours stay where they are: the difference is none of hue.
    assert np.abs((restored - crop).mean((0, 1))).max() < 0.01
    pasted = blurred.copy()
    restore_face(pasted, face, restorer)
    again = to_float(align(pasted, face, restorer.template, restorer.size).pixels)
    assert sharpness(again[150:400, 130:380]) > 1.5 * sharpness(crop[150:400, 130:380])
