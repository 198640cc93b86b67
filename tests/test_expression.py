"""Head pose, irises and expressions: what the networks are fed, and the real ones on real photos."""

import json
from functools import cache

import cv2
import numpy as np
import pytest
from onnx import helper

from omote.errors import ModelError
from omote.faces import expression
from omote.faces.contours import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from omote.faces.detect import Detector
from omote.faces.expression import EXPRESSIONS, Blendshapes
from omote.faces.face import Face
from omote.faces.iris import IRISES, IrisNetwork
from omote.faces.mesh import FaceMesh
from omote.faces.pose_network import POSERS, PoseNetwork
from omote.faces.topology import CANONICAL
from omote.zoo import Network
from tests.networks import CATALOGUE, network, real
from tests.planted import planted
from tests.shared_data import SHARED, needs_shared

BLACK = np.zeros((300, 400, 3), np.uint8)


def meshed(angle: float = 0, scale: float = 60) -> Face:
    """The canonical head in a picture of 300 × 400."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    mesh = CANONICAL.astype(np.float64) * scale
    mesh[:, :2] = mesh[:, :2] @ np.array([[c, s], [-s, c]]) + (200, 150)
    return Face(np.array([150, 100, 250, 200]), 0.9, np.zeros((5, 2)), mesh=mesh)


def poses(*values: float, reveal: bool = False) -> bytes:
    """A pose network that says these degrees, or the three channels of the middle pixel of its crop."""
    nodes = [
        helper.make_node("Gather", ["input", "middle"], ["line"], axis=2),
        helper.make_node("Gather", ["line", "middle"], ["pixel"], axis=2),
        helper.make_node("Mul", ["pixel", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "said"], ["output"]),
    ]
    constants = {
        "middle": np.array(32, np.int64),
        "gain": np.array([float(reveal)], np.float32),
        "said": np.array([values], np.float32),
    }
    return planted(nodes, constants, {"input": [1, 3, 64, 64]}, {"output": [1, 3]})


def test_the_pose_networks_are_averaged_and_their_signs_are_ours() -> None:
    first, second = (network(poses(*values), "fsanet") for values in ((10, 20, 30), (20, 40, -10)))
    adapter = PoseNetwork(Network(first.card, first.session, first.read, {"variant": second}))
    found = adapter.refine(BLACK, [meshed(), meshed()])
    assert [face.pose for face in found] == [pytest.approx((-15, 30, 10))] * 2
    assert PoseNetwork(first).refine(BLACK, [meshed()])[0].pose == pytest.approx((-10, 20, 30))
    assert adapter.refine(BLACK, []) == []


def test_the_pose_network_gets_what_it_was_trained_on() -> None:
    pixels = BLACK.copy()
    pixels[:] = (200, 100, 50)
    (face,) = PoseNetwork(network(poses(0, 0, 0, reveal=True), "fsanet", signs=[1, 1, 1])).refine(
        pixels, [meshed()]
    )
    assert face.pose == pytest.approx((np.array([50, 100, 200]) - 127.5) / 127.5, abs=1e-5)
    pixels[:] = 0
    pixels[145:155, 195:205] = 255  # the middle of the box, and no more of it than the crop's middle tenth
    adapter = PoseNetwork(network(poses(0, 0, 0, reveal=True), "fsanet"))
    assert adapter.refine(pixels, [meshed()])[0].pose[1] == pytest.approx(1, abs=1e-5)


def irises(points: np.ndarray) -> bytes:
    """An iris network that says these points, (5, 2), for every eye."""
    nodes = [
        helper.make_node("Identity", ["known"], ["iris"]),
        helper.make_node("Identity", ["zeros"], ["contour"]),
    ]
    rows = np.column_stack([points, np.zeros(5)]).reshape(1, 15).astype(np.float32)
    constants = {"known": rows, "zeros": np.zeros((1, 213), np.float32)}
    return planted(nodes, constants, {"input": [1, 64, 64, 3]}, {"contour": [1, 213], "iris": [1, 15]})


@pytest.mark.parametrize("angle", [0, 40, -100])
def test_irises_come_back_where_the_network_saw_them(angle: float) -> None:
    points = np.array([[36.5, 33.5], [41, 33.5], [36.5, 29], [32, 33.5], [36.5, 38]])
    face = meshed(angle)
    (found,) = IrisNetwork(network(irises(points), "mediapipe_iris")).refine(BLACK, [face])
    mesh = face.mesh[:, :2]
    for eye, iris, mirror in (((33, 133), LEFT_IRIS, 1), ((362, 263), RIGHT_IRIS, -1)):
        across = mesh[eye[1]] - mesh[eye[0]]
        down = np.array([-across[1], across[0]])
        unit = 2.3 / 64
        offsets = (points - 31.5) * unit
        wanted = mesh[list(eye)].mean(0) + mirror * offsets[:, :1] * across + offsets[:, 1:] * down
        order = [0, 1, 2, 3, 4] if mirror == 1 else [0, 3, 2, 1, 4]
        assert found.mesh[list(iris), :2] == pytest.approx(wanted[order], abs=1e-3)
    assert (found.mesh[:468] == face.mesh[:468]).all()
    assert (found.mesh[:, 2] == face.mesh[:, 2]).all()


def test_the_right_eye_is_shown_as_a_left_one() -> None:
    """What the network says is the mean of the left half and of the right half of its crop, and the red."""
    pixels = BLACK.copy()
    face = meshed()
    right = face.mesh[[362, 263], :2].mean(0)
    pixels[:, : int(face.mesh[[33, 133], 0].mean())] = (102, 0, 0)
    pixels[:, int(np.ceil(right[0])) :] = (204, 0, 0)
    nodes = [
        helper.make_node("Slice", ["input", "begin", "middle", "axis"], ["half"]),
        helper.make_node("ReduceMean", ["half"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Concat", ["mean", "rest"], ["iris"], axis=1),
        helper.make_node("Identity", ["zeros"], ["contour"]),
    ]
    constants = {
        "begin": np.array([0], np.int64),
        "middle": np.array([30], np.int64),
        "axis": np.array([2], np.int64),
        "rest": np.zeros((1, 12), np.float32),
        "zeros": np.zeros((1, 213), np.float32),
    }
    model = planted(nodes, constants, {"input": [1, 64, 64, 3]}, {"contour": [1, 213], "iris": [1, 15]})
    (found,) = IrisNetwork(network(model, "mediapipe_iris")).refine(pixels, [face])
    for eye, iris, mirror, colour in (((33, 133), 468, 1, 0.4), ((362, 263), 473, -1, 0.8)):
        first, last = face.mesh[list(eye), :2]
        across = (last - first) / np.linalg.norm(last - first) ** 2  # per width of the eye
        place = (found.mesh[iris, :2] - (first + last) / 2) @ across * mirror
        assert place * 64 / 2.3 + 31.5 == pytest.approx(colour, abs=0.02)


def test_irises_need_a_mesh() -> None:
    with pytest.raises(ModelError, match="no mesh"):
        IrisNetwork(network(irises(np.zeros((5, 2))), "mediapipe_iris")).refine(
            BLACK, [Face(np.zeros(4), 1.0, np.zeros((5, 2)))]
        )


def test_blendshapes_see_their_points_in_their_order() -> None:
    assert len(expression.POINTS) == 146
    assert len(expression.NAMES) == 52
    nodes = [
        helper.make_node("Gather", ["input", "axis"], ["x"], axis=2),
        helper.make_node("Gather", ["x", "first"], ["some"], axis=1),
        helper.make_node("Reshape", ["some", "flat"], ["output"]),
    ]
    constants = {
        "axis": np.array(0, np.int64),
        "first": np.arange(94, 146),
        "flat": np.array([52], np.int64),
    }
    model = planted(nodes, constants, {"input": [1, 146, 2]}, {"output": [52]})
    mesh = np.column_stack([np.arange(478), np.zeros(478), np.zeros(478)])
    found = Blendshapes(network(model, "blendshapes_52")).read([mesh, mesh + 1])
    assert found.tolist() == [list(expression.POINTS[94:]), [point + 1 for point in expression.POINTS[94:]]]
    assert Blendshapes(network(model, "blendshapes_52")).read([]).shape == (0, 52)


def test_every_contract_of_the_catalogue_has_an_adapter() -> None:
    for task, adapters in (("pose", POSERS), ("iris", IRISES), ("expression", EXPRESSIONS)):
        contracts = [contract for contract in CATALOGUE.contracts.values() if contract.task == task]
        assert {contract.adapter for contract in contracts} == set(adapters)


@cache
def faces() -> list[tuple[str, np.ndarray, Face]]:
    """Single faces of the shared photos, with the meshes of MediaPipe's own network."""
    detector, mesh = Detector(), FaceMesh(real("lmk_mediapipe478_v2.onnx", "mediapipe_478"), passes=2)
    found = []
    for folder in ("expressions", "profile", "synthetic_sources"):
        for file in sorted((SHARED / "media" / "eval" / folder).iterdir()):
            pixels = np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB))
            found += [(file.stem, pixels, face) for face in mesh.refine(pixels, detector.find(pixels)[:1])]
    return found


