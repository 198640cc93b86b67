"""Detectors of several families: planted boxes, what the entrance is fed, unions, turns, and real photos."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import helper

from omote.errors import ModelError, UsageError
from omote.faces.boxes import overlaps
from omote.faces.detect import Detector
from omote.faces.detectors import DETECTORS, Scrfd, Turned, Union, YoloFace, make_detector
from omote.faces.face import Face
from omote.zoo import Network
from tests.networks import CATALOGUE, network, real
from tests.planted import planted
from tests.shared_data import SHARED, needs_shared

STRIDES = (8, 16, 32)
HEIGHT, WIDTH = 64, 96  # never square: rows and columns must not be exchanged
GREY = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
OPEN = [1, 3, "height", "width"]
POINTS = np.array([0.1, 0.2, 0.9, 0.25, 0.5, 0.6, 0.2, 0.8, 0.75, 0.85], np.float32)


def cells(stride: int, height: int = HEIGHT, width: int = WIDTH) -> int:
    return (height // stride) * (width // stride)


def scrfd_maps(rows: dict[tuple[int, int, int, int], Sequence[float]], batch: bool = False) -> dict:
    """The nine outputs: (stride, column, row, anchor) → score, four distances, ten offsets; else nothing."""
    maps = {
        f"out{i}": np.zeros((cells(s) * 2, w), np.float32)
        for i, (w, s) in enumerate((w, s) for w in (1, 4, 10) for s in STRIDES)
    }
    for (stride, column, row, anchor), values in rows.items():
        index = (row * (WIDTH // stride) + column) * 2 + anchor
        level = STRIDES.index(stride)
        maps[f"out{level}"][index] = values[0]
        maps[f"out{3 + level}"][index] = values[1:5]
        maps[f"out{6 + level}"][index] = values[5:]
    return {name: values[None] if batch else values for name, values in maps.items()}


def fixed_outputs(maps: dict[str, np.ndarray], entrance: Sequence[int | str] = OPEN) -> bytes:
    """A graph that gives these outputs whatever it sees."""
    nodes = [helper.make_node("Identity", [f"c_{name}"], [name]) for name in maps]
    constants = {f"c_{name}": values for name, values in maps.items()}
    return planted(nodes, constants, {"input.1": entrance}, {name: v.shape for name, v in maps.items()})


def corner_nodes(width: int) -> tuple[list, dict[str, np.ndarray]]:
    """Nodes that make `seen`, (1, width): the first and the last pixel of the canvas, then zeros."""
    nodes = [
        helper.make_node("Gather", ["input.1", "first"], ["top"], axis=2),
        helper.make_node("Gather", ["top", "first"], ["begin"], axis=2),
        helper.make_node("Gather", ["input.1", "last"], ["bottom"], axis=2),
        helper.make_node("Gather", ["bottom", "last"], ["end"], axis=2),
        helper.make_node("Concat", ["begin", "end", "rest"], ["seen"], axis=1),
    ]
    constants = {
        "first": np.array(0, np.int64),
        "last": np.array(-1, np.int64),
        "rest": np.zeros((1, width - 6), np.float32),
    }
    return nodes, constants


def scrfd_corners() -> bytes:
    """An SCRFD whose only face, in the first cell of stride 8, has the two corner pixels as its points."""
    maps = scrfd_maps({(8, 0, 0, 0): [1, 1, 1, 1, 1, *[0] * 10]})
    nodes, constants = corner_nodes(10)
    constants["spot"] = np.zeros((len(maps["out6"]), 1), np.float32)
    constants["spot"][0] = 1
    nodes += [helper.make_node("Mul", ["spot", "seen"], ["out6"])]
    constants |= {f"c_{name}": values for name, values in maps.items() if name != "out6"}
    nodes += [helper.make_node("Identity", [f"c_{n}"], [n]) for n in maps if n != "out6"]
    return planted(nodes, constants, {"input.1": OPEN}, {n: v.shape for n, v in maps.items()})


def yolo_rows(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """(1, 20, n) of these rows and as many of no score."""
    return np.concatenate([np.array(rows, np.float32), np.zeros((5, 20), np.float32)]).T[None]


def yolo_corners() -> bytes:
    """A YOLO whose only face has the two corner pixels as its points; each is followed by a visibility."""
    nodes, constants = corner_nodes(10)
    constants |= {
        "head": np.array([[8, 8, 8, 8, 1]], np.float32),
        "order": np.array([0, 1, 6, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6], np.int64),
        "axes": np.array([2], np.int64),
    }
    nodes += [
        helper.make_node("Gather", ["seen", "order"], ["points"], axis=1),
        helper.make_node("Concat", ["head", "points"], ["row"], axis=1),
        helper.make_node("Unsqueeze", ["row", "axes"], ["output0"]),
    ]
    return planted(nodes, constants, {"input.1": OPEN}, {"output0": [1, 20, 1]})


def scrfd(model: bytes, **settings) -> Network:
    return network(model, "scrfd", **settings)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("anchor", [0, 1])
@pytest.mark.parametrize("stride", STRIDES)
def test_scrfd_reads_a_planted_face_exactly(stride: int, anchor: int, batch: bool) -> None:
    maps = scrfd_maps({(stride, 2, 1, anchor): [0.75, 0.5, 0.25, 1.5, 2, *POINTS]}, batch)
    (face,) = Scrfd(scrfd(fixed_outputs(maps))).find(GREY)
    x, y = 2 * stride, stride
    box = [x - 0.5 * stride, y - 0.25 * stride, x + 1.5 * stride, y + 2 * stride]
    assert face.box == pytest.approx(box, abs=1e-3)
    assert face.points == pytest.approx(POINTS.reshape(5, 2) * stride + (x, y), abs=1e-3)
    assert face.score == pytest.approx(0.75)


def test_scrfd_reads_both_anchors_of_every_stride_at_once() -> None:
    planted_faces = {
        (8, 1, 1, 0): 0.9, (8, 9, 6, 1): 0.8, (16, 4, 2, 0): 0.7, (16, 0, 3, 1): 0.6, (32, 2, 0, 1): 0.95,
    }  # fmt: skip
    rows = {place: [score, 0.4, 0.4, 0.4, 0.4, *POINTS] for place, score in planted_faces.items()}
    found = Scrfd(scrfd(fixed_outputs(scrfd_maps(rows)))).find(GREY)
    centres = {
        (round(float(f.box[[0, 2]].mean())), round(float(f.box[[1, 3]].mean()))): f.score for f in found
    }
    wanted = {(column * s, row * s): score for (s, column, row, _), score in planted_faces.items()}
    assert centres == pytest.approx(wanted)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_scrfd_with_one_anchor_and_other_strides_is_a_matter_of_settings(level: int) -> None:
    strides = (16, 32, 64)
    counts = [cells(s, 64, 128) for s in strides]
    maps = {f"out{i}": np.zeros((counts[i % 3], (1, 4, 10)[i // 3]), np.float32) for i in range(9)}
    maps[f"out{level}"][-1] = 0.9
    maps[f"out{3 + level}"][-1] = 0.25
    maps[f"out{6 + level}"][-1, 2:] = 0.5
    settings = {"strides": [16, 32, 64], "anchors": 1}
    (face,) = Scrfd(scrfd(fixed_outputs(maps), **settings)).find(np.zeros((64, 128, 3), np.uint8))
    stride = strides[level]
    assert face.points[0] == pytest.approx([128 - stride, 64 - stride])


@pytest.mark.parametrize(
    ("adapter", "model", "scale", "shift"),
    [(Scrfd, scrfd_corners, 8, (255 / 2, 128)), (YoloFace, yolo_corners, 1, (0, 255))],
)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_the_entrance_gets_what_it_was_trained_on(adapter, model, scale, shift, depth) -> None:
    """Red first, normalised, not enlarged, at the top left, black beside it."""
    contract = "scrfd" if adapter is Scrfd else "yolo_face"
    pixels = np.zeros((40, 90, 3), depth)
    pixels[:] = np.array((200, 100, 50)) * (257 if depth == np.uint16 else 1)
    mean, std = shift
    wanted = (np.array([200, 100, 50, 0, 0, 0]) - mean) / std * scale
    (face,) = adapter(network(model(), contract)).find(pixels)
    assert face.points.ravel()[:6] == pytest.approx(wanted, abs=1e-3)
    (face,) = adapter(network(model(), contract, bgr=True)).find(pixels)
    assert face.points.ravel()[:6] == pytest.approx(wanted[[2, 1, 0, 5, 4, 3]], abs=1e-3)


def test_insightface_says_red_first_and_the_catalogue_follows() -> None:
    for name in ("scrfd_10g", "scrfd_2500m", "retinaface_10g", "yoloface_8n"):
        assert CATALOGUE.card(name).settings["bgr"] is False
        assert "BGR" in CATALOGUE.card(name).note
    assert CATALOGUE.card("yunet_2023_mar").settings["bgr"] is True


def test_yolo_reads_a_planted_face_exactly() -> None:
    points = np.column_stack([POINTS.reshape(5, 2) * 30, [7, 8, 9, 10, 11]]).ravel()
    rows = [[40, 30, 20, 24, 0.9, *points], [80, 20, 10, 12, 0.49, *points]]
    model = fixed_outputs({"output0": yolo_rows(rows)}, [1, 3, HEIGHT, WIDTH])
    (face,) = YoloFace(network(model, "yolo_face")).find(GREY)
    assert face.box == pytest.approx([30, 18, 50, 42])
    assert face.points == pytest.approx(POINTS.reshape(5, 2) * 30)
    assert face.score == pytest.approx(0.9)
    both = YoloFace(network(model, "yolo_face"), threshold=0.4).find(GREY)
    assert [found.score for found in both] == pytest.approx([0.9, 0.49])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("place", range(1, 15))
def test_rows_that_are_no_faces_are_dropped_and_cost_no_other_face(place: int, value: float) -> None:
    """A box that is not a number would also overlap, as far as comparisons tell, with every other."""
    good, bad = [0.7, 0.5, 0.5, 0.5, 0.5, *POINTS], [0.9, 0.5, 0.5, 0.5, 0.5, *POINTS]
    bad[place] = value
    model = fixed_outputs(scrfd_maps({(8, 2, 2, 0): bad, (16, 4, 2, 0): good}))
    (face,) = Scrfd(scrfd(model)).find(GREY)
    assert face.score == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("shape", "entrance", "small"),
    [
        ((100, 193), OPEN, (50, 96)),  # by its longer side; x and y are scaled by 193 / 96 and 100 / 50
        ((300, 100), [1, 3, HEIGHT, WIDTH], (64, 21)),  # by its height: the graph has 64 rows only
        ((33, 900), [1, 3, HEIGHT, WIDTH], (4, 96)),
    ],
)
def test_back_by_the_exact_ratio_of_each_axis(shape, entrance, small) -> None:
    row = [20, 10, 16, 8, 0.9, *np.tile([20, 10, 1], 4), 24, 14, 1]
    model = fixed_outputs({"output0": yolo_rows([row])}, entrance)
    (face,) = YoloFace(network(model, "yolo_face"), size=96).find(np.zeros((*shape, 3), np.uint8))
    ratio = np.array([shape[1] / small[1], shape[0] / small[0]])
    assert face.points[0] == pytest.approx((np.array([20, 10]) + 0.5) * ratio - 0.5, abs=1e-3)
    assert face.width == pytest.approx(16 * ratio[0], rel=1e-5)
    assert face.height == pytest.approx(8 * ratio[1], rel=1e-5)


def test_a_yunet_of_one_size_sees_smaller_pictures_on_a_black_canvas() -> None:
    height, width = 160, 256
    maps = {}
    for kind, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in STRIDES:
            maps[f"{kind}_{stride}"] = np.zeros((1, cells(stride, height, width), size), np.float32)
    index = 2 * (width // 16) + 5
    maps["cls_16"][0, index], maps["obj_16"][0, index] = 0.5, 0.72
    maps["bbox_16"][0, index, 2:] = np.log(2)
    maps["kps_16"][0, index, 2:] = 0.5
    nodes = [helper.make_node("Identity", [f"c_{name}"], [name]) for name in maps]
    constants = {f"c_{name}": values for name, values in maps.items()}
    ports = {name: values.shape for name, values in maps.items()}
    model = planted(nodes, constants, {"input": [1, 3, height, width]}, ports)
    (face,) = Detector(network(model, "yunet"), plain=True).find(np.zeros((100, 130, 3), np.uint8))
    assert face.score == pytest.approx(0.6)  # the root of 0.5 × 0.72
    assert face.box == pytest.approx([5 * 16 - 16, 2 * 16 - 16, 5 * 16 + 16, 2 * 16 + 16])
    (face,) = Detector(network(model, "yunet"), plain=True).find(np.zeros((320, 300, 3), np.uint8))
    assert face.points[0] == pytest.approx([80.5 * 2 - 0.5, 32.5 * 2 - 0.5])


def test_what_overlaps_falls() -> None:
    rows = {(8, 2, 2, 0): [0.8, 1, 1, 1, 1, *POINTS], (8, 2, 2, 1): [0.9, 1, 1, 1, 1.1, *POINTS]}
    model = fixed_outputs(scrfd_maps(rows))
    assert [face.score for face in Scrfd(scrfd(model)).find(GREY)] == pytest.approx([0.9])
    assert len(Scrfd(scrfd(model), nms=0.99).find(GREY)) == 2


def test_thresholds() -> None:
    model = fixed_outputs(scrfd_maps({(8, 2, 2, 0): [0.55, 1, 1, 1, 1, *POINTS]}))
    assert len(Scrfd(scrfd(model)).find(GREY)) == 1
    assert Scrfd(scrfd(model, threshold=0.6)).find(GREY) == []
    assert len(Scrfd(scrfd(model, threshold=0.6), threshold=0.5).find(GREY)) == 1


def test_graphs_that_do_not_meet_the_contract_are_refused() -> None:
    good = scrfd_maps({})
    six = fixed_outputs({name: good[name] for name in list(good)[:6]})
    with pytest.raises(ModelError, match="planted: expected 9 outputs, found 6"):
        Scrfd(scrfd(six))
    mixed = fixed_outputs({name: good[name] for name in reversed(good)})
    with pytest.raises(ModelError, match=r"planted: output 0 should be \(any × 1\), found out8"):
        Scrfd(scrfd(mixed))
    with pytest.raises(ModelError, match="expected 3 anchors in each of 96 cells of stride 8, found 192"):
        Scrfd(scrfd(fixed_outputs(good), anchors=3)).find(GREY)
    with pytest.raises(ModelError, match=r"output 0 should be \(any × 20 × any\)"):
        YoloFace(network(fixed_outputs({"o": np.zeros((1, 5, 9), np.float32)}), "yolo_face"))
    with pytest.raises(ModelError, match="has no output cls_8"):
        Detector(network(fixed_outputs(good), "yunet", input="input.1"))
    with pytest.raises(ModelError, match=r"input 0 should be input \(any × 3 × any × any\), found input.1"):
        Detector(network(fixed_outputs(good), "yunet"))


def test_odd_pictures_and_options() -> None:
    detector = Scrfd(scrfd(fixed_outputs(scrfd_maps({}))))
    assert detector.find(np.zeros((0, 5, 3), np.uint8)) == []
    with pytest.raises(ValueError, match="uint8 or uint16"):
        detector.find(np.zeros((4, 4, 3), np.float32))
    for options in ({"size": 8}, {"threshold": 2.0}, {"nms": -1.0}):
        with pytest.raises(UsageError):
            Scrfd(scrfd(fixed_outputs(scrfd_maps({}))), **options)


class Seen:
    """Stands in for a detector: always the same faces."""

    def __init__(self, *faces: Face) -> None:
        self.faces = list(faces)

    def find(self, pixels: np.ndarray) -> list[Face]:
        return self.faces


def face(x: float, y: float, side: float, score: float) -> Face:
    box = np.array([x, y, x + side, y + side], np.float32)
    return Face(box, score, box[:2] + side * POINTS.reshape(5, 2))


def test_a_union_counts_every_face_once_and_keeps_the_surer() -> None:
    first, again = face(10, 10, 20, 0.6), face(11, 10, 20, 0.8)
    alone, part = face(60, 10, 30, 0.7), face(62, 12, 10, 0.5)
    found = Union([Seen(first, alone), Seen(again, part)]).find(GREY)
    assert [one.score for one in found] == [0.7, 0.8], "largest first, the part of a face is none"
    assert len(Union([Seen(first), Seen(again)], nms=1).find(GREY)) == 1, "one lies in the other"
    with pytest.raises(UsageError, match="no detector"):
        Union([])


class Marks:
    """Stands in for a detector that sees upright faces only: five pixels of red 1 to 5 are the points."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def find(self, pixels: np.ndarray) -> list[Face]:
        self.shapes.append(pixels.shape)
        places = [np.argwhere(pixels[..., 0] == number) for number in range(1, 6)]
        if any(len(place) != 1 for place in places):
            return []
        points = np.array([place[0][::-1] for place in places], np.float32)
        upright = points[0, 0] < points[1, 0] and points[0, 1] < points[3, 1]
        box = np.concatenate([points.min(0) - 1, points.max(0) + 2])
        return [Face(box, 0.9, points)] if upright else []


