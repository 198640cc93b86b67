"""omote-restore: poor and good pictures, the network, held-out numbers, training, and its use in a swap."""

import tomllib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.compose.restorers import open_restorer  # noqa: E402
from omote.errors import UsageError  # noqa: E402
from omote.training.assembly import Where, assemble, fabric_for  # noqa: E402
from omote.training.data.augment import Augmentation  # noqa: E402
from omote.training.data.crops import canonical  # noqa: E402
from omote.training.data.drawn import drawn_faces  # noqa: E402
from omote.training.data.repairs import halved, judged  # noqa: E402
from omote.training.export import export  # noqa: E402
from omote.training.held_out import restore_numbers  # noqa: E402
from omote.training.journal import read_log  # noqa: E402
from omote.training.networks.counting import cost  # noqa: E402
from omote.training.networks.restore import RestoreNet  # noqa: E402
from omote.training.recipe import load_recipe  # noqa: E402
from omote.training.systems.restore import bicubic  # noqa: E402
from omote.zoo import Networks  # noqa: E402

POOR = Augmentation(blur=1.0, jpeg=0.5, noise=0.5)


def _tiny(folder, *assignments):
    few = ("run.batch=4", "run.samples=8", "run.log=4")
    recipe = load_recipe("omote-restore", [*few, *assignments], smoke=True)
    where = Where(folder, "cpu")
    return assemble(recipe, drawn_faces(), where, fabric_for(recipe, where))


# ---------------------------------------------------------------- data


def test_poor_pictures_are_the_good_ones_halved_and_made_worse(tmp_path):
    clean = _tiny(tmp_path).batches.batch(2)
    assert clean.poor.shape == (4, 3, 32, 32)
    assert clean.good.shape == (4, 3, 64, 64)
    torch.testing.assert_close(clean.poor, halved(clean.good), atol=1e-5, rtol=0)
    worse = _tiny(tmp_path, "augment.blur=1.0", "augment.blur_sigma=[1.0,1.5]").batches.batch(2)
    assert torch.equal(worse.good, clean.good)  # only what is given is made worse, not what is wanted
    detail = [(p[..., 1:] - p[..., :-1]).abs().mean() for p in (clean.poor, worse.poor)]
    assert detail[1] < 0.8 * detail[0]


def test_parts_are_those_of_the_whole_batch(tmp_path):
    batches = _tiny(tmp_path, "augment.noise=1.0", "augment.jpeg=0.5", "augment.rotation=9").batches
    whole, part = batches.batch(5), batches.batch(5, slice(1, 3))
    assert torch.equal(whole[1:3].poor, part.poor)
    assert torch.equal(whole[1:3].good, part.good)


def test_faces_are_judged_alike_whenever_asked_and_in_whatever_parts():
    faces = drawn_faces()
    whole = judged(faces, 64, POOR, torch.arange(8))
    part = judged(faces, 64, POOR, torch.arange(4, 7))
    assert torch.equal(whole.poor[4:7], part.poor)
    bare = judged(faces, 64, None, torch.arange(8))
    torch.testing.assert_close(bare.poor, halved(bare.good))
    assert (whole.poor - bare.poor).abs().mean() > 0.01
    crops = canonical(faces.pixels, faces.border, 64)
    torch.testing.assert_close(bare.good, crops)


# ---------------------------------------------------------------- network


def test_the_network_is_small_and_begins_as_an_enlargement():
    settings = load_recipe("omote-restore").table("networks")
    shape = {name: settings[name] for name in ("width", "fine", "coarse")}
    small = cost(lambda: RestoreNet(**shape), (1, 3, 128, 128))
    assert small.parameters <= 1e6
    assert small.macs <= 0.75e9
    network = RestoreNet(8, 1, 1)
    picture = torch.rand(1, 3, 16, 20) * 2 - 1
    plain = torch.nn.functional.interpolate(picture, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(network(picture), plain)
    with pytest.raises(UsageError, match="multiples of 4"):
        network(picture[..., :18])
    with pytest.raises(UsageError, match=r"data\.size 60: .* multiple of 8"):
        _tiny("run", "data.size=60")


def test_numbers_are_relative_to_bicubic():
    faces = drawn_faces()

    def distance(made, good):
        return (made - good).abs().mean((1, 2, 3))

    same = restore_numbers(bicubic, distance, faces, 64, POOR)
    assert same["distance_ratio"] == same["plain_distance_ratio"] == 1
    assert same["psnr_gain"] == same["plain_psnr_gain"] == 0
    assert same["distance"] == same["bicubic_distance"] > 0
    grey = restore_numbers(lambda x: bicubic(x) * 0, distance, faces, 64, POOR)
    assert grey["distance_ratio"] > 2
    assert grey["psnr_gain"] < -5


def test_the_discriminator_comes_late(tmp_path):
    trainer = _tiny(tmp_path, "weights.discriminator=[[0,0],[4,0],[4,1]]", "weights.adversarial=0")
    before = [p.detach().clone() for p in trainer.system.discriminator.parameters()]
    trainer.run(minutes=0)  # one step
    assert trainer.seen == 4
    assert all(map(torch.equal, before, trainer.system.discriminator.parameters()))
    assert "discriminator" not in read_log(tmp_path)[0]  # nor is it computed
    trainer.run()
    assert not all(map(torch.equal, before, trainer.system.discriminator.parameters()))


# ---------------------------------------------------------------- training and export


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """What a smoke run leaves, exported."""
    from omote.training.command import Request, run

    folder = tmp_path_factory.mktemp("restore")
    run(Request("omote-restore", None, folder / "run", smoke=True, device="cpu"))
    export(folder / "run", folder / "restore.onnx")
    return folder


def test_the_smoke_run_learns_and_the_runtime_restores_what_it_learnt(learnt):
    card = tomllib.loads((learnt / "restore.toml").read_text())
    assert card["contract"] == "upscaler"
    restorer = open_restorer(Networks(), learnt / "restore.onnx")
    assert (restorer.template, restorer.size) == ("arcface_112_v2", 64)
    batch = judged(drawn_faces(), 64, None, torch.arange(8))
    good, plain = (
        np.ascontiguousarray(((x + 1) / 2).permute(0, 2, 3, 1).numpy())
        for x in (batch.good, bicubic(batch.poor))
    )
    errors = [((x - good) ** 2).mean() for x in (restorer.restore(good), plain)]
    assert errors[0] < 0.8 * errors[1]


def test_a_swap_takes_it(learnt, omote, source, target, tmp_path):
    given = ("swap", source, target, "-o")
    done = omote(*given, tmp_path / "new.png", "--restore", learnt / "restore.onnx")
    assert done.code == 0, done.err
    assert omote(*given, tmp_path / "plain.png").code == 0
    assert (tmp_path / "new.png").read_bytes() != (tmp_path / "plain.png").read_bytes()
