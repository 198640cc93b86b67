"""Training omote-mesh: augmentation keeps labels true, runs resume exactly, a few crops are learnt."""

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from omote.faces import topology  # noqa: E402
from omote.faces.align import template, transform  # noqa: E402
from omote.faces.mesh import FaceMesh, mesh_points, native_settings  # noqa: E402
from omote.training.mesh import augment  # noqa: E402
from omote.training.mesh.batches import Labelled, Sampler, plain_crops, sampling_weights  # noqa: E402
from omote.training.mesh.data import ALIGNED, EYE_DISTANCE, FaceSet  # noqa: E402
from omote.training.mesh.losses import MeshLoss  # noqa: E402
from omote.training.mesh.net import MeshNet  # noqa: E402
from omote.training.mesh.recipe import Settings, Trainer, export  # noqa: E402
from omote.training.mesh.views import SIZE, mesh_view, to_picture  # noqa: E402
from omote.zoo import Session  # noqa: E402

TINY = {"size": 64, "widths": (8, 8, 16, 16, 16), "depths": (1, 1, 1), "modes": 16}


def drawn_faces(count: int = 8, held_out: int = 0) -> Labelled:
    """Cartoon faces: discs on the eyes, nose and mouth of canonical meshes of various widths."""
    rng = np.random.default_rng(5)
    images, meshes = [], []
    for _ in range(count):
        mesh = topology.CANONICAL.copy()
        mesh[:, :2] *= rng.uniform(0.85, 1.15, 2)
        mesh = mesh * EYE_DISTANCE + (ALIGNED / 2, 73, 0)
        image = np.full((ALIGNED, ALIGNED, 3), rng.integers(0, 90, 3), np.uint8)
        oval = np.round(mesh[topology.FACE_OVAL, :2]).astype(np.int32)
        cv2.fillPoly(image, [oval], (200, 160, 130))
        for contour, colour in (("LEFT_EYE", 255), ("RIGHT_EYE", 255), ("OUTER_LIPS", 40)):
            points = np.round(mesh[getattr(topology, contour), :2]).astype(np.int32)
            cv2.fillPoly(image, [points], (colour, 40, 40))
        images.append(image)
        meshes.append(mesh)
    five = np.repeat((template("arcface_112_v2") * 128 + 16)[None], count, 0).astype(np.float32)
    faces = FaceSet(
        np.stack(images),
        five,
        np.zeros((count, 3), np.float32),
        np.arange(count) < held_out,
        np.full(count, "drawn"),
    )
    return Labelled(faces, np.stack(meshes).astype(np.float32), np.full(count, 5, np.float32))


@pytest.fixture
def sampler() -> Sampler:
    backgrounds = np.random.default_rng(1).integers(0, 256, (3, ALIGNED, ALIGNED, 3), np.uint8)
    return Sampler([drawn_faces()], backgrounds, 64, seed=3)


def test_held_out_and_doubtful_faces_are_never_drawn() -> None:
    labelled = drawn_faces(6, held_out=2)
    labelled.logits[4] = -1
    weights = sampling_weights(labelled)
    assert (weights > 0).tolist() == [False, False, True, True, False, True]


def test_a_turned_head_is_drawn_more_often() -> None:
    labelled = drawn_faces(2)
    mesh = labelled.meshes[0]
    angle = np.radians(40)
    x, z = mesh[:, 0] - mesh[:, 0].mean(), mesh[:, 2].copy()
    mesh[:, 0], mesh[:, 2] = x * np.cos(angle) - z * np.sin(angle), x * np.sin(angle) + z * np.cos(angle)
    weights = sampling_weights(labelled)
    assert weights[0] > 3 * weights[1]


def test_batches_repeat_and_differ(sampler: Sampler) -> None:
    first, again, other = sampler.batch(4, 6), sampler.batch(4, 6), sampler.batch(5, 6)
    assert np.array_equal(first.crops, again.crops)
    assert np.array_equal(first.meshes, again.meshes)
    assert not np.array_equal(first.crops, other.crops)


def test_labels_follow_the_crop(sampler: Sampler) -> None:
    """Where the label says eye, the warped picture is as bright as the eye was drawn."""
    hits = []
    rng = np.random.default_rng(0)
    for _ in range(30):
        crop, mesh = sampler._face(rng, off=False)
        if rng.random() < 0.5:
            crop, mesh = augment.mirror(crop, mesh)
        for eye in (topology.LEFT_EYE, topology.RIGHT_EYE):
            x, y = np.round(mesh[eye, :2].mean(0)).astype(int)
            if 1 < x < 62 and 1 < y < 62:
                hits.append(int(crop[y, x, 0]) - int(crop[y, x, 1]))
    assert len(hits) > 40
    assert np.median(hits) > 120


def test_a_mirrored_face_keeps_left_on_the_left() -> None:
    mesh = (topology.CANONICAL * 15 + (20, 30, 0)).astype(np.float64)
    crop = np.zeros((64, 64, 3), np.uint8)
    _, mirrored = augment.mirror(crop, mesh)
    five = mesh_points(mirrored)
    assert five[0, 0] < five[1, 0]
    assert mirrored[:, 0].mean() == pytest.approx(63 - 20, abs=1)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0, 50, -160])