@needs_shared
def test_fsanet_agrees_with_the_pose_of_the_mesh() -> None:
    first, second = (real(f"pose_fsanet_{kind}.onnx", "fsanet") for kind in ("1x1", "var"))
    adapter = PoseNetwork(Network(first.card, first.session, first.read, {"variant": second}))
    ours = np.array([face.pose for _, _, face in faces()])
    theirs = np.array([adapter.refine(pixels, [face])[0].pose for _, pixels, face in faces()])
    assert np.corrcoef(ours[:, 0], theirs[:, 0])[0, 1] > 0.9
    assert np.corrcoef(ours[:, 1], theirs[:, 1])[0, 1] > 0.5
    assert (np.median(np.abs(ours - theirs), axis=0) < (2, 6, 2)).all()


@needs_shared
def test_irises_lie_within_their_lids() -> None:
    adapter = IrisNetwork(real("gaze_mediapipe_iris.onnx", "mediapipe_iris"))
    gaps = []
    frontal = [entry for entry in faces() if max(abs(angle) for angle in entry[2].pose) < 25]
    assert len(frontal) >= 20
    for _, pixels, face in frontal:
        (found,) = adapter.refine(pixels, [face])
        for eye, iris in ((LEFT_EYE, LEFT_IRIS), (RIGHT_EYE, RIGHT_IRIS)):
            old, new = face.mesh[list(iris), :2], found.mesh[list(iris), :2]
            width = np.ptp(face.mesh[list(eye), 0])
            gaps.append(np.linalg.norm(new - old, axis=1).mean() / width)
            assert cv2.pointPolygonTest(face.mesh[list(eye), :2], new[0].tolist(), True) > -0.15 * width
            assert new[1, 0] > new[0, 0] > new[3, 0], "right and left of the rim"
            assert new[2, 1] < new[0, 1] < new[4, 1], "top and bottom"
    assert np.median(gaps) < 0.08


