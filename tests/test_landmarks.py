"""Landmark networks: where their crops lie, what they are fed, how their outputs are read."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from omote.errors import ModelError
from omote.faces.align import TEMPLATES
from omote.faces.face import Face
from omote.faces.landmarks import LANDMARKERS, FromFive, Heatmap, PipNet, Regression, five_of
from omote.faces.landmarks.box import lighten
from omote.faces.landmarks.pip import nearest
from tests.networks import CATALOGUE, network
from tests.planted import planted

ADAPTERS = {
    "heatmap_68": Heatmap,
    "peppa_68": Regression,
    "insightface_106": Regression,
    "pfld_68": Regression,
    "pfld_106": Regression,
    "pipnet_68": PipNet,
}
BATCHES = [1, "n"]
FIVE = np.array([[-20, -15], [20, -15], [0, 5], [-15, 25], [15, 25]], np.float32)
BLACK = np.zeros((400, 500, 3), np.uint8)


def face_at(x: float, y: float, width: float = 195, height: float = 195, quarters: int = 0) -> Face:
    """A face whose box has this middle, turned clockwise by quarters."""
    middle, half = np.array([x, y]), np.array([width, height]) / 2
    turn = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), quarters)
    return Face(np.concatenate([middle - half, middle + half]), 0.9, FIVE @ turn + middle)


def const(batch: int | str, **outputs: np.ndarray) -> dict:
    """Nodes that give the same outputs, (1, ...) each, for every crop of a batch."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants = {"zero": np.zeros(1, np.float32)}
    for name, values in outputs.items():
        constants[f"c_{name}"] = values.astype(np.float32)
        constants[f"s_{name}"] = np.array([-1] + [1] * (values.ndim - 1), np.int64)
        nodes += [
            helper.make_node("Reshape", ["nothing", f"s_{name}"], [f"n_{name}"]),
            helper.make_node("Add", [f"n_{name}", f"c_{name}"], [name]),
        ]
    ports = {name: [batch, *values.shape[1:]] for name, values in outputs.items()}
    return {"nodes": nodes, "constants": constants, "outputs": ports}


def heatmap(points: np.ndarray, peaks: np.ndarray, batch: int | str = 1) -> bytes:
    """A network that says these points, (68, 2) on the grid, with these peaks in its maps."""
    maps = np.full((1, 68, 64, 64), -5.0)
    maps[0, np.arange(68), np.arange(68) % 64, 7] = peaks
    rows = np.column_stack([points, np.ones(68)])[None]
    return planted(inputs={"input": [batch, 3, 256, 256]}, **const(batch, points=rows, maps=maps))


def regression(values: np.ndarray, size: int, batch: int | str = 1) -> bytes:
    """A network that says these values, (N, 2 or 3)."""
    return planted(inputs={"input": [batch, 3, size, size]}, **const(batch, points=values.reshape(1, -1)))


def pip(
    cells: np.ndarray, offsets: np.ndarray, near: np.ndarray | None = None, batch: int | str = 1
) -> bytes:
    """A PIPNet with a peak in these cells, (N, 2) x y, these offsets there, and these of the neighbours."""
    number = len(cells)
    x, y = cells.T
    maps = {"cls": np.full((1, number, 8, 8), 0.1), "x": np.full((1, number, 8, 8), 9.0)}
    maps["cls"][0, np.arange(number), y, x] = 0.8
    maps["y"] = maps["x"].copy()
    for axis, name in enumerate("xy"):
        maps[name][0, np.arange(number), y, x] = offsets[:, axis]
    if near is not None:
        count = near.shape[1]
        for axis, name in enumerate("xy"):
            values = np.full((1, number * count, 8, 8), 9.0)
            rows = np.repeat(np.arange(number), count)
            values[0, np.arange(number * count), y[rows], x[rows]] = near[..., axis].ravel()
            maps[f"nb_{name}"] = values
    return planted(inputs={"input": [batch, 3, 256, 256]}, **const(batch, **maps))


