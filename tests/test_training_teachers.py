"""Teachers: ONNX networks in torch give what ONNX Runtime gives, and let gradients through."""

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

import onnxruntime  # noqa: E402

from omote.errors import ModelError, UsageError  # noqa: E402
from omote.faces.align import template  # noqa: E402
from omote.faces.face import Face  # noqa: E402
from omote.faces.mesh import FaceMesh  # noqa: E402
from omote.training.data.crops import canonical, inverse, warp  # noqa: E402
from omote.training.data.drawn import drawn_faces  # noqa: E402
from omote.training.data.faces import FaceSet  # noqa: E402
from omote.training.embeddings import embeddings_of  # noqa: E402
from omote.training.networks.onnx_module import OnnxModule  # noqa: E402
from omote.training.teachers.identity import identity_teacher  # noqa: E402
from omote.training.teachers.mesh import MeshTeacher  # noqa: E402
from omote.zoo import Networks, native_weights  # noqa: E402
from tests.planted import planted  # noqa: E402
from tests.shared_data import SHARED, needs_shared  # noqa: E402

TRAINER = "id_mobilefacenet_ms1m_foamliu.onnx"
SMALL = {
    "attr_emotion7_mini_xception": 1e-5,
    "det_yunet_n": 1e-5,
    "fake_classnseg_full46": 1e-5,
    "gaze_mediapipe_iris": 1e-5,
    "id_mobilefacenet_casia_xiaoccer_112x96": 1e-5,
    "id_mobilefacenet_ms1m_foamliu": 1e-5,
    "lmk_mediapipe478_v2": 1e-5,
    "percep_squeezenet_v1.1": 1e-5,
    "pose_fsanet_var": 1e-5,
    "seg_mediapipe_selfie256": 1e-4,
    "seg_skin_clothes_hair_pan512": 1e-4,
    "sr_realesr_general_x4v3": 1e-5,
}