@needs_shared
def test_names_and_points_are_those_of_mediapipe() -> None:
    facts = json.loads((SHARED / "weights" / "mediapipe_blendshapes.json").read_text("utf-8"))
    assert list(expression.POINTS) == facts["point_indices"]
    assert list(expression.NAMES) == facts["names"]


@needs_shared
def test_blendshapes_follow_the_mesh() -> None:
    adapter = Blendshapes(real("expr_mediapipe_blendshapes52.onnx", "blendshapes_52"))
    meshes = [face.mesh for _, _, face in faces()]
    found = dict(zip(expression.NAMES, adapter.read(meshes).T, strict=True))
    moved = adapter.read([mesh * 2 + 50 for mesh in meshes])
    assert np.abs(moved - np.stack(list(found.values()), axis=1)).max() < 1e-3, "size and place do not matter"

    def gap(mesh: np.ndarray, a: int, b: int) -> float:
        return float(np.linalg.norm(mesh[a, :2] - mesh[b, :2]) / np.linalg.norm(mesh[33, :2] - mesh[263, :2]))

    smile = [gap(mesh, 61, 291) for mesh in meshes]
    open_jaw = [gap(mesh, 13, 14) for mesh in meshes]
    assert np.corrcoef(found["mouthSmileLeft"], smile)[0, 1] > 0.7
    assert np.corrcoef(found["jawOpen"], open_jaw)[0, 1] > 0.5
    names = [name for name, *_ in faces()]
    laugh = found["mouthSmileLeft"][names.index("stock-emotions-a-6")]
    sulk = found["mouthSmileLeft"][names.index("stock-emotions-a-5")]
    assert laugh > 0.7 > 0.3 > sulk
