"""Frozen teachers: equal to their ONNX twins, differentiable, in their own framings."""

import numpy as np
import pytest

from omote.errors import ModelError, UsageError
from omote.faces.align import similarity, template, transform
from omote.faces.align import warp as warp_pixels
from omote.faces.detect import Detector
from omote.faces.mesh import FaceMesh, mesh_points, native_settings
from omote.media.picture import open_image
from omote.zoo import native_weights
from tests.shared_data import SHARED

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")
ort = pytest.importorskip("onnxruntime")

from torch.nn import functional as F  # noqa: E402

from omote.training.data.crops import canonical, warp  # noqa: E402
from omote.training.networks.frozen import (  # noqa: E402
    SQUEEZENET_MAPS,
    FrozenFeatures,
    FrozenIdentity,
    FrozenMesh,
    laid_over,
)

IDENTITY = SHARED / "weights" / "id_mobilefacenet_ms1m_foamliu.onnx"
FEATURES = SHARED / "weights" / "percep_squeezenet_v1.1.onnx"
needs_identity = pytest.mark.skipif(
    not IDENTITY.is_file(), reason=f"needs {IDENTITY.name} beside the checkout"
)
needs_features = pytest.mark.skipif(
    not FEATURES.is_file(), reason=f"needs {FEATURES.name} beside the checkout"
)
PHOTOS = SHARED / "media" / "eval" / "synthetic_sources"
WHOLE = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def mesh():
    return FrozenMesh()


def smooth(count: int, side: int) -> "torch.Tensor":
    """Pictures without hard edges, which photos hardly have either."""
    coarse = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(5)) * 2 - 1
    return F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True).clamp(-1, 1)