def at_crop(contract: str, points: np.ndarray, batch: int | str = 1):
    """The adapter of a contract with a network that says these points, (68 or 106, 2) pixels of the crop."""
    settings = CATALOGUE.contracts[contract].settings
    size = settings["size"]
    if contract == "heatmap_68":
        model = heatmap(points / 4, np.ones(68), batch)
    elif contract == "pipnet_68":
        cells = np.clip(points // 32, 0, 7).astype(int)
        model = pip(cells, points / 32 - cells, batch=batch)
    else:
        values = (points - settings.get("shift", 0)) / settings["gain"]
        if settings["values"] == 3:
            values = np.column_stack([values, np.ones(len(points))])
        model = regression(values, size, batch)
    return ADAPTERS[contract](network(model, contract))


def count_of(contract: str) -> int:
    return CATALOGUE.contracts[contract].settings.get("count", 68)


WINDOWS = {  # left, top, right, bottom of the crop of a box of 100 × 140 in the middle of (200, 150)
    "heatmap_68": (200 - 70 * 256 / 195, 150 - 70 * 256 / 195, 200 + 70 * 256 / 195, 150 + 70 * 256 / 195),
    "peppa_68": (200 - 70 * 256 / 195, 150 - 70 * 256 / 195, 200 + 70 * 256 / 195, 150 + 70 * 256 / 195),
    "insightface_106": (200 - 105, 150 - 105, 200 + 105, 150 + 105),
    "pfld_68": (200 - 77, 150 - 77, 200 + 77, 150 + 77),
    "pfld_106": (200 - 77, 150 - 77, 200 + 77, 150 + 77),
    "pipnet_68": (150 - 10, 80 + 14, 250 + 10, 220 + 14),
}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("contract", ADAPTERS)
def test_the_crop_lies_as_the_makers_of_the_network_have_it(contract: str, batch: int | str) -> None:
    size = CATALOGUE.contracts[contract].settings["size"]
    points = np.tile([[0.0, 0.0], [size, size]], (count_of(contract) // 2, 1))
    adapter = at_crop(contract, points, batch)
    first, second = adapter.refine(BLACK, [face_at(200, 150, 100, 140), face_at(230, 170, 100, 140)])
    window = np.array(WINDOWS[contract]).reshape(2, 2)
    assert first.landmarks[:2] == pytest.approx(window, abs=1e-3)
    assert second.landmarks[:2] == pytest.approx(window + np.array([30, 20]), abs=1e-3)
    assert first.landmarks.shape == (count_of(contract), 2)


def brightest(batch: int | str) -> bytes:
    """A heat-map network whose points all lie on the brightest pixel of the crop."""
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["input"], ["grey"], axes=[1], keepdims=0),
        node("Reshape", ["grey", "flat"], ["row"]),
        node("ArgMax", ["row"], ["place"], axis=1, keepdims=1),
        node("Mod", ["place", "side"], ["column"]),
        node("Div", ["place", "side"], ["line"]),
        node("Concat", ["column", "line", "line"], ["whole"], axis=1),
        node("Cast", ["whole"], ["pixel"], to=TensorProto.FLOAT),
        node("Mul", ["pixel", "quarter"], ["cell"]),
        node("Unsqueeze", ["cell", "one"], ["single"]),
        node("Add", ["single", "many"], ["points"]),
        node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=1),
        node("Add", ["mean", "grid"], ["maps"]),
    ]
    constants = {
        "flat": np.array([-1, 256 * 256], np.int64),
        "side": np.array([256], np.int64),
        "quarter": np.array([0.25], np.float32),
        "one": np.array([1], np.int64),
        "many": np.zeros((1, 68, 3), np.float32),
        "grid": np.ones((1, 68, 64, 64), np.float32),
    }
    ports = {"points": [batch, 68, 3], "maps": [batch, 68, 64, 64]}
    return planted(nodes, constants, {"input": [batch, 3, 256, 256]}, ports)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_points_land_where_the_network_saw_them(quarters: int, batch: int | str) -> None:
    pixels = BLACK.copy()
    spots = np.array([[120, 90], [331, 247]])
    for x, y in spots:
        pixels[y - 1 : y + 2, x - 1 : x + 2] = 120
        pixels[y, x] = 255
    faces = [face_at(x + 10, y + 20, 150, 120, quarters) for x, y in spots]
    found = Heatmap(network(brightest(batch), "heatmap_68", dark=0)).refine(pixels, faces)
    for face, spot in zip(found, spots, strict=True):
        assert face.landmarks[0] == pytest.approx(spot, abs=0.6)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_lying_face_is_shown_upright(quarters: int) -> None:
    """Right of the crop is where the eyes point, and a box that lies is cropped by its longer side."""
    adapter = at_crop("heatmap_68", np.tile([[256.0, 128.0], [128.0, 256.0]], (34, 1)))
    (face,) = adapter.refine(BLACK, [face_at(200, 150, 100, 140, quarters)])
    side = 70 * 256 / 195
    across = np.array([[side, 0], [0, side], [-side, 0], [0, -side]])
    wanted = np.array([200, 150]) + across[[quarters, (quarters + 1) % 4]]
    assert face.landmarks[:2] == pytest.approx(wanted, abs=1e-3)
    (lying,) = at_crop("pfld_68", np.full((68, 2), 112.0)).refine(
        BLACK, [face_at(200, 150, quarters=quarters)]
    )
    assert lying.landmarks[0] == pytest.approx([200 + 107.25, 150 + 107.25], abs=1e-3), "others stay"


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_margins_turn_with_the_face(quarters: int) -> None:
    """The tenth of the box that PIPNet leaves out is the forehead's, wherever that is."""
    cells = np.zeros((68, 2), int)
    adapter = PipNet(network(pip(cells, np.zeros((68, 2))), "pipnet_68", upright=True))
    turned = face_at(200, 150, *((140, 100) if quarters % 2 else (100, 140)), quarters)
    (face,) = adapter.refine(BLACK, [turned])
    corner = np.array([-60, -70 + 14])  # of the upright crop, about the middle of the box
    for _ in range(quarters):
        corner = np.array([-corner[1], corner[0]])
    assert face.landmarks[0] == pytest.approx(corner + np.array([200, 150]), abs=1e-3)


