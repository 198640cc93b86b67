"""The detector's training: labels follow the pictures, losses reach the network, a run can be resumed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from omote.faces.detect import STRIDES, Detector, decode  # noqa: E402
from omote.training.detect.augment import Composer, spoil  # noqa: E402
from omote.training.detect.data import Scene  # noqa: E402
from omote.training.detect.loss import Targets, add_labels, cells, detection_loss, distance_iou  # noqa: E402
from omote.training.detect.net import DetectNet, ExportNet  # noqa: E402
from omote.training.detect.recipe import Settings, Trainer, export  # noqa: E402
from omote.zoo import Session  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def empty(batch: int, size: int) -> dict[int, Targets]:
    """Maps without any face."""
    maps = {}
    for stride in STRIDES:
        count = (size // stride) ** 2
        flat, boxes = np.zeros((batch, count), np.float32), np.zeros((batch, count, 4), np.float32)
        maps[stride] = Targets(flat, flat.copy(), boxes, np.zeros((batch, count, 10), np.float32))
    return maps


def marked(size: int = 200) -> Scene:
    """A dark scene whose five points are single bright blobs of known colour."""
    pixels = np.zeros((size, size, 3), np.uint8)
    points = np.array([[80, 90], [120, 90], [100, 110], [85, 130], [115, 130]], np.float32)
    for index, (x, y) in enumerate(points.astype(int)):
        pixels[y - 3 : y + 4, x - 3 : x + 4] = (255, 50 * index, 255 - 50 * index)
    box = np.array([[60, 60, 140, 150]], np.float32)
    return Scene(pixels, box, points[None], np.ones(1, np.float32))


def test_the_network_is_small_and_has_the_runtime_shapes() -> None:
    net = DetectNet()
    assert sum(value.numel() for value in net.parameters()) <= 120_000
    wrapped = ExportNet(net).eval()
    shapes = {
        name: tuple(value.shape)
        for name, value in zip(wrapped.names, wrapped(torch.zeros(2, 3, 64, 96)), strict=True)
    }
    assert shapes["cls_8"] == (2, 96, 1)
    assert shapes["bbox_16"] == (2, 24, 4)
    assert shapes["kps_32"] == (2, 6, 10)


def test_labels_follow_the_picture() -> None:
    composer = Composer([marked()], [])
    looked = 0
    for seed in range(60):
        sample = composer.sample(np.random.default_rng(seed), 256)
        for box, points in zip(sample.boxes, sample.points, strict=True):
            if box[2] - box[0] < 60 or points.min() < 4 or points.max() > 251:
                continue
            colours = [sample.clean[y, x].astype(int) for x, y in points.round().astype(int)]
            # nose and blobs of the left and right side keep or swap their colours with the flip
            assert abs(colours[2] - (255, 100, 155)).max() < 60
            assert points[0, 0] < points[1, 0] or abs(points[0, 1] - points[1, 1]) > 10
            order = [round(colour[1] / 50) for colour in colours]
            assert order in ([0, 1, 2, 3, 4], [1, 0, 2, 4, 3])
            looked += 1
    assert looked >= 8


def test_samples_repeat_with_the_generator() -> None:
    composer = Composer([marked()], [])
    first, second = (composer.sample(np.random.default_rng(5), 128) for _ in range(2))
    assert np.array_equal(first.spoilt, second.spoilt)
    assert np.array_equal(first.boxes, second.boxes)


def test_spoiling_keeps_shape_and_type() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    boxes = np.array([[10, 10, 60, 70]], np.float32)
    outs = [spoil(np.random.default_rng(seed), pixels, boxes) for seed in range(30)]
    assert {out.shape for out in outs} == {pixels.shape}
    assert {out.dtype for out in outs} == {np.dtype(np.uint8)}
    assert sum(np.array_equal(out, pixels) for out in outs) < 15


@pytest.mark.parametrize(("extent", "stride"), [(30, 8), (80, 16), (160, 32)])
def test_missed_labels_are_written_where_the_runtime_reads_them(extent: int, stride: int) -> None:
    maps = empty(1, 256)
    box = np.array([[100 - extent / 2, 120 - extent / 2, 100 + extent / 2, 120 + extent / 2]], np.float32)
    assert add_labels(maps, 0, box, np.full((1, 5, 2), 100, np.float32), 256) == 1
    for level in STRIDES:
        assert maps[level].cls.any() == (level == stride)
    hot = maps[stride].obj[0] > 0.5
    assert np.abs(cells(stride, 256)[hot] * stride - (100, 120)).max() <= 1.1 * stride
    assert np.all(maps[stride].box[0, hot] == box[0])
    again = add_labels(maps, 0, box + 2, np.full((1, 5, 2), 100, np.float32), 256)
    assert again == 0  # known by now


def test_every_term_is_finite_and_reaches_its_weights() -> None:
    net = DetectNet()
    maps = empty(2, 64)
    add_labels(maps, 0, np.array([[10, 10, 40, 44]], np.float32), np.full((1, 5, 2), 25, np.float32), 64)
    terms = detection_loss(net(torch.rand(2, 3, 64, 64) * 255), maps)
    assert set(terms) == {"cls", "obj", "score", "box", "points"}
    for name, term in terms.items():
        grads = (
            torch.autograd.grad(term, net.heads[0][1].weight, retain_graph=True)[0].flatten(1).abs().sum(1)
        )
        assert torch.isfinite(term)
        assert torch.isfinite(grads).all()
        wanted = {"cls": [0], "obj": [1], "score": [0, 1], "box": range(2, 6), "points": range(6, 16)}[name]
        assert (grads > 0).nonzero().flatten().tolist() == list(wanted)


def test_no_face_at_all_gives_finite_terms() -> None:
    terms = detection_loss(DetectNet()(torch.zeros(1, 3, 64, 64)), empty(1, 64))
    assert all(torch.isfinite(term) for term in terms.values())
    assert terms["box"] == terms["points"] == 0


def test_distance_iou() -> None:
    first = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    second = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    assert distance_iou(first, second).tolist() == pytest.approx([1.0, -400 / 1000])


def test_a_few_steps_learn_one_picture() -> None:
    """Network, loss and the runtime's decoding agree: an overfitted box comes out where it went in."""
    rng = np.random.default_rng(0)
    picture = torch.from_numpy(rng.uniform(0, 255, (1, 3, 64, 64)).astype(np.float32))
    box = np.array([[14, 10, 46, 50]], np.float32)
    points = np.array([[[22, 24], [38, 25], [30, 32], [24, 40], [37, 41]]], np.float32)
    maps = empty(1, 64)
    add_labels(maps, 0, box, points, 64)
    net = DetectNet()
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        sum(detection_loss(net(picture), maps).values()).backward()
        optimizer.step()
    wrapped = ExportNet(net.train())  # one picture: batch statistics are its own
    outputs = {n: v.detach().numpy()[0] for n, v in zip(wrapped.names, wrapped(picture), strict=True)}
    rows = [
        decode({k: outputs[f"{k}_{s}"] for k in ("cls", "obj", "bbox", "kps")}, s, 64 // s, 0.5)
        for s in STRIDES
    ]
    best = max(np.concatenate(rows), key=lambda row: row[0])
    assert best[0] > 0.7
    assert best[1:5] == pytest.approx(box[0], abs=3)
    assert best[5:] == pytest.approx(points.ravel(), abs=3)


class Nothing:
    """A teacher that never sees a face."""

    outputs = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES)

    def run(self, pictures: np.ndarray) -> list[np.ndarray]:
        width = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
        names = [name.split("_") for name in self.outputs]
        cells = pictures.shape[2] * pictures.shape[3]
        return [np.zeros((len(pictures), cells // int(s) ** 2, width[k]), np.float32) for k, s in names]


def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    monkeypatch.setattr("omote.training.detect.recipe.SIZES", {64: (4, 1.0)})
    return Trainer(Settings(samples=100, warmup=8), Composer([marked()], []), Nothing())  # type: ignore[arg-type]


def test_a_resumed_run_equals_an_unbroken_one(tmp_path, monkeypatch) -> None:
    whole, half = trainer(monkeypatch), trainer(monkeypatch)
    for _ in range(4):
        whole.step()
    for _ in range(2):
        half.step()
    half.save(tmp_path / "state.pt")
    rest = trainer(monkeypatch)
    rest.load(tmp_path / "state.pt")
    for _ in range(2):
        rest.step()
    assert rest.seen == whole.seen == 16
    for mine, theirs in zip(
        rest.average.state_dict().values(), whole.average.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_export_equals_the_network(tmp_path, monkeypatch) -> None:
    pytest.importorskip("onnx")
    run = trainer(monkeypatch)
    run.step()
    run.save(tmp_path / "state.pt")
    export(tmp_path / "state.pt", tmp_path / "net.onnx")
    picture = torch.rand(1, 3, 96, 160) * 255
    with torch.no_grad():
        expected = ExportNet(run.average.eval())(picture)
    for mine, theirs in zip(Session(tmp_path / "net.onnx").run(picture.numpy()), expected, strict=True):
        assert mine == pytest.approx(theirs.numpy(), abs=1e-4)
    assert Detector.from_file(tmp_path / "net.onnx").settings.input == "rgb"