def run(model, name, picture):
    """What ONNX Runtime gives for one picture at a time."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    entrance = session.get_inputs()[0].name
    return np.concatenate([session.run([name], {entrance: one[None].numpy()})[0] for one in picture])


def assert_frozen_but_differentiable(network, picture):
    assert not list(network.parameters())
    picture = picture.clone().requires_grad_()
    made = network(picture)
    sum(m.float().square().mean() for m in (made if isinstance(made, list) else [made])).backward()
    assert (picture.grad.flatten(1).abs().sum(1) > 0).all()


# --- identity


@needs_identity
def test_identity_equals_its_twin():
    faces = smooth(2, 112)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    twin = run(str(IDENTITY), "output0", ((faces + 1) / 2 - mean) / std)
    twin /= np.linalg.norm(twin, axis=1, keepdims=True)
    made = FrozenIdentity(IDENTITY)(faces)
    assert made.shape == (2, 128)
    np.testing.assert_allclose(made.numpy(), twin, atol=1e-4)


@needs_identity
def test_identity_is_frozen_and_differentiable_and_wants_its_size():
    network = FrozenIdentity(IDENTITY)
    picture = smooth(2, 112).requires_grad_()
    network(picture)[:, 0].sum().backward()  # the length of a unit vector has no gradient
    assert (picture.grad.flatten(1).abs().sum(1) > 0).all()
    assert not list(network.parameters())
    with pytest.raises(UsageError, match=r"faces of 128 × 112 px: .* wants 112"):
        network(torch.zeros(1, 3, 112, 128))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        FrozenIdentity(tmp_path / "none.onnx")


def test_another_network_is_refused(tmp_path):
    file = tmp_path / "mesh.onnx"
    file.write_bytes(native_weights("mesh"))
    with pytest.raises(ModelError, match="it has no value 'fire3/concat'"):
        FrozenFeatures(file)


# --- perceptual maps


@needs_features
def test_features_equal_the_inner_values_of_their_twin():
    onnx = pytest.importorskip("onnx", reason="inner values are made outputs of the file")
    picture = smooth(2, 227)
    network = FrozenFeatures(FEATURES)
    model = onnx.load(FEATURES)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in SQUEEZENET_MAPS)
    mean = torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
    wanted = (picture.flip(1) + 1) * 127.5 - mean
    for name, channels, made in zip(SQUEEZENET_MAPS, network.channels, network(picture), strict=True):
        twin = run(model.SerializeToString(), name, wanted)
        assert made.shape == twin.shape
        assert made.shape[1] == channels
        np.testing.assert_allclose(made.numpy(), twin, rtol=1e-4, atol=1e-4 * np.abs(twin).max())


@needs_features
def test_features_are_frozen_and_differentiable():
    assert_frozen_but_differentiable(FrozenFeatures(FEATURES), smooth(2, 64))


# --- mesh


def test_mesh_equals_its_twin(mesh):
    crops = smooth(2, mesh.size)
    twin = run(native_weights("mesh"), "points", (crops + 1) / 2)[..., :2]
    made = mesh(crops)
    assert made.shape == (2, 478, 2)
    pixels = ((made + 1) * mesh.size - 1) / 2
    np.testing.assert_allclose(pixels.numpy(), twin, atol=2e-3)


def test_mesh_keeps_its_precision_under_autocast(mesh):
    crops = smooth(1, mesh.size)
    with torch.autocast("cpu", torch.bfloat16):
        made = mesh(crops)
    torch.testing.assert_close(made, mesh(crops), atol=0, rtol=0)


def test_mesh_is_frozen_and_differentiable_and_wants_its_size(mesh):
    assert_frozen_but_differentiable(mesh, smooth(2, mesh.size))
    with pytest.raises(UsageError, match="crops of 64 × 64 px"):
        mesh(torch.zeros(1, 3, 64, 64))


def test_the_eye_distance_is_that_of_the_template(mesh):
    five = native_settings().template
    assert mesh.distance == pytest.approx(2 / 128 * np.hypot(*(five[1] - five[0])))


@pytest.mark.parametrize("border", [0, 16])
def test_the_view_lays_the_template_of_canonical_faces_on_that_of_the_mesh(mesh, border):
    side = 128
    view = mesh.view(side, border).double().numpy()
    mine = (2 * native_settings().template + 1) / mesh.size - 1
    canonical_points = template("arcface_112_v2").astype(np.float64) * side + border
    wanted = (2 * canonical_points + 1) / (side + 2 * border) - 1
    np.testing.assert_allclose(mine @ view[:, :2].T + view[:, 2], wanted, atol=1e-5)


def test_views_with_and_without_border_show_the_same_inside(mesh):
    squares = ((smooth(1, 160) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
    wide = canonical(squares, 0, 160)
    inner = canonical(squares, 16, 128)
    a, b = (warp(p, mesh.view(128, border)[None], mesh.size) for p, border in ((wide, 16), (inner, 0)))
    middle = slice(24, 104)
    torch.testing.assert_close(a[..., middle, middle], b[..., middle, middle], atol=0.02, rtol=0)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs ../shared/media/eval")
def test_mesh_in_its_view_of_a_canonical_face_agrees_with_the_runtime(mesh):
    pixels = open_image(sorted(PHOTOS.iterdir())[0]).pixels
    face = max(Detector().find(pixels), key=lambda f: f.score)
    matrix = similarity(face.points, template("arcface_112_v2") * 128)
    crop = torch.from_numpy(warp_pixels(pixels, matrix, (128, 128)))[None]
    points = mesh(warp(canonical(crop, 0, 128), mesh.view(128, 0)[None], mesh.size))[0]
    view = mesh.view(128, 0).double().numpy()
    made = mesh_points(points.numpy()) @ view[:, :2].T + view[:, 2]
    runtime = FaceMesh().refine(pixels, [face])[0].points
    wanted = (2 * transform(runtime, matrix) + 1) / 128 - 1
    assert np.hypot(*(made - wanted).T).max() < 0.03 * mesh.distance


# --- laying a fake over its photo


def test_a_fake_that_covers_all_replaces_all():
    crops, fake = smooth(1, 32), -smooth(1, 32)
    torch.testing.assert_close(laid_over(crops, fake, WHOLE), fake, atol=1e-5, rtol=0)


def test_what_the_fake_does_not_cover_stays():
    crops, fake = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 16, 16)
    half = WHOLE * 2  # the fake is seen at half its size, in the middle
    made = laid_over(crops, fake, half)
    assert made[..., 8:24, 8:24].min() > 0.99
    assert made[..., :7, :].abs().max() == made[..., 25:, :].abs().max() == 0
    torch.testing.assert_close(made.mean(), torch.tensor(0.25), atol=0.01, rtol=0)


def test_laying_over_is_differentiable_and_knows_one_sample_only():
    crops, fake = smooth(2, 32), smooth(2, 24).requires_grad_()
    theta = torch.cat([WHOLE * 1.2, WHOLE * 0.9])
    made = laid_over(crops, fake, theta)
    made[0].sum().backward()
    assert fake.grad[0].abs().sum() > 0
    assert fake.grad[1].abs().sum() == 0
    torch.testing.assert_close(laid_over(crops[1:], fake[1:], theta[1:]), made[1:], atol=0, rtol=0)