@pytest.mark.parametrize(
    ("contract", "said", "pixel"),
    [
        ("peppa_68", 16, 64),
        ("insightface_106", -0.5, 48),
        ("insightface_106", 1, 192),
        ("pfld_68", 0.25, 28),
        ("pfld_106", 1, 112),
    ],
)
def test_the_unit_of_the_coordinates(contract: str, said: float, pixel: float) -> None:
    settings = CATALOGUE.contracts[contract].settings
    model = regression(np.full((settings["count"], settings["values"]), said), settings["size"])
    side = settings["size"] / (1 + 2 * settings["margins"][0])
    (face,) = Regression(network(model, contract)).refine(BLACK, [face_at(200, 150, side, side)])
    corner = np.array([200, 150]) - settings["size"] / 2
    assert face.landmarks[0] == pytest.approx(corner + pixel, abs=1e-3)


def test_the_five_points_are_those_of_the_68() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 64, (68, 2))
    (face,) = Heatmap(network(heatmap(points, np.ones(68)), "heatmap_68")).refine(BLACK, [face_at(200, 150)])
    landmarks = points * 4 + (200 - 128, 150 - 128)
    assert face.landmarks == pytest.approx(landmarks, abs=1e-3)
    means = [landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]]
    assert face.points == pytest.approx(np.array(means), abs=1e-3)


