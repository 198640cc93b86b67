"""The mesh adapter's geometry, head pose and topology, and the native network against its teacher."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from omote.errors import ModelError
from omote.faces import pose, topology
from omote.faces.align import similarity, transform, warp
from omote.faces.face import Face
from omote.faces.mesh import FaceMesh, mesh_points, native_settings
from tests.networks import network
from tests.shared_data import SHARED, needs_shared

TEACHER = SHARED / "weights" / "lmk_mediapipe478_v2.onnx"
NATIVE = native_settings()
SIZE = NATIVE.size


def planted(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], size: int = SIZE) -> bytes:
    """An ONNX network with the native contract; its nodes give `points` and `presence`."""
    graph = helper.make_graph(
        nodes,
        "planted",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", 3, size, size])],
        [
            helper.make_tensor_value_info("points", TensorProto.FLOAT, ["n", 478, 3]),
            helper.make_tensor_value_info("presence", TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def brightest() -> FaceMesh:
    """All 478 points lie on the crop's brightest pixel, z = 10; the logit is 10 times the mean brightness."""
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["crops"], ["grey"], axes=[1], keepdims=0),
        node("Reshape", ["grey", "flat"], ["row"]),
        node("ArgMax", ["row"], ["place"], axis=1, keepdims=1),
        node("Mod", ["place", "size"], ["column"]),
        node("Div", ["place", "size"], ["line"]),
        node("Cast", ["column"], ["x"], to=TensorProto.FLOAT),
        node("Cast", ["line"], ["y"], to=TensorProto.FLOAT),
        node("Mul", ["x", "zero"], ["nothing"]),
        node("Add", ["nothing", "ten"], ["z"]),
        node("Concat", ["x", "y", "z"], ["xyz"], axis=1),
        node("Unsqueeze", ["xyz", "one"], ["single"]),
        node("Add", ["single", "zeros"], ["points"]),
        node("ReduceMean", ["row"], ["mean"], axes=[1], keepdims=0),
        node("Mul", ["mean", "ten"], ["presence"]),
    ]
    constants = {
        "flat": np.array([0, SIZE * SIZE], np.int64),
        "size": np.array([SIZE], np.int64),
        "one": np.array([1], np.int64),
        "zero": np.zeros(1, np.float32),
        "ten": np.full(1, 10, np.float32),
        "zeros": np.zeros((1, 478, 3), np.float32),
    }
    return FaceMesh(network(planted(nodes, constants), "omote_mesh"))


def fixed(points: np.ndarray, passes: int = 1) -> FaceMesh:
    """The network gives the same points for every crop."""
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["crops"], ["mean"], axes=[1, 2, 3], keepdims=0),
        node("Mul", ["mean", "zero"], ["presence"]),
        node("Reshape", ["presence", "column"], ["cube"]),
        node("Add", ["cube", "known"], ["points"]),
    ]
    constants = {
        "zero": np.zeros(1, np.float32),
        "column": np.array([-1, 1, 1], np.int64),
        "known": points[None].astype(np.float32),
    }
    return FaceMesh(network(planted(nodes, constants), "omote_mesh"), passes=passes)


