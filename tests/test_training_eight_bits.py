"""Networks in 8-bit integers: what is stored, how near it comes, what ranges are taken from."""

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.errors import ModelError, UsageError  # noqa: E402
from omote.training import shown  # noqa: E402
from omote.training.data.drawn import drawn_faces, drawn_regions  # noqa: E402
from omote.training.eight_bits import EXAMPLES, examples  # noqa: E402
from omote.training.export import export, write_graph  # noqa: E402
from omote.training.exported import Exported  # noqa: E402
from omote.training.recipe import load_recipe  # noqa: E402
from omote.training.systems import build  # noqa: E402
from omote.training.systems.oneshot import Identities, Task  # noqa: E402
from omote.training.teachers.identity import identity_teacher  # noqa: E402
from tests.tiny_runs import tiny_trainer  # noqa: E402


def network() -> Exported:
    torch.manual_seed(3)
    layers = torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 4, 3, padding=1)
    return Exported(torch.nn.Sequential(*layers), {"x": torch.rand(2, 3, 16, 16)}, ("y",), "arcface", {})


def given(scale: float = 1.0) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(4)
    return [{"x": random.random((1, 3, 16, 16), np.float32) * np.float32(scale)} for _ in range(24)]


def stored_as(model: onnx.ModelProto) -> set[int]:
    """Types of its large constants."""
    return {tensor.data_type for tensor in model.graph.initializer if np.prod(tensor.dims) > 64}


def test_convolutions_are_stored_and_computed_with_as_integers(tmp_path):
    difference = write_graph(network(), tmp_path / "net.onnx", given=given())
    model = onnx.load(tmp_path / "net.onnx")
    assert stored_as(model) == {onnx.TensorProto.INT8}
    weights = [onnx.numpy_helper.to_array(t) for t in model.graph.initializer if len(t.dims) == 4]
    assert len(weights) == 2
    assert max(int(np.abs(w.astype(int)).max()) for w in weights) in range(60, 65), "seven bits"
    assert 1e-5 < difference < 0.05
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.zeros((5, 3, 16, 16), np.float32)})[0].shape == (5, 4, 16, 16)


def test_ranges_are_those_of_the_examples(tmp_path):
    """What lies beyond them is cut off."""
    made = network()
    write_graph(made, tmp_path / "net.onnx", given=given(0.1))
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    small, large = (np.full((1, 3, 16, 16), level, np.float32) for level in (0.1, 1.0))
    for same in (small, large):
        found = session.run(None, {"x": same})[0]
        with torch.no_grad():
            wanted = made.module(torch.from_numpy(same)).numpy()
        error = np.abs(found - wanted).max() / np.abs(wanted).max()
        assert (error < 0.1) == (same is small)


def test_a_file_that_differs_too_much_is_not_written(tmp_path):
    made = network()
    with torch.no_grad():
        made.module[0].weight[0] *= 1e4  # one channel drowns the others in the range of all,
        made.module[2].weight[:, 0] = 0  # and they are what counts
    with pytest.raises(ModelError, match=r"0\.2 is allowed"):
        write_graph(made, tmp_path / "net.onnx", given=given())
    assert not list(tmp_path.glob("*.onnx"))


def system_of(name: str):
    recipe = load_recipe(name, smoke=True)
    nobody = Identities(identity_teacher("pixels"), torch.zeros(0, 1))
    return recipe, build(recipe, Task(nobody, recipe.data.size, 0.5, torch.device("cpu")))


@pytest.mark.parametrize(("name", "faces"), [("omote-parse", drawn_regions), ("omote-restore", drawn_faces)])
def test_examples_are_what_the_network_is_given_in_training(name, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(shown, "open_faces", lambda *_: faces())
    recipe, system = system_of(name)
    exported = system.export()
    found = list(examples(exported, recipe, shown.Shown(tmp_path)))
    assert len(found) >= EXAMPLES
    (key, example) = next(iter(exported.inputs.items()))
    assert found[0][key].shape == (1, *example.shape[1:])
    everything = np.concatenate([one[key] for one in found])
    lowest, highest = (-2.2, 2.7) if name == "omote-parse" else (0, 1)
    assert lowest <= everything.min() < everything.max() <= highest
    assert everything.std() > 0.1
    again = next(examples(exported, recipe, shown.Shown(tmp_path)))
    np.testing.assert_array_equal(again[key], found[0][key])


def test_what_cannot_be_stored_in_8_bits_is_told(tmp_path):
    trainer = tiny_trainer(tmp_path / "run", "run.samples=4")
    trainer.run()
    with pytest.raises(UsageError, match="its network cannot be stored in 8 bits; leave --int8 out"):
        export(tmp_path / "run", tmp_path / "net.onnx", int8=shown.Shown(tmp_path))
    with pytest.raises(UsageError, match="a network has one precision"):
        export(tmp_path / "run", tmp_path / "net.onnx", half=True, int8=shown.Shown(tmp_path))
    assert not list(tmp_path.glob("*.onnx"))