def test_the_five_points_of_insightface() -> None:
    values = np.random.default_rng(2).uniform(-1, 1, (106, 2))
    adapter = Regression(network(regression(values, 192), "insightface_106"))
    (face,) = adapter.refine(BLACK, [face_at(200, 150, 128, 128)])
    landmarks = (values + 1) * 96 + (200 - 96, 150 - 96)
    assert face.landmarks == pytest.approx(landmarks, abs=1e-3)
    assert face.points == pytest.approx(landmarks[[38, 88, 86, 52, 61]], abs=1e-3)


def test_an_unknown_order_of_points_leaves_the_detectors_five() -> None:
    face = face_at(200, 150)
    (found,) = at_crop("pfld_106", np.full((106, 2), 10.0)).refine(BLACK, [face])
    assert (found.points == face.points).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("contract", ["pfld_68", "peppa_68", "insightface_106"])
def test_points_that_are_no_numbers_leave_the_face_as_it_is(contract: str, value: float) -> None:
    points = np.full((count_of(contract), 2), 50.0)
    points[7] = value
    face = face_at(200, 150)
    (found,) = at_crop(contract, points).refine(BLACK, [face])
    assert found is face


def test_points_in_one_place_leave_the_detectors_five() -> None:
    face = face_at(200, 150)
    (found,) = at_crop("pfld_68", np.full((68, 2), 50.0)).refine(BLACK, [face])
    np.testing.assert_array_equal(found.points, face.points)
    assert found.landmarks is not None


@pytest.mark.parametrize(("peak", "refined"), [(0.91, True), (0.89, False)])
def test_unsure_maps_leave_the_detectors_five(peak: float, refined: bool) -> None:
    """The mean of the maps' highest values over 0.9 is the score: half of them at 0.9 give one half."""
    peaks = np.where(np.arange(68) % 2, peak, 0)
    adapter = Heatmap(network(heatmap(np.arange(136.0).reshape(68, 2) / 2, peaks), "heatmap_68"))
    face = face_at(200, 150)
    (found,) = adapter.refine(BLACK, [face])
    assert (found.points == face.points).all() != refined
    assert found.landmarks is not None


@pytest.mark.parametrize(("confidence", "refined"), [(0.48, True), (0.47, False)])
def test_unsure_confidences_leave_the_detectors_five(confidence: float, refined: bool) -> None:
    """The mean confidence over 0.95 is the score."""
    values = np.column_stack([np.arange(136).reshape(68, 2), np.full(68, confidence)])
    face = face_at(200, 150)
    (found,) = Regression(network(regression(values, 256), "peppa_68")).refine(BLACK, [face])
    assert (found.points == face.points).all() != refined


