"""Detection: the contract cell by cell, the adapter on real networks, the native network, odd inputs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from omote.errors import ModelError, UsageError
from omote.faces.boxes import suppress, vote
from omote.faces.detect import STRIDES, Detector
from tests.networks import network
from tests.shared_data import SHARED, needs_shared

KINDS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
GREY = np.full((64, 96, 3), 127, np.uint8)


def planted(stride: int, column: int, row: int, entrance: str = "rgb", **values: list[float]) -> bytes:
    """An ONNX file that, whatever it sees at 64 x 96, reports one face in one cell of one stride."""
    onnx = pytest.importorskip("onnx")
    helper, proto = onnx.helper, onnx.TensorProto
    nodes, outputs = [], []
    for kind, width in KINDS.items():
        for level in STRIDES:
            maps = np.zeros((1, 64 // level, 96 // level, width), np.float32)
            if level == stride:
                maps[0, row, column] = values[kind]
            maps = maps.reshape(1, -1, width)
            tensor = helper.make_tensor(f"v_{kind}_{level}", proto.FLOAT, maps.shape, maps.ravel())
            nodes.append(helper.make_node("Constant", [], [f"{kind}_{level}"], value=tensor))
            outputs.append(helper.make_tensor_value_info(f"{kind}_{level}", proto.FLOAT, maps.shape))
    inputs = [helper.make_tensor_value_info(entrance, proto.FLOAT, [1, 3, "height", "width"])]
    graph = helper.make_graph(nodes, "planted", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def reddest() -> bytes:
    """An ONNX file whose only face has the mean of the first colour plane, /255, as its score."""
    onnx = pytest.importorskip("onnx")
    helper, proto = onnx.helper, onnx.TensorProto
    nodes, outputs, constants = [], [], []

    def constant(name: str, values: np.ndarray, kind: int = proto.FLOAT) -> str:
        constants.append(helper.make_tensor(name, kind, values.shape, values.ravel()))
        return name

    nodes.append(
        helper.make_node("Gather", ["rgb", constant("first", np.array([0]), proto.INT64)], ["plane"], axis=1)
    )
    nodes.append(helper.make_node("ReduceMean", ["plane"], ["mean"], axes=[1, 2, 3], keepdims=1))
    nodes.append(
        helper.make_node("Div", ["mean", constant("full", np.array([255.0], np.float32))], ["share"])
    )
    nodes.append(
        helper.make_node("Reshape", ["share", constant("shape", np.array([1, 1, 1]), proto.INT64)], ["score"])
    )
    for kind, width in KINDS.items():
        for level in STRIDES:
            count = 64 * 96 // level**2
            pattern = np.zeros((1, count, width), np.float32)
            if kind in ("cls", "obj") and level == 8:
                pattern[0, 5] = 1
            if kind == "kps" and level == 8:
                pattern[0, 5] = np.arange(10)
            name = constant(f"p_{kind}_{level}", pattern)
            nodes.append(helper.make_node("Mul", ["score", name], [f"{kind}_{level}"]))
            outputs.append(helper.make_tensor_value_info(f"{kind}_{level}", proto.FLOAT, pattern.shape))
    inputs = [helper.make_tensor_value_info("rgb", proto.FLOAT, [1, 3, "height", "width"])]
    graph = helper.make_graph(nodes, "reddest", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def brightest(entrance: str) -> bytes:
    """An ONNX file for any size: every cell of stride 32 that holds a white pixel is a face
    of 256 x 256, 7 cells to the right of it."""
    onnx = pytest.importorskip("onnx")
    helper, proto = onnx.helper, onnx.TensorProto
    constants = [helper.make_tensor("full", proto.FLOAT, [1], [255.0])]
    nodes, outputs = [], []
    nodes.append(helper.make_node("ReduceMax", [entrance], ["plane"], axes=[1], keepdims=1))
    nodes.append(helper.make_node("Div", ["plane", "full"], ["share"]))
    for level in STRIDES:
        window = {"kernel_shape": [level, level], "strides": [level, level]}
        nodes.append(helper.make_node("MaxPool", ["share"], [f"pool_{level}"], **window))
        for kind, width in KINDS.items():
            value = [float(level == 32)] if width == 1 else [7, 0, np.log(8), np.log(8), *[0.0] * 6][:width]
            constants.append(helper.make_tensor(f"w_{kind}_{level}", proto.FLOAT, [1, width, 1, 1], value))
            constants.append(helper.make_tensor(f"s_{kind}_{level}", proto.INT64, [3], [0, width, -1]))
            names = [f"{step}_{kind}_{level}" for step in ("product", "flat")]
            nodes.append(helper.make_node("Mul", [f"pool_{level}", f"w_{kind}_{level}"], names[:1]))
            nodes.append(helper.make_node("Reshape", [names[0], f"s_{kind}_{level}"], names[1:]))
            nodes.append(helper.make_node("Transpose", names[1:], [f"{kind}_{level}"], perm=[0, 2, 1]))
            shape = ["batch", "n", width]
            outputs.append(helper.make_tensor_value_info(f"{kind}_{level}", proto.FLOAT, shape))
    inputs = [helper.make_tensor_value_info(entrance, proto.FLOAT, ["batch", 3, "height", "width"])]
    graph = helper.make_graph(nodes, "brightest", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_large_faces_are_looked_for_twice() -> None:
    pixels = np.zeros((320, 640, 3), np.uint8)
    pixels[160:192, 320:352] = 255
    adapter = network(brightest("input"), "yunet")
    (once,) = Detector(adapter, plain=True).find(pixels)
    assert once.box == pytest.approx([416, 32, 672, 288], abs=1e-3)
    second, first = Detector(adapter).find(pixels)
    assert first.box == pytest.approx(once.box)
    # at half the size the white cell starts at (160, 80), with the border at (192, 112), in cell (6, 3)
    centre = (np.array([6 + 7, 3]) * 32 - 32 + 0.5) * 2 - 0.5
    assert second.box == pytest.approx([*(centre - 256), *(centre + 256)], abs=1e-3)


def test_what_is_not_found_again_is_no_face() -> None:
    """The planted network sees 256 px in every picture, the confirming one, too, where the face has 64."""
    pixels = np.zeros((320, 640, 3), np.uint8)
    pixels[160:192, 320:352] = 255
    adapter = network(brightest("rgb"), "omote_detect")
    assert len(Detector(adapter, plain=True).find(pixels)) == 1
    assert Detector(adapter).find(pixels) == []


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize(("entrance", "contract"), [("rgb", "omote_detect"), ("input", "yunet")])
def test_planted_face_is_read_exactly(stride: int, entrance: str, contract: str) -> None:
    kps = [0.1, 0.2, 0.9, 0.25, 0.5, 0.6, 0.2, 0.8, 0.75, 0.85]
    bbox = [0.25, -0.5, np.log(3.0), np.log(4.0)]
    model = planted(stride, 2, 1, entrance, cls=[0.9], obj=[0.4], bbox=bbox, kps=kps)
    (face,) = Detector(network(model, contract), threshold=0.5, plain=True).find(GREY)
    centre, half = np.array([2.25, 0.5]) * stride, np.array([1.5, 2.0]) * stride
    assert face.box == pytest.approx([*(centre - half), *(centre + half)], abs=1e-3)
    assert face.points == pytest.approx((np.array(kps).reshape(5, 2) + np.array([2, 1])) * stride, abs=1e-3)
    assert face.score == pytest.approx(np.sqrt(0.9 * 0.4), abs=1e-5)


def test_shrunk_picture_gives_pixels_of_the_picture() -> None:
    model = planted(8, 3, 2, cls=[1], obj=[1], bbox=[0, 0, np.log(2), np.log(2)], kps=[0] * 9 + [1])
    (face,) = Detector(network(model, "omote_detect"), size=96, plain=True).find(cv2.resize(GREY, (288, 192)))
    # the centre of pixel 24 of the small picture is the centre of pixel 73 of one three times as large
    assert face.points[0] == pytest.approx([24 * 3 + 1, 16 * 3 + 1], abs=1e-3)
    assert face.width == pytest.approx(48, abs=1e-3)


BAD = {
    "an infinite box": ([0, 0, 1000, 0], [0, 1] * 5),
    "a box that is not a number": ([np.nan, 0, 2, 2], [0, 1] * 5),
    "points that are not numbers": ([0, 0, 2, 2], [np.nan] * 10),
    "points in one place": ([0, 0, 2, 2], [1] * 10),
    "a thin box": ([0, 0, 2, -6], np.arange(10)),
    "a box far away": ([1000, 0, 2, 2], np.arange(10)),
    "a box larger than any face": ([0, 0, np.log(60), 2], np.arange(10)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("bad", BAD)
def test_what_can_be_no_face_is_dropped_without_a_word(bad: str, plain: bool) -> None:
    bbox, kps = BAD[bad]
    model = planted(8, 3, 2, "input", cls=[1], obj=[1], bbox=bbox, kps=list(kps))
    assert Detector(network(model, "yunet"), plain=plain).find(GREY) == []
    fine = planted(8, 3, 2, "input", cls=[1], obj=[1], bbox=[0, 0, 2, 2], kps=list(range(10)))
    assert len(Detector(network(fine, "yunet"), plain=plain).find(GREY)) == 1


@pytest.mark.filterwarnings("error")
def test_a_threshold_of_0_takes_all_that_has_a_score() -> None:
    rng = np.random.default_rng(3)
    for pixels in (GREY, rng.integers(0, 256, (200, 300, 3), np.uint8)):
        for face in Detector(threshold=0).find(pixels):
            assert face.width > 0
            assert face.height > 0
    model = planted(8, 3, 2, "input", cls=[1e-10], obj=[1e-10], bbox=[0, 0, 2, 2], kps=list(range(10)))
    (face,) = Detector(network(model, "yunet"), threshold=0).find(GREY)
    assert face.width == pytest.approx(8 * np.exp(2), rel=1e-4)


def test_threshold_decides() -> None:
    model = planted(16, 1, 1, cls=[0.6], obj=[0.6], bbox=[0, 0, 0, 0], kps=[0] * 9 + [1])
    assert len(Detector(network(model, "omote_detect"), threshold=0.59, plain=True).find(GREY)) == 1
    assert Detector(network(model, "omote_detect"), threshold=0.61, plain=True).find(GREY) == []


@pytest.mark.parametrize(("channel", "expected"), [(0, 1), (2, 0)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_order_and_depth(channel: int, expected: int, dtype: type) -> None:
    pixels = np.zeros((64, 96, 3), dtype)
    pixels[..., channel] = np.iinfo(dtype).max
    assert (
        len(Detector(network(reddest(), "omote_detect"), threshold=0.99, plain=True).find(pixels)) == expected
    )


def test_suppress_keeps_the_better_of_two_and_the_distant() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [100, 0, 110, 10], [5, 0, 15, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.3, 0.4], np.float32)
    # IoU with the best: 9/11, 0, 6/14
    assert suppress(boxes, scores, 0.5).tolist() == [1, 3, 2]
    assert suppress(boxes, scores, 0.4).tolist() == [1, 2]
    assert suppress(boxes[:0], scores[:0], 0.4).tolist() == []


def test_suppress_drops_what_lies_inside() -> None:
    boxes = np.array([[0, 0, 40, 40], [5, 5, 15, 15], [35, 5, 45, 15]], np.float32)
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert suppress(boxes, scores, 0.4).tolist() == [0, 1, 2]
    assert suppress(boxes, scores, 0.4, 0.8).tolist() == [0, 2]


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (33, 7), (5, 900), (641, 639)])
def test_any_shape(shape: tuple[int, int]) -> None:
    assert Detector().find(np.full((*shape, 3), 90, np.uint8)) == []


def test_no_pixels_no_faces() -> None:
    assert Detector().find(np.zeros((0, 5, 3), np.uint8)) == []


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)]
)
def test_wrong_arrays_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 or uint16"):
        Detector().find(pixels)


@pytest.mark.parametrize("kind", ["noise", "black", "white", "gradient", "checks"])
def test_nothing_in_faceless_pictures(kind: str) -> None:
    rows, columns = np.mgrid[:480, :640]
    plane = {
        "noise": np.random.default_rng(3).integers(0, 256, (480, 640)),
        "black": np.zeros((480, 640)),
        "white": np.full((480, 640), 255),
        "gradient": columns * 255 / 640,
        "checks": (rows // 20 + columns // 20) % 2 * 255,
    }[kind]
    assert Detector().find(np.repeat(plane[..., None], 3, axis=2).astype(np.uint8)) == []


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="size"):
        Detector(size=8)
    with pytest.raises(UsageError, match="threshold"):
        Detector(threshold=1.5)
    with pytest.raises(UsageError, match="nms"):
        Detector(nms=-1)


def test_a_graph_without_the_contract_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    value = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8])
        for name in ("rgb", "y")
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["rgb"], ["y"])], "other", value[:1], value[1:]
    )
    file = tmp_path / "other.onnx"
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), file
    )
    with pytest.raises(ModelError, match=r"other\.onnx: not a face detector"):
        Detector.from_file(file)
    with pytest.raises(ModelError, match=r"absent\.onnx"):
        Detector.from_file(tmp_path / "absent.onnx")


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    file = SHARED / "media" / "eval" / "public_domain"
    return np.asarray(cv2.imread(str(sorted(file.iterdir())[0]), cv2.IMREAD_COLOR_RGB))


def detectors() -> list[str]:
    return ["native", "det_yunet_n.onnx", "det_yunet_s.onnx"]


def load(name: str, **settings: float) -> Detector:
    if name == "native":
        return Detector(**settings)  # type: ignore[arg-type]
    return Detector.from_file(SHARED / "weights" / name, **settings)


@needs_shared
@pytest.mark.parametrize("name", detectors())
def test_portrait(name: str, portrait: np.ndarray) -> None:
    (face,) = load(name).find(portrait)
    left, right, nose, mouth_left, mouth_right = face.points
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    assert np.all(face.points > face.box[:2])
    assert np.all(face.points < face.box[2:])


@needs_shared
@pytest.mark.parametrize("name", detectors())
def test_deep_picture_gives_the_same(name: str, portrait: np.ndarray) -> None:
    detector = load(name)
    (face,), (deep,) = detector.find(portrait), detector.find(portrait.astype(np.uint16) << 8)
    assert deep.points == pytest.approx(face.points, abs=0.5)


@needs_shared
@pytest.mark.parametrize("name", detectors())
def test_face_that_fills_the_picture(name: str, portrait: np.ndarray) -> None:
    (face,) = load(name).find(portrait)
    x0, y0, x1, y1 = face.box.astype(int)
    (close,) = load(name).find(portrait[max(y0, 0) : y1, max(x0, 0) : x1])
    moved = close.points + np.maximum([x0, y0], 0)
    assert np.linalg.norm(moved - face.points, axis=1).mean() < 0.15 * face.eye_distance


@needs_shared
def test_group_is_sorted_by_size() -> None:
    files = sorted((SHARED / "media" / "eval" / "groups").iterdir())
    pictures = [cv2.imread(str(file), cv2.IMREAD_COLOR_RGB) for file in files]
    found = [Detector().find(np.asarray(picture)) for picture in pictures]
    assert max(len(faces) for faces in found) >= 10
    for faces in found:
        areas = [face.width * face.height for face in faces]
        assert areas == sorted(areas, reverse=True)


@needs_shared
def test_native_agrees_with_yunet(portrait: np.ndarray) -> None:
    (mine,), (theirs,) = Detector().find(portrait), load("det_yunet_n.onnx").find(portrait)
    gap = np.linalg.norm(mine.points - theirs.points, axis=1).mean()
    assert gap < 0.08 * theirs.eye_distance


def test_a_kept_detection_is_the_mean_of_those_that_it_stands_for():
    def row(score: float, shift: float) -> list[float]:
        return [score, 10 + shift, 10, 50 + shift, 50, *(np.arange(10.0) + shift)]

    rows = np.array([row(0.9, 0), row(0.3, 4), row(0.8, 200), row(0.6, 30)], np.float32)
    voted = vote(rows, np.array([0, 2, 3]))
    np.testing.assert_allclose(voted[0], row(0.9, 1.0), rtol=1e-5)  # (0.9 * 0 + 0.3 * 4) / 1.2
    np.testing.assert_allclose(voted[1:], rows[2:], rtol=1e-5)
    assert vote(rows[:0], np.array([], np.intp)).shape == (0, 15)