def turned_points(angle: float, scale: float, middle: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Five points whose crop is a known similarity, and the matrix from crop to picture."""
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    linear = np.array([[c, -s], [s, c]])
    back = np.column_stack([linear, np.array(middle) - linear @ (SIZE / 2, SIZE / 2)])
    return transform(NATIVE.template, back).astype(np.float32), back


def face_at(points: np.ndarray) -> Face:
    low, high = points.min(0), points.max(0)
    return Face(np.concatenate([low, high]), 0.9, points)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (0, 2.3), (30, 1.4), (-75, 0.8), (170, 1.1)])
def test_points_land_where_the_network_saw_them(angle: float, scale: float) -> None:
    points, back = turned_points(angle, scale, (240, 200))
    dot = transform([80.0, 50.0], back)
    picture = np.zeros((420, 480, 3), np.uint8)
    picture = cv2.circle(picture, tuple(int(v) for v in np.round(dot)), 3, (255, 255, 255), -1)
    picture = cv2.GaussianBlur(picture, (0, 0), 2)
    (found,) = brightest().refine(picture, [face_at(points)])
    assert np.linalg.norm(found.mesh[0, :2] - np.round(dot)) < 1.2 * max(scale, 1)
    assert np.allclose(found.mesh[:, 2], 10 * scale, rtol=1e-4)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (40, 1.7), (-100, 0.6)])
def test_mesh_and_points_turn_with_the_face(angle: float, scale: float) -> None:
    crop_mesh = topology.CANONICAL * (30, 30, 30) + (64, 56, 0)
    points, back = turned_points(angle, scale, (300, 250))
    face = face_at(points)
    (found,) = fixed(crop_mesh).refine(np.zeros((500, 600, 3), np.uint8), [face])
    wanted = transform(crop_mesh[:, :2], back)
    assert np.abs(found.mesh[:, :2] - wanted).max() < 1e-3
    assert np.abs(found.mesh[:, 2] - crop_mesh[:, 2] * scale).max() < 1e-3
    assert np.abs(found.points - mesh_points(wanted)).max() < 1e-3
    assert found.pose[2] == pytest.approx(angle, abs=1.5)
    assert (found.box == face.box).all()
    assert found.score == face.score


def test_a_mesh_takes_the_place_of_the_points() -> None:
    points, back = turned_points(20, 1.5, (200, 200))
    mesh = np.zeros((478, 3), np.float32)
    crop_mesh = topology.CANONICAL * 30 + (64, 56, 0)
    mesh[:, :2] = transform(crop_mesh[:, :2], back)
    far = Face(np.array([0, 0, 9, 9]), 0.5, points + 90, mesh=mesh)
    picture = np.zeros((400, 400, 3), np.uint8)
    adapter = fixed(crop_mesh)
    by_mesh = adapter.refine(picture, [far])[0]
    by_points = adapter.refine(picture, [face_at(mesh_points(mesh))])[0]
    assert np.abs(by_mesh.mesh - by_points.mesh).max() < 1e-3


def test_the_second_pass_is_cropped_by_the_first_mesh() -> None:
    points, _ = turned_points(20, 1.5, (200, 200))
    crop_mesh = topology.CANONICAL * 30 + (64, 56, 0)
    picture = np.zeros((400, 400, 3), np.uint8)
    first = fixed(crop_mesh).refine(picture, [face_at(points)])[0]
    second = fixed(crop_mesh).refine(picture, [first])[0]
    both = fixed(crop_mesh, passes=2).refine(picture, [face_at(points)])[0]
    assert np.abs(both.mesh - second.mesh).max() < 1e-3
    assert np.abs(both.mesh - first.mesh).max() > 1


@pytest.mark.parametrize("middle", [(300, 200), (2, 395), (900, -500)])
@pytest.mark.parametrize("scale", [0.7, 2.6])
def test_the_crop_is_that_of_the_whole_picture(middle: tuple[float, float], scale: float) -> None:
    rng = np.random.default_rng(2)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (400, 600, 3), np.uint8), (0, 0), 6)
    points, _ = turned_points(25, scale, middle)
    matrix = similarity(points, NATIVE.template)
    whole = warp(picture, matrix, (SIZE, SIZE)).astype(np.float32).mean() / 255
    (found,) = brightest().refine(picture, [face_at(points)])
    assert np.log(found.presence / (1 - found.presence)) / 10 == pytest.approx(whole, abs=2e-3)


def test_several_faces_keep_their_order() -> None:
    faces = [face_at(turned_points(10 * i, 0.5 + 0.1 * i, (60 + 70 * i, 100))[0]) for i in range(4)]
    adapter = fixed(topology.CANONICAL * 30 + (64, 56, 0))
    picture = np.zeros((200, 400, 3), np.uint8)
    together = adapter.refine(picture, faces)
    for face, one in zip(faces, together, strict=True):
        alone = adapter.refine(picture, [face])[0]
        assert np.array_equal(alone.mesh, one.mesh)
    assert adapter.refine(picture, []) == []


def test_depth_of_the_pixels_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    eight = cv2.GaussianBlur(rng.integers(0, 256, (200, 200, 3), np.uint8), (0, 0), 3)
    face = face_at(turned_points(5, 0.9, (100, 100))[0])
    adapter = brightest()
    results = [
        adapter.refine(pixels, [face])[0]
        for pixels in (eight, eight.astype(np.uint16) * 257, eight.astype(np.float32) / np.float32(255))
    ]
    for found in results[1:]:
        assert found.presence == pytest.approx(results[0].presence, abs=2e-3)
    assert results[0].presence > 0.9  # a mean of 0.5 gives the logit 5


@pytest.mark.parametrize("size", [64, 192])
def test_a_network_of_another_shape_is_refused(size: int) -> None:
    nodes = [helper.make_node("ReduceMean", ["crops"], ["presence"], axes=[1, 2, 3], keepdims=0)]
    nodes.append(helper.make_node("Identity", ["known"], ["points"]))
    data = planted(nodes, {"known": np.zeros((1, 478, 3), np.float32)}, size)
    with pytest.raises(ModelError, match=r"planted: input 0 should be .* 128 × 128"):
        FaceMesh(network(data, "omote_mesh"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx"):
        FaceMesh.from_file(tmp_path / "none.onnx")


def rotated(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The canonical head turned and seen from far away, in pixels."""
    y, p, r = np.radians([yaw, pitch, roll])
    # x right, y down, z away: to the right about -y, up about x, clockwise about z.
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    head = topology.CANONICAL @ (about_y @ about_x @ about_z).T
    return head * 80 + (300, 200, 0)


@pytest.mark.parametrize(
    "wanted",
    [(0, 0, 0), (30, 0, 0), (-45, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 35), (0, 0, -120), (25, -15, 10)],
)
def test_pose_of_a_turned_head(wanted: tuple[float, float, float]) -> None:
    found = pose.head_pose(rotated(*wanted))
    assert np.abs(np.array(found) - wanted).max() < 4


def test_pose_of_heads_lying_any_way() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        wanted = rng.uniform((-60, -30, -180), (60, 30, 180))
        found = pose.head_pose(rotated(*wanted) + rng.normal(0, 1.5, (478, 3)))
        assert np.abs((found - wanted + 180) % 360 - 180).max() < 10, wanted


def test_the_nose_tells_the_signs() -> None:
    right, up = rotated(30, 0, 0), rotated(0, 20, 0)
    straight = rotated(0, 0, 0)
    assert right[4, 0] - right[[33, 263], 0].mean() > 20
    assert up[4, 1] < straight[4, 1]


def test_triangles_cover_the_face_once() -> None:
    triangles, canonical = topology.TRIANGLES, topology.CANONICAL[:, :2].astype(np.float64)
    assert triangles.shape == (898, 3)
    assert set(triangles.ravel()) == set(range(468))
    corners = canonical[triangles]
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = -(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2
    assert (areas > 0).all()
    oval = canonical[topology.FACE_OVAL].astype(np.float32)
    assert areas.sum() == pytest.approx(cv2.contourArea(oval), rel=1e-4)
    edges = {frozenset((int(a), int(b))) for t in triangles for a, b in zip(t, np.roll(t, 1), strict=True)}
    assert 468 - len(edges) + 898 == 1  # Euler: a disc


@pytest.mark.parametrize(
    ("contour", "count"), [("LEFT_EYE", 14), ("RIGHT_EYE", 14), ("INNER_LIPS", 18), ("FACE_OVAL", 898)]
)
def test_triangles_inside_a_contour(contour: str, count: int) -> None:
    points = getattr(topology, contour)
    inside = topology.triangles_inside(points)
    assert inside.sum() == count
    if contour != "FACE_OVAL":
        assert np.isin(topology.TRIANGLES[inside], points).all()


def test_the_mirror_is_its_own_inverse() -> None:
    mirror, canonical = topology.MIRROR, topology.CANONICAL
    assert (mirror[mirror] == np.arange(478)).all()
    assert np.abs(canonical[mirror] * (-1, 1, 1) - canonical).max() < 1e-5
    assert set(mirror[topology.LEFT_EYE]) == set(topology.RIGHT_EYE)
    assert set(mirror[topology.LEFT_BROW]) == set(topology.RIGHT_BROW)
    assert (mirror[[468, 61, 1]] == (473, 291, 1)).all()


def test_left_is_left_in_the_picture() -> None:
    canonical = topology.CANONICAL
    assert canonical[topology.LEFT_EYE, 0].max() < 0 < canonical[topology.RIGHT_EYE, 0].min()
    assert canonical[topology.LEFT_IRIS, 0].max() < 0 < canonical[topology.RIGHT_IRIS, 0].min()
    five = mesh_points(canonical)
    assert five[0, 0] < five[1, 0]
    assert five[3, 0] < five[4, 0]
    assert five[0, 1] < five[2, 1] < five[3, 1]


def test_the_tables_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        topology.TRIANGLES[0, 0] = 1


@pytest.fixture(scope="module")
def portraits() -> list[tuple[np.ndarray, Face]]:
    """Pictures of the shared media with one large face each, found by YuNet-n."""
    from omote.faces.detect import Detector

    detector = Detector.from_file(SHARED / "weights" / "det_yunet_n.onnx")
    folder = SHARED / "media" / "eval"
    files = sorted(folder.glob("expressions/*.jpg"))[:6] + sorted(folder.glob("synthetic_sources/*.jpg"))[::3]
    pictures = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]
    return [(picture, detector.find(picture)[0]) for picture in pictures]


@needs_shared
def test_the_native_network_agrees_with_its_teacher(portraits: list[tuple[np.ndarray, Face]]) -> None:
    native, teacher = FaceMesh(), FaceMesh.from_file(TEACHER, "mediapipe_478")
    errors = []
    for picture, face in portraits:
        (ours,), (theirs,) = native.refine(picture, [face]), teacher.refine(picture, [face])
        errors.append(np.linalg.norm(ours.mesh - theirs.mesh, axis=1).mean() / theirs.eye_distance)
        assert ours.presence > 0.7
        assert np.abs(np.array(ours.pose) - theirs.pose).max() < 8
    assert np.mean(errors) < 0.028, errors  # another crop of either network makes it 0.03 and more


@needs_shared
def test_the_native_network_knows_what_is_no_face(portraits: list[tuple[np.ndarray, Face]]) -> None:
    native = FaceMesh()
    rng = np.random.default_rng(0)
    for picture, face in portraits[:3]:
        noise = rng.integers(0, 256, picture.shape, np.uint8)
        assert native.refine(noise, [face])[0].presence < 0.3
        aside = face_at(face.points + np.float32(2.5 * face.eye_distance))
        assert native.refine(picture, [aside])[0].presence < 0.5


@needs_shared
def test_refined_points_stay_near_the_detectors(portraits: list[tuple[np.ndarray, Face]]) -> None:
    native = FaceMesh()
    for picture, face in portraits:
        found = native.refine(picture, [face])[0]
        moved = np.linalg.norm(found.points - face.points, axis=1) / face.eye_distance
        assert moved.mean() < 0.15