UPRIGHT = np.array([[10, 12], [20, 12], [15, 18], [11, 24], [19, 25]])


def marked(quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture, 50 × 70 before it is turned clockwise by quarters, and where its five marks then are."""
    upright = np.zeros((50, 70, 3), np.uint8)
    for number, (x, y) in enumerate(UPRIGHT, 1):
        upright[y, x, 0] = number
    pixels = np.ascontiguousarray(np.rot90(upright, -quarters))
    points = [np.argwhere(pixels[..., 0] == number)[0][::-1] for number in range(1, 6)]
    return pixels, np.array(points)


@pytest.mark.parametrize("margins", [(0, 0, 0, 0), (10, 20, 30, 50)])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_turned_faces_come_back_where_they_are(quarters: int, margins) -> None:
    pixels, points = marked(quarters)
    (found,) = Turned(Marks(), angles=(90 * quarters,), margins=margins).find(pixels)
    assert found.points == pytest.approx(points, abs=1e-3)
    assert found.box[:2] == pytest.approx(points.min(0) - 2, abs=1.01)
    assert found.box[2:] == pytest.approx(points.max(0) + 2, abs=1.01)
    others = tuple(angle for angle in (0, 90, 180, 270) if angle != 90 * quarters)
    assert Turned(Marks(), angles=others, margins=margins).find(pixels) == []
    assert len(Turned(Marks(), angles=(0, 90, 180, 270)).find(pixels)) == 1


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        ((0, 101, 0, 0), "detector margin 101 is out of range: give 0 to 100"),
        ((0, 0, -1, 0), "detector margin -1 is out of range: give 0 to 100"),
        ((0, 0, 0, float("nan")), "detector margin nan is out of range: give 0 to 100"),
        ((1, 2), r"detector margins \[1, 2\]: give four"),
    ],
)
def test_margins_that_cannot_be_are_told(margins, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Turned(Marks(), margins=margins)


def test_margins_are_black_and_in_per_cent_of_their_side() -> None:
    marks = Marks()
    Turned(marks, margins=(10, 20, 30, 40)).find(np.full((50, 70, 3), 255, np.uint8))
    assert marks.shapes == [(50 + 5 + 15, 70 + 14 + 28, 3)]


def test_small_faces_do_not_count() -> None:
    seen = Seen(face(0, 0, 30, 0.9), face(50, 0, 20, 0.8))
    assert [one.score for one in Turned(seen, smallest=25).find(GREY)] == [0.9]
    assert len(Turned(seen, smallest=20).find(GREY)) == 2


@pytest.mark.parametrize(
    "options", [{"angles": (45,)}, {"angles": ()}, {"margins": (0, 0, 101, 0)}, {"smallest": -1}]
)
def test_ways_of_looking_are_checked(options) -> None:
    with pytest.raises(UsageError):
        Turned(Seen(), **options)


def test_every_detector_of_the_catalogue_has_an_adapter() -> None:
    contracts = [contract for contract in CATALOGUE.contracts.values() if contract.task == "detector"]
    assert {contract.adapter for contract in contracts} == set(DETECTORS)


def test_one_network_is_a_detector_and_several_are_a_union() -> None:
    one = scrfd(fixed_outputs(scrfd_maps({(8, 2, 2, 0): [0.9, 1, 1, 1, 1, *POINTS]})))
    two = network(fixed_outputs({"o": yolo_rows([[80, 50, 16, 16, 0.8, *range(15)]])}), "yolo_face")
    assert isinstance(make_detector([one]), Scrfd)
    assert [found.score for found in make_detector([one, two]).find(GREY)] == pytest.approx([0.9, 0.8])
    assert make_detector([one, two], threshold=0.95).find(GREY) == []


def photos(*folders: str) -> list[np.ndarray]:
    files = [file for folder in folders for file in sorted((SHARED / "media" / "eval" / folder).iterdir())]
    return [np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)) for file in files]


def agreement(mine: list[Face], theirs: list[Face]) -> list[float]:
    """For each of their faces the gap of the points in eye distances to mine, infinite if I have none."""
    gaps = []
    boxes = np.array([one.box for one in mine]).reshape(-1, 4)
    for other in theirs:
        near = overlaps(other.box, boxes)[0]
        best = int(near.argmax()) if len(near) else 0
        close = len(near) > 0 and near[best] >= 0.5
        gap = np.linalg.norm(mine[best].points - other.points, axis=1).mean() if close else np.inf
        gaps.append(float(gap / other.eye_distance))
    return gaps


@needs_shared
@pytest.mark.parametrize(("kind", "limit"), [("n", 0.09), ("s", 0.12)])
def test_yunet_agrees_with_the_native_detector(kind: str, limit: float) -> None:
    adapter = make_detector([real(f"det_yunet_{kind}.onnx", "yunet")], threshold=0.8)
    native, gaps = Detector(), []
    for pixels in photos("expressions", "public_domain", "groups"):
        sure = [found for found in adapter.find(pixels) if min(found.width, found.height) >= 24]
        gaps += agreement(native.find(pixels), sure)
    assert len(gaps) >= 60
    assert np.mean(np.isfinite(gaps)) >= 0.97
    assert np.median(gaps) < limit


@needs_shared
def test_turned_photos_give_the_same_faces() -> None:
    detector = make_detector([real("det_yunet_n.onnx", "yunet")])
    pixels = photos("public_domain")[0]
    (upright,) = detector.find(pixels)
    height, width = pixels.shape[:2]
    for angle in (90, 180, 270):
        turned = np.ascontiguousarray(np.rot90(pixels, -angle // 90))
        (found,) = Turned(detector, angles=(angle,)).find(turned)
        x, y = upright.points.T
        wanted = {
            90: (height - 1 - y, x),
            180: (width - 1 - x, height - 1 - y),
            270: (y, width - 1 - x),
        }[angle]
        assert found.points == pytest.approx(np.stack(wanted, axis=1), abs=1e-2)
        every = Turned(detector, angles=(0, 90, 180, 270)).find(turned)
        assert len(every) == 1
        assert every[0].points == pytest.approx(found.points, abs=0.2 * upright.eye_distance)


@needs_shared
def test_a_margin_does_not_move_the_face_that_fills_the_picture() -> None:
    detector = make_detector([real("det_yunet_n.onnx", "yunet")])
    wide = Turned(detector, margins=(50, 25, 50, 25))
    for pixels in photos("synthetic_sources")[:6]:
        (face,) = detector.find(pixels)
        x0, y0, x1, y1 = face.box.astype(int).clip(0)
        (found,) = wide.find(pixels[y0:y1, x0:x1])
        gap = np.linalg.norm(found.points - face.points + np.array([x0, y0]), axis=1).mean()
        assert gap < 0.1 * face.eye_distance


@needs_shared
def test_the_union_of_real_detectors_has_no_face_twice() -> None:
    single = [make_detector([real(f"det_yunet_{kind}.onnx", "yunet")]) for kind in "ns"]
    for pixels in photos("groups"):
        counts = [len(detector.find(pixels)) for detector in single]
        together = Union(single).find(pixels)
        assert len(together) >= max(counts)
        boxes = np.array([one.box for one in together])
        for index, box in enumerate(boxes):
            assert overlaps(box, np.delete(boxes, index, axis=0))[0].max(initial=0) <= 0.4


def test_a_file_tells_its_contract_by_its_input(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(fixed_outputs(scrfd_maps({})))
    with pytest.raises(ModelError, match=r"other\.onnx: not a face detector of YuNet's family.*'rgb'"):
        Detector.from_file(other)
