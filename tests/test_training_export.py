"""Export: from a checkpoint to a file that `omote swap --swapper` takes as it is; and smoke runs."""

import tomllib

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.errors import InputError, ModelError, UsageError  # noqa: E402
from omote.training import checkpoint  # noqa: E402
from omote.training.export import export, write_graph  # noqa: E402
from omote.training.exported import Exported  # noqa: E402
from omote.training.recipe import load_recipe  # noqa: E402
from omote.training.smoke import SmokeError, judge  # noqa: E402
from omote.zoo import Catalogue, Networks  # noqa: E402
from tests.tiny_runs import tiny_trainer  # noqa: E402

CONTRACTS = {"simswap": "simswap_original", "ghost": "ghost_original"}


@pytest.fixture(scope="module", params=CONTRACTS)
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    trainer = tiny_trainer(folder / "run", "run.samples=8", name=request.param)
    trainer.run()
    made = export(folder / "run", folder / "net" / "mine.onnx")
    return request.param, trainer, made, folder / "net"


def test_the_file_gives_what_torch_gives_at_any_batch_size(exported):
    _, trainer, made, folder = exported
    assert made.difference <= 1e-3
    assert made.samples == 8
    session = onnxruntime.InferenceSession(folder / "mine.onnx")
    average = trainer.system.average
    for batch in (1, 5):
        target = torch.rand(batch, 3, 32, 32) * 2 - 1
        source = torch.nn.functional.normalize(torch.randn(batch, 64))
        (found,) = session.run(None, {"target": target.numpy(), "source": source.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, average(target, source).numpy(), atol=1e-3)


def test_the_file_has_the_inputs_and_the_card_of_the_public_ones(exported):
    name, _, made, folder = exported
    card = tomllib.loads((folder / "mine.toml").read_text())
    assert card["contract"] == CONTRACTS[name]
    assert card["contract"] in Catalogue.load().contracts
    assert card["side"] == 32
    assert "Trained by the recipe" in card["note"]
    assert "pixels" in card["note"]
    assert {path.name for path in made.files} == {p.name for p in folder.iterdir()}
    network = Networks().open(folder / "mine.onnx", "swapper")
    assert set(network.session.inputs) == {"target", "source"}
    assert network.needs["identity"].card.contract == "arcface"


def test_swap_uses_it_with_no_more_ado(exported, omote, source, target, tmp_path):
    _, _, _, folder = exported
    done = omote("swap", source, target, "-o", tmp_path / "new.png", "--swapper", folder / "mine.onnx")
    assert done.code == 0, done.err
    assert (tmp_path / "new.png").exists()


def test_the_runtime_swaps_as_the_training_room_does(exported):
    """The same crop and the same source give the same face: means, ranges and identity agree."""
    _, trainer, _, folder = exported
    from omote.engines.oneshot.embedding import EmbeddingSwapper
    from omote.faces.align import Crop, template
    from omote.faces.face import Face
    from omote.training.data.crops import canonical
    from omote.training.data.drawn import drawn_faces

    faces = drawn_faces()
    side = 32
    crops = canonical(faces.gather(torch.tensor([0, 1])), faces.border, side)
    sources = canonical(faces.gather(torch.tensor([2])), faces.border, faces.side)
    swapper = EmbeddingSwapper(Networks().open(folder / "mine.onnx", "swapper"))
    pixels = ((sources[0] + 1) / 2).permute(1, 2, 0).numpy()
    box = np.array([0, 0, faces.side, faces.side], np.float32)
    face = Face(box=box, score=1.0, points=(template("arcface_112_v2") * faces.side).astype(np.float32))
    from omote.engines.swapper import Source

    identity = swapper.identity([Source(pixels, face)])
    small = Face(
        box=box / 4,
        score=1.0,
        points=(template("arcface_112_v2") * side).astype(np.float32),
        mesh=np.zeros((478, 3), np.float32),
    )
    given = [
        Crop(((crop + 1) / 2).permute(1, 2, 0).contiguous().numpy(), np.eye(2, 3), small) for crop in crops
    ]
    found = swapper.swap(given, identity)
    with torch.no_grad():
        embedding = trainer.system.task.identities.teacher(sources).expand(2, -1)
        expected = (trainer.system.swap(crops, embedding) + 1) / 2
    for made, wanted in zip(found, expected, strict=True):
        off = np.abs(made.pixels - wanted.permute(1, 2, 0).clamp(0, 1).numpy())
        assert off.mean() < 0.01  # the identity crops lie half a pixel apart


def test_half_precision_makes_a_smaller_file(exported):
    _, _, made, folder = exported
    small = export(folder.parent / "run", folder.parent / "half" / "mine.onnx", half=True)
    sizes = [files[0].stat().st_size for files in (made.files, small.files)]
    assert sizes[1] < 0.9 * sizes[0]  # of networks so small, half is names and shapes
    assert small.difference < 1e-2


def test_a_file_that_differs_from_torch_is_not_written(tmp_path, monkeypatch):
    module = torch.nn.Linear(3, 3)
    made = Exported(module, {"x": torch.rand(2, 3)}, ("y",), "arcface", {})
    real = onnxruntime.InferenceSession.run
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", lambda self, *a: [real(self, *a)[0] + 0.01])
    with pytest.raises(ModelError, match=r"differs from torch by 0\.01"):
        write_graph(made, tmp_path / "net.onnx")
    assert list(tmp_path.glob("*.onnx")) == []


def test_bad_exports_are_told(tmp_path, omote):
    with pytest.raises(UsageError, match=r"written as an \.onnx file"):
        export(tmp_path, tmp_path / "net.pt")
    with pytest.raises(InputError, match="no such checkpoint"):
        export(tmp_path, tmp_path / "net.onnx")
    done = omote("export", tmp_path, "-o", tmp_path / "net.onnx")
    assert done.code == 3
    assert done.err.count("\n") == 1


def test_a_checkpoint_with_networks_of_another_recipe_is_told(tmp_path):
    trainer = tiny_trainer(tmp_path / "run", "run.samples=4")
    trainer.run()
    path = tmp_path / "run" / checkpoint.NAME
    state = checkpoint.load(path)
    state.content["networks"]["width"] = 6
    checkpoint.save(state, path)
    with pytest.raises(InputError, match="its networks are not those of its recipe simswap"):
        export(path, tmp_path / "net.onnx")


# ---------------------------------------------------------------- smoke runs


@pytest.mark.parametrize("name", ["simswap", "ghost", "omote-identity"])
def test_the_recipe_learns_in_its_smoke_run(name, omote, tmp_path):
    done = omote("train", name, "--smoke", "--device", "cpu", "-o", tmp_path / "run")
    assert done.code == 0, done.err
    assert " on 8 faces" in done.out
    learnt = checkpoint.load(tmp_path / "run" / checkpoint.NAME)
    assert learnt.seen == load_recipe(name, smoke=True).run.samples


def test_a_smoke_run_that_learns_nothing_fails(tmp_path):
    trainer = tiny_trainer(tmp_path, "run.samples=24", "optimisers.generator.rate=0")
    trainer.run()
    with pytest.raises(SmokeError, match=r"went from|PSNR"):
        judge(trainer)