def test_the_teachers_crop_about_a_mesh(angle: float, mirrored: bool) -> None:
    turn = np.radians(angle)
    linear = 37 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    mesh = topology.CANONICAL.astype(np.float64) * 37
    mesh[:, :2] = topology.CANONICAL[:, :2] @ linear.T + (210, 90)
    matrix = mesh_view(mesh, 1.5, mirrored)
    crop = np.column_stack(
        [transform(mesh[:, :2], matrix), mesh[:, 2] * np.sqrt(abs(np.linalg.det(matrix[:, :2])))]
    )
    low, high = crop[:468, :2].min(0), crop[:468, :2].max(0)
    assert (high - low).max() == pytest.approx(SIZE / 1.5, rel=1e-4)
    assert np.allclose((low + high) / 2, (SIZE - 1) / 2, atol=1e-3)
    assert crop[33, 1] == pytest.approx(crop[263, 1], abs=1e-3)
    assert (crop[33, 0] > crop[263, 0]) == mirrored
    assert np.abs(to_picture(crop, matrix) - mesh).max() < 1e-6


@pytest.mark.parametrize("off", [False, True])
def test_framing_stays_in_its_limits(off: bool) -> None:
    rng = np.random.default_rng(0)
    matrices = [augment.jitter(rng, 128, off=off) for _ in range(300)]
    scales = np.array([np.hypot(m[0, 0], m[1, 0]) for m in matrices])
    shifts = np.array([np.abs(transform([63.5, 63.5], m) - 63.5).max() / 128 for m in matrices])
    fine = (scales > 0.79) & (scales < 1.26) & (shifts < 0.09)
    assert not fine.any() if off else fine.all()


def test_the_loss_reaches_points_and_presence_of_faces_only() -> None:
    loss = MeshLoss()
    points = torch.zeros(2, 478, 3, requires_grad=True)
    logits = torch.zeros(2, requires_grad=True)
    meshes, present = torch.ones(2, 478, 3), torch.tensor([True, False])
    total, shape = loss(points, logits, meshes, present, torch.tensor([10.0, 10.0]))
    total.backward()
    assert points.grad[0].abs().min() > 0
    assert points.grad[1].abs().max() == 0
    assert logits.grad[0] < 0 < logits.grad[1]
    assert float(shape.detach()) == pytest.approx(2**0.5 / 10 + 0.25 / 10, rel=0.05)


def test_the_rate_rises_and_falls_to_zero() -> None:
    settings = Settings(samples=64_000, warmup=6_400)
    rates = [settings.rate_at(step) for step in range(settings.steps)]
    assert rates[0] < rates[50] < settings.rate * 1.001
    assert max(rates) == pytest.approx(settings.rate, rel=1e-3)
    assert rates[-1] < settings.rate * 1e-4


def test_a_resumed_run_equals_an_unbroken_one(sampler: Sampler) -> None:
    settings = Settings(samples=64, batch=8, warmup=16, seed=2)
    whole = Trainer(settings, sampler, lambda: MeshNet(**TINY))
    for _ in range(4):
        whole.advance()
    first = Trainer(settings, sampler, lambda: MeshNet(**TINY))
    for _ in range(2):
        first.advance()
    second = Trainer(settings, sampler, lambda: MeshNet(**TINY))
    second.restore(first.state())
    for _ in range(2):
        second.advance()
    for a, b in zip(whole.net.parameters(), second.net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_few_faces_are_learnt() -> None:
    labelled = drawn_faces()
    batch = plain_crops(labelled, np.arange(8), 64)
    torch.manual_seed(0)
    net, loss = MeshNet(**TINY), MeshLoss()
    net.set_basis(torch.from_numpy(np.concatenate([batch.meshes] * 4)))
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    crops = torch.from_numpy(batch.crops).permute(0, 3, 1, 2).float() / 255
    labels = [torch.from_numpy(v) for v in (batch.meshes, batch.present, batch.distances)]
    history = []
    for _ in range(120):
        total, shape = loss(*net(crops), *labels)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(float(shape.detach()))
    assert history[-1] < 0.03 < history[0]


def test_an_exported_network_meets_the_contract(tmp_path: Path) -> None:
    net = MeshNet()
    average = torch.optim.swa_utils.AveragedModel(net, use_buffers=True)
    torch.save({"average": average.state_dict()}, tmp_path / "state.pt")
    export(tmp_path / "state.pt", tmp_path / "mesh.onnx")
    network = FaceMesh.from_file(tmp_path / "mesh.onnx")
    size = network.settings.size
    assert network.settings == native_settings()
    session = Session(tmp_path / "mesh.onnx")
    crops = np.random.default_rng(0).random((3, 3, size, size), np.float32)
    points, logits = session.run(crops)
    wanted_points, wanted_logits = average.module.eval()(torch.from_numpy(crops))
    assert np.abs(points - wanted_points.detach().numpy()).max() < 1e-2
    assert np.abs(logits - wanted_logits.detach().numpy()).max() < 1e-3
    assert sum(p.numel() for p in net.parameters()) < 1_000_000