def middle_pixel(contract: str) -> bytes:
    """A network of one output: x and y of point 0 are the first two channels, x of point 1 is the third."""
    settings = CATALOGUE.contracts[contract].settings
    size, number = settings["size"], settings["count"] * settings["values"]
    node = helper.make_node
    order = np.full(number, 3)
    order[[0, 1, settings["values"]]] = [0, 1, 2]
    nodes = [
        node("Gather", ["input", "half"], ["line"], axis=2),
        node("Gather", ["line", "half"], ["pixel"], axis=2),
        node("Concat", ["pixel", "zero"], ["values"], axis=1),
        node("Gather", ["values", "order"], ["points"], axis=1),
    ]
    constants = {
        "half": np.array(size // 2, np.int64),
        "zero": np.zeros((1, 1), np.float32),
        "order": order.astype(np.int64),
    }
    return planted(nodes, constants, {"input": [1, 3, size, size]}, {"points": [1, number]})


@pytest.mark.parametrize(
    ("contract", "wanted"),
    [
        ("peppa_68", np.array([50, 100, 200]) / 255),  # blue first
        ("insightface_106", np.array([200, 100, 50])),
        ("pfld_68", np.array([200, 100, 50]) / 255),
    ],
)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
def test_the_entrance_of_regressions(contract: str, wanted: np.ndarray, depth: type) -> None:
    settings = CATALOGUE.contracts[contract].settings
    full = {"uint8": 255, "uint16": 65535, "float32": 1}[np.dtype(depth).name]
    pixels = np.zeros((300, 400, 3), depth)
    pixels[:] = (np.array([200, 100, 50]) / 255 * full).astype(depth)
    side = settings["size"] / (1 + 2 * settings["margins"][0])  # one pixel of the crop is one of the picture
    (face,) = Regression(network(middle_pixel(contract), contract)).refine(
        pixels, [face_at(200, 150, side, side)]
    )
    corner = np.array([200, 150]) - settings["size"] / 2
    seen = ((face.landmarks - corner) - settings.get("shift", 0)) / settings["gain"]
    assert [*seen[0], seen[1, 0]] == pytest.approx(wanted, abs=2e-3 * wanted.max())


@pytest.mark.parametrize(
    ("contract", "outputs"), [("heatmap_68", ("points", "maps")), ("pipnet_68", ("cls", "x", "y"))]
)
def test_the_entrance_of_heat_maps(contract: str, outputs: tuple[str, ...]) -> None:
    """The points' x and y, or the offsets of PIPNet's cells, are the channels of the middle pixel."""
    node = helper.make_node
    colour = np.array([200, 100, 50]) / 255
    nodes = [
        node("Gather", ["input", "half"], ["line"], axis=2),
        node("Gather", ["line", "half"], ["pixel"], axis=2),
    ]
    constants = {"half": np.array(128, np.int64)}
    if contract == "heatmap_68":
        constants |= {"many": np.zeros((1, 68, 3), np.float32), "maps0": np.ones((1, 68, 64, 64), np.float32)}
        nodes += [node("Add", ["pixel", "many"], ["points"]), node("Identity", ["maps0"], ["maps"])]
        ports = {"points": [1, 68, 3], "maps": [1, 68, 64, 64]}
        wanted, gain = colour, 4
    else:
        constants |= {
            "shape": np.array([1, 3, 1, 1], np.int64),
            "first": np.array([0], np.int64),
            "second": np.array([1], np.int64),
            "third": np.array([2], np.int64),
            "many": np.zeros((1, 68, 8, 8), np.float32),
            "odd": (np.arange(68) % 2).reshape(1, 68, 1, 1).astype(np.float32),
            "even": (1 - np.arange(68) % 2).reshape(1, 68, 1, 1).astype(np.float32),
        }
        nodes += [
            node("Reshape", ["pixel", "shape"], ["cube"]),
            node("Gather", ["cube", "first"], ["red"], axis=1),
            node("Gather", ["cube", "second"], ["green"], axis=1),
            node("Gather", ["cube", "third"], ["blue"], axis=1),
            node("Mul", ["red", "even"], ["red_even"]),
            node("Mul", ["blue", "odd"], ["blue_odd"]),
            node("Add", ["red_even", "blue_odd"], ["red_blue"]),
            node("Add", ["red_blue", "many"], ["x"]),
            node("Add", ["green", "many"], ["y"]),
            node("Identity", ["many"], ["cls"]),
        ]
        ports = {name: [1, 68, 8, 8] for name in outputs}
        wanted = (colour - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        gain = 32
    model = planted(nodes, constants, {"input": [1, 3, 256, 256]}, ports)
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[:] = (200, 100, 50)
    box = face_at(200, 200, 256 / 1.2, 256) if contract == "pipnet_68" else face_at(200, 200)
    (face,) = ADAPTERS[contract](network(model, contract)).refine(pixels, [box])
    corner = np.array([72, 72 + (25.6 if contract == "pipnet_68" else 0)])
    seen = (face.landmarks - corner) / gain
    assert seen[0] == pytest.approx(wanted[:2], abs=1e-4)
    if contract == "pipnet_68":
        assert seen[1] == pytest.approx(wanted[[2, 1]], abs=1e-4)


def test_dark_crops_are_lightened_and_others_left() -> None:
    ramp = np.tile(np.linspace(0, 60, 256), (256, 1))[..., None] * np.array([1, 0.6, 0.1])
    dark = ramp.astype(np.uint8)
    brighter = lighten(dark, 30)
    assert brighter.mean() > dark.mean() + 3
    lightness = cv2.cvtColor(dark, cv2.COLOR_RGB2LAB)[..., 0]
    wanted = cv2.createCLAHE(clipLimit=2.0).apply(lightness)
    assert np.abs(cv2.cvtColor(brighter, cv2.COLOR_RGB2LAB)[..., 0].astype(int) - wanted).max() <= 1
    assert lighten(dark, 0) is dark
    assert lighten(dark + 60, 30).std() == (dark + 60).std()
    assert np.abs(lighten((ramp * 257).astype(np.uint16), 30).astype(int) - brighter).mean() < 2
    assert np.abs(lighten((ramp / 255).astype(np.float32), 30).astype(int) - brighter).mean() < 2


def test_the_heat_map_network_sees_dark_faces_lightened() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 30, (400, 400, 3)).astype(np.uint8)
    adapter = Heatmap(network(brightest(1), "heatmap_68"))
    fed = []
    adapter.session = type("Spy", (), {"run_batch": lambda self, blob: fed.append(blob) or [
        np.zeros((1, 68, 3), np.float32), np.ones((1, 68, 64, 64), np.float32)
    ]})()  # fmt: skip
    adapter.refine(pixels, [face_at(200, 200)])
    crop = pixels[72:328, 72:328]
    assert np.abs(fed[0][0].transpose(1, 2, 0) - lighten(crop, 30) / 255).max() < 1e-6
    assert np.abs(fed[0][0].transpose(1, 2, 0) - crop / 255).max() > 0.05


CELLS = np.random.default_rng(4).integers(0, 8, (68, 2))
OFFSETS = np.random.default_rng(5).uniform(0, 1, (68, 2))
MEAN_FACE = np.random.default_rng(6).uniform(0, 1, (68, 2))
CORNER = np.array([200 - 128, 150 - 128 + 25.6])  # of the crop of a box of 256 / 1.2 × 256


@pytest.mark.parametrize("batch", BATCHES)
def test_pipnet_without_a_mean_face_is_cell_and_offset(batch: int | str) -> None:
    adapter = PipNet(network(pip(CELLS, OFFSETS, batch=batch), "pipnet_68"))
    faces = adapter.refine(BLACK, [face_at(200, 150, 256 / 1.2, 256), face_at(210, 155, 256 / 1.2, 256)])
    wanted = (CELLS + OFFSETS) * 32 + CORNER
    assert faces[0].landmarks == pytest.approx(wanted, abs=1e-3)
    assert faces[1].landmarks == pytest.approx(wanted + np.array([10, 5]), abs=1e-3)
    assert faces[0].points == pytest.approx(
        five_of(faces[0].landmarks, [range(36, 42), range(42, 48), [30], [48], [54]])
    )


def test_pipnet_asks_the_neighbours() -> None:
    near = nearest(tuple(MEAN_FACE.ravel()), 10)
    gaps = np.linalg.norm(MEAN_FACE[:, None] - MEAN_FACE, axis=2)
    assert (near == gaps.argsort(1)[:, 1:11]).all()
    truth = CELLS + OFFSETS
    said = truth[near] - CELLS[:, None]  # every point knows exactly where its neighbours are ...
    own = OFFSETS + 0.5  # ... and errs about itself
    model = pip(CELLS, own, said)
    adapter = PipNet(network(model, "pipnet_68", mean_face=[float(v) for v in MEAN_FACE.ravel()]))
    (face,) = adapter.refine(BLACK, [face_at(200, 150, 256 / 1.2, 256)])
    asked = np.bincount(near.ravel(), minlength=68)
    wanted = (truth + 0.5 / (1 + asked)[:, None]) * 32 + CORNER
    assert face.landmarks == pytest.approx(wanted, abs=1e-3)


def test_a_mean_face_of_another_network_is_refused() -> None:
    near = np.zeros((68, 10, 2))
    adapter = PipNet(network(pip(CELLS, OFFSETS, near), "pipnet_68", mean_face=[0.0, 1.0] * 20))
    with pytest.raises(ModelError, match="gives 68 points, its mean face has 20"):
        adapter.refine(BLACK, [face_at(200, 150)])


@pytest.mark.parametrize("batch", BATCHES)
def test_68_points_of_five_are_made_on_the_ffhq_template(batch: int | str) -> None:
    node = helper.make_node
    nodes = [
        node("Gather", ["input", "order"], ["spread"], axis=1),
        node("Add", ["spread", "shift"], ["output"]),
    ]
    constants = {"order": np.arange(68) % 5, "shift": np.array([[[0.1, 0.2]]], np.float32)}
    model = planted(nodes, constants, {"input": [batch, 5, 2]}, {"output": [batch, 68, 2]})
    adapter = FromFive(network(model, "five_to_68"))
    turn = 100 * np.array([[0.6, 0.8], [-0.8, 0.6]])  # row vectors: a turn, 100 pixels to the unit
    faces = [
        Face(np.array([0, 0, 9, 9]), 0.9, TEMPLATES["ffhq_512"] @ turn + shift)
        for shift in ((50, 90), (7, 8))
    ]
    found = adapter.refine(BLACK, faces)
    for face, one in zip(faces, found, strict=True):
        wanted = face.points[np.arange(68) % 5] + np.array([0.1, 0.2]) @ turn
        assert one.landmarks == pytest.approx(wanted, abs=1e-2)
        assert (one.points == face.points).all()


def test_no_faces_no_work() -> None:
    for contract in ADAPTERS:
        adapter = at_crop(contract, np.full((count_of(contract), 2), 5.0))
        assert adapter.refine(BLACK, []) == []


def test_every_contract_of_the_catalogue_has_an_adapter() -> None:
    contracts = [contract for contract in CATALOGUE.contracts.values() if contract.task == "landmarks"]
    assert {contract.adapter for contract in contracts} == set(LANDMARKERS)


def test_graphs_that_do_not_meet_the_contract_are_refused() -> None:
    with pytest.raises(ModelError, match=r"input 0 should be \(any × 3 × 192 × 192\)"):
        Regression(network(regression(np.zeros((106, 2)), 112), "insightface_106"))
    with pytest.raises(ModelError, match="output points should hold 212 values, found 1 × 136"):
        Regression(network(regression(np.zeros((68, 2)), 192), "insightface_106"))
    with pytest.raises(ModelError, match="expected output 3, found 1"):
        Regression(network(regression(np.zeros((106, 2)), 192), "insightface_106", output=3))
    with pytest.raises(ModelError, match="expected 2 outputs, found 1"):
        Heatmap(network(regression(np.zeros((68, 2)), 256), "heatmap_68"))
    with pytest.raises(ModelError, match="expected 5 outputs, found 3"):
        PipNet(network(pip(CELLS, OFFSETS), "pipnet_68", mean_face=[0.0, 1.0] * 68))
    with pytest.raises(ModelError, match="'five' wants five groups"):
        Regression(network(regression(np.zeros((68, 2)), 112), "pfld_68", five=[[1]]))
    with pytest.raises(ModelError, match="gives 68 points, 'five' names more"):
        adapter = Regression(network(regression(np.zeros((68, 2)), 112), "pfld_68", five=[[68]] * 5))
        adapter.refine(BLACK, [face_at(200, 150)])


def test_what_is_known_of_a_face_stays() -> None:
    face = replace(face_at(200, 150), track=3, embedding=np.ones(4))
    (found,) = at_crop("pfld_68", np.full((68, 2), 10.0)).refine(BLACK, [face])
    assert (found.track, found.score) == (3, face.score)
    assert (found.box == face.box).all()