def both(data, shape_of):
    """The outputs of torch and of ONNX Runtime for the same smooth inputs."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    feed = {i.name: random.random(shape_of(i.shape), np.float32) for i in session.get_inputs()}
    module = OnnxModule(data)
    inputs = [torch.from_numpy(feed[name]).requires_grad_() for name in module.inputs]
    return module(*inputs), session.run(list(module.outputs), feed), inputs


def sized(shape):
    return [size if isinstance(size, int) else (1 if axis == 0 else 96) for axis, size in enumerate(shape)]


@needs_shared
@pytest.mark.parametrize("name", SMALL)
def test_small_public_networks_give_what_onnx_runtime_gives(name):
    data = (SHARED / "weights" / f"{name}.onnx").read_bytes()
    ours, theirs, inputs = both(data, sized)
    for mine, other in zip(ours, theirs, strict=True):
        scale = max(np.abs(other).max(), 1.0)
        assert np.abs(mine.detach().numpy() - other).max() <= SMALL[name] * scale * 10
    gradients = torch.autograd.grad(sum(mine.square().sum() for mine in ours if mine.requires_grad), inputs)
    assert all(torch.isfinite(g).all() and g.abs().sum() > 0 for g in gradients)


def test_the_native_mesh_network_gives_what_onnx_runtime_gives():
    ours, theirs, _ = both(native_weights("mesh"), lambda shape: [2, 3, 128, 128])
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), other, atol=2e-3)


CASES = {
    "slice": (
        [("Slice", ["x", "starts", "ends", "axes", "steps"], ["y"], {})],
        {
            "starts": np.array([5, 0]),
            "ends": np.array([-9, 4]),
            "axes": np.array([2, 3]),
            "steps": np.array([-2, 2]),
        },
    ),
    "gather": ([("Gather", ["x", "index"], ["y"], {"axis": 2})], {"index": np.array([[1, -1], [0, 3]])}),
    "reduce": ([("ReduceL2", ["x", "axes"], ["y"], {"keepdims": 0})], {"axes": np.array([1])}),
    "pad": (
        [("Pad", ["x", "pads"], ["y"], {"mode": "reflect"})],
        {"pads": np.array([0, 0, 1, 2, 0, 0, 3, 1])},
    ),
    "fill": (
        [("Pad", ["x", "pads", "fill"], ["y"], {})],
        {"pads": np.array([0, 1, 1, 2, 0, 0, 3, 1]), "fill": np.array(2.5, np.float32)},
    ),
    "same_pool": (
        [("MaxPool", ["x"], ["y"], {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"})],
        {},
    ),
    "average": (
        [("AveragePool", ["x"], ["y"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]})],
        {},
    ),
    "linear": (
        [("Resize", ["x", "", "scales"], ["y"], {"mode": "linear"})],
        {"scales": np.array([1, 1, 2, 3], np.float32)},
    ),
    "nearest": (
        [
            (
                "Resize",
                ["x", "", "scales"],
                ["y"],
                {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
            )
        ],
        {"scales": np.array([1, 1, 2, 2], np.float32)},
    ),
    "space": ([("DepthToSpace", ["x"], ["y"], {"blocksize": 2})], {}),
    "space_crd": ([("DepthToSpace", ["x"], ["y"], {"blocksize": 2, "mode": "CRD"})], {}),
    "split": ([("Split", ["x", "sizes"], ["a", "y"], {"axis": 1})], {"sizes": np.array([1, 3])}),
    "softmax": ([("Softmax", ["x"], ["y"], {"axis": 1})], {}),
    "hard": ([("HardSigmoid", ["x"], ["y"], {"alpha": 0.3, "beta": 0.4})], {}),
    "clip": (
        [("Clip", ["x", "low", "high"], ["y"], {})],
        {"low": np.array(0.3, np.float32), "high": np.array(0.6, np.float32)},
    ),
    "norm": (
        [("InstanceNormalization", ["x", "scale", "bias"], ["y"], {"epsilon": 1e-2})],
        {"scale": np.arange(4, dtype=np.float32), "bias": np.ones(4, np.float32)},
    ),
    "uneven_conv": (
        [
            (
                "Conv",
                ["x", "w"],
                ["y"],
                {"pads": [0, 1, 2, 0], "strides": [2, 1], "group": 2, "dilations": [1, 2]},
            )
        ],
        {"w": np.random.default_rng(1).random((6, 2, 3, 3), np.float32)},
    ),
    "transposed": (
        [
            (
                "ConvTranspose",
                ["x", "w"],
                ["y"],
                {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
            )
        ],
        {"w": np.random.default_rng(1).random((4, 3, 3, 3), np.float32)},
    ),
    "prelu": (
        [("PRelu", ["x", "slope"], ["y"], {})],
        {"slope": np.arange(4, dtype=np.float32).reshape(4, 1, 1)},
    ),
    "transpose": ([("Transpose", ["x"], ["y"], {"perm": [0, 2, 3, 1]})], {}),
    "division": ([("Div", ["x", "by"], ["y"], {})], {"by": np.array(3, np.float32)}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_does_what_its_schema_says(case):
    nodes, constants = CASES[case]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(kind, ins, outs, **attributes) for kind, ins, outs, attributes in nodes],
        "case",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 4, 8, 6])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = onnx.helper.make_opsetid("", 18)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10)
    ours, theirs, _ = both(model.SerializeToString(), lambda shape: shape)
    assert ours[0].shape == theirs[0].shape
    np.testing.assert_allclose(ours[0].detach().numpy(), theirs[0], atol=1e-5)


def test_an_unknown_operator_and_a_file_of_another_kind_are_told(tmp_path):
    model = planted([onnx.helper.make_node("Sin", ["x"], ["y"])], {}, {"x": (1, 3)}, {"y": (1, 3)})
    with pytest.raises(ModelError, match="its operator Sin is not known"):
        OnnxModule(model)
    (tmp_path / "no.onnx").write_text("no")
    with pytest.raises(ModelError, match="not an ONNX file"):
        OnnxModule(tmp_path / "no.onnx")
    with pytest.raises(ModelError, match="no such file"):
        OnnxModule(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="it has no value 'features'"):
        OnnxModule(native_weights("mesh"), ["features"])


def test_inner_values_can_be_asked_for():
    graph = onnx.load_from_string(native_weights("mesh")).graph
    first = next(node for node in graph.node if node.op_type == "Conv").output[0]
    (maps,) = OnnxModule(native_weights("mesh"), [first])(torch.zeros(1, 3, 128, 128))
    assert maps.shape == (1, 16, 64, 64)


# ---------------------------------------------------------------- mesh


def test_the_mesh_teacher_sees_what_the_runtime_sees():
    faces = drawn_faces()
    squares = faces.gather(torch.arange(3))
    with torch.no_grad():
        seen = MeshTeacher().eval()(canonical(squares, faces.border, faces.side)).numpy()
    points = template("arcface_112_v2") * faces.side + faces.border
    face = Face(box=np.array([16, 16, 144, 144], np.float32), score=1.0, points=points.astype(np.float32))
    mesh = FaceMesh(Networks().open("omote-mesh", "landmarks"))
    for square, found in zip(squares.numpy(), seen, strict=True):
        (expected,) = mesh.refine(square, [face])
        assert np.abs(found - (expected.mesh - [16, 16, 0])).mean() < 0.8  # half a pixel by framing


def test_points_move_with_the_picture():
    teacher, faces = MeshTeacher().eval(), drawn_faces()
    crops = canonical(faces.gather(torch.arange(2)), faces.border, faces.side)
    with torch.no_grad():
        still = teacher(crops)
        moved = teacher(torch.roll(crops, 4, dims=3))
        finer = teacher(torch.nn.functional.interpolate(crops, scale_factor=2, mode="bilinear"))
    assert still.shape == (2, 478, 3)
    shift = (moved - still)[..., 0].mean()
    assert 2.5 < shift < 5.5
    assert torch.median((finer[..., :2] + 0.5) / 2 - 0.5 - still[..., :2]).abs() < 1


def test_the_mesh_teacher_undoes_the_augmentation():
    teacher, faces = MeshTeacher().eval(), drawn_faces()
    crops = canonical(faces.gather(torch.arange(1)), faces.border, faces.side)
    turn = torch.tensor([[[0.98, -0.17, 0.02], [0.17, 0.98, -0.03]]])
    with torch.no_grad():
        plain = teacher(crops)
        back = teacher(warp(crops, turn, 128), inverse(turn))
    assert (plain - back)[..., :2].abs().mean() < 1.5


# ---------------------------------------------------------------- identity


def test_the_stand_in_tells_drawn_faces_apart_and_lets_gradients_through():
    teacher, faces = identity_teacher("pixels"), drawn_faces()
    crops = canonical(faces.gather(torch.arange(8)), faces.border, faces.side).requires_grad_()
    found = torch.nn.functional.normalize(teacher(crops))
    likeness = found @ found.T - 2 * torch.eye(8)
    assert likeness.max() < 0.99
    assert likeness.median() < 0.7
    found.sum().backward()
    assert crops.grad.abs().sum() > 0


@needs_shared
def test_the_trainer_gives_what_the_zoo_gives():
    teacher = identity_teacher(str(SHARED / "weights" / TRAINER))
    faces = FaceSet.open(SHARED / "data", limit=5)
    crops = canonical(faces.gather(torch.arange(5)), faces.border, faces.side)
    with torch.no_grad():
        slow = teacher(crops)
    quick = teacher.embed(crops)
    assert slow.shape == (5, teacher.width)
    torch.testing.assert_close(slow, quick, atol=1e-3, rtol=1e-4)


@needs_shared
def test_the_trainer_knows_people_again():
    teacher = identity_teacher(str(SHARED / "weights" / TRAINER))
    faces = FaceSet.open(SHARED / "data", where=["source = glint"], limit=60)
    found = torch.nn.functional.normalize(embeddings_of(faces, teacher, torch.device("cpu")))
    person = torch.from_numpy(faces.columns["person"])
    same = (person[:, None] == person[None]) & ~torch.eye(len(person), dtype=torch.bool)
    likeness = found @ found.T
    assert likeness[same].mean() > 0.5
    assert likeness[person[:, None] != person[None]].mean() < 0.15


def test_embeddings_are_kept_and_read_again(tmp_path):
    teacher, faces = identity_teacher("pixels"), drawn_faces()
    first = embeddings_of(faces, teacher, torch.device("cpu"), tmp_path)
    (kept,) = tmp_path.glob("*.npy")
    assert torch.equal(first, teacher.embed(canonical(faces.pixels, faces.border, faces.side)))
    np.save(kept, np.full_like(first.numpy(), 7))
    assert (embeddings_of(faces, teacher, torch.device("cpu"), tmp_path) == 7).all()
    np.save(kept, np.zeros((3, 2), np.float32))  # of something else
    assert torch.equal(embeddings_of(faces, teacher, torch.device("cpu"), tmp_path), first)


def test_a_network_that_is_no_identity_network_is_told(tmp_path):
    (tmp_path / "mesh.onnx").write_bytes(native_weights("mesh"))
    with pytest.raises(UsageError, match=r"mesh\.onnx: nothing says how this network is used"):
        identity_teacher(str(tmp_path / "mesh.onnx"))
