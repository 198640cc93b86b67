"""The loop: resumed runs equal unbroken ones, pieces equal whole batches, and what goes wrong is told."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.cli.main import run as omote  # noqa: E402
from omote.errors import InputError, UsageError  # noqa: E402
from omote.training import checkpoint, loop  # noqa: E402
from omote.training.assembly import Where, assemble, fabric_for  # noqa: E402
from omote.training.data.drawn import drawn_faces  # noqa: E402
from omote.training.export import export  # noqa: E402
from omote.training.guards import CollapseError, Guards  # noqa: E402
from omote.training.journal import read_log  # noqa: E402
from omote.training.recipe import GuardSettings  # noqa: E402
from omote.training.system import follow  # noqa: E402
from tests.tiny_runs import tiny_recipe, tiny_trainer  # noqa: E402

EVEN = (
    "networks.judge_spectral=false",
    *(
        f"optimisers.{name}.{what}"
        for name in ("generator", "discriminator")
        for what in ("epsilon=1", "rate=0.002")
    ),
)
"""For comparisons. Spectral norms go on by an iteration in every forward pass, so they depend on the number
of pieces; and Adam's first steps are the sign of a gradient, however small, unless epsilon is great."""


def weights(trainer):
    networks = {**trainer.system.networks, "average": trainer.system.average}
    return {f"{n}.{k}": v.clone() for n, network in networks.items() for k, v in network.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("name", ["simswap", "ghost"])
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(tmp_path, name):
    whole = tiny_trainer(tmp_path / "whole", name=name)
    whole.run()
    first = tiny_trainer(tmp_path / "broken", "run.samples=12", name=name)
    first.run()
    second = tiny_trainer(tmp_path / "broken", name=name)
    torch.rand(7)  # whatever happened to the global generator in between
    second.resume()
    assert second.seen == 12
    second.run()
    assert_same(weights(whole), weights(second))
    states = [t.optimisers["generator"].state_dict()["state"][0]["exp_avg"] for t in (whole, second)]
    assert torch.equal(*states)
    without_time = [
        [{k: v for k, v in line.items() if k not in ("waiting", "seconds_per_step")} for line in read_log(f)]
        for f in (tmp_path / "whole", tmp_path / "broken")
    ]
    assert without_time[0] == without_time[1]
    assert len(without_time[0]) == 6


def test_training_changes_every_network_and_its_average(tmp_path):
    trainer = tiny_trainer(tmp_path, "weights.adversarial=1")
    before = weights(trainer)
    trainer.run()
    after = weights(trainer)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"generator", "discriminator", "average"}


def test_a_batch_in_pieces_gives_the_same_gradients(tmp_path):
    whole, cut = tiny_trainer(tmp_path / "a", *EVEN), tiny_trainer(tmp_path / "b", *EVEN)
    cut.pieces = 3
    for trainer in (whole, cut):
        trainer._gradients(trainer.batches.batch(0), list(trainer.system.phases))
    for name in whole.system.networks:
        mine, theirs = (
            torch.cat([p.grad.flatten() for p in trainer.system.networks[name].parameters()])
            for trainer in (whole, cut)
        )
        assert (mine - theirs).norm() < 1e-4 * mine.norm()


def test_out_of_memory_halves_what_is_computed_at_once_and_nothing_else(tmp_path, monkeypatch):
    plain, short = (tiny_trainer(tmp_path / f, "run.samples=12", *EVEN) for f in "ab")
    plain.run()
    inner = short.system.prepare

    def tight(batch, moment):
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return inner(batch, moment)

    monkeypatch.setattr(short.system, "prepare", tight)
    with pytest.warns(
        UserWarning, match="out of memory: from now on each batch of 4 is computed in 2 pieces"
    ):
        short.run()
    assert short.pieces == 2
    assert short.seen == plain.seen
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(short)[name], value, atol=1e-5, rtol=0)
    logs = [[line["reconstruction"] for line in read_log(tmp_path / f)] for f in "ab"]
    assert logs[0] == pytest.approx(logs[1], rel=1e-2)


def test_memory_that_one_sample_does_not_fit_is_an_error(tmp_path, monkeypatch):
    trainer = tiny_trainer(tmp_path)

    def never(batch, moment):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer.system, "prepare", never)
    with (
        pytest.warns(UserWarning, match="in 4 pieces"),
        pytest.raises(UsageError, match=r"out of memory with a single sample"),
    ):
        trainer.run()


def test_other_errors_are_not_taken_for_a_lack_of_memory(tmp_path, monkeypatch):
    trainer = tiny_trainer(tmp_path)

    def broken(batch, moment):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(trainer.system, "prepare", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        trainer.run()


def test_two_processes_equal_one(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from tests.tiny_runs import tiny_trainer\n"
        "torch.set_num_threads(1)\n"
        "if __name__ == '__main__':\n"
        f"    settings = ('run.samples=12', *{EVEN!r})\n"
        "    trainer = tiny_trainer(Path(sys.argv[1]), *settings, devices=int(sys.argv[2]))\n"
        "    trainer.run()\n"
    )
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    for count in (1, 2):
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / str(count)), str(count)],
            env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (checkpoint.load(tmp_path / str(count) / checkpoint.NAME) for count in (1, 2))
    assert one.seen == two.seen == 12
    for network in one.networks:
        for name, value in one.networks[network].items():
            torch.testing.assert_close(two.networks[network][name], value, atol=1e-5, rtol=0)
    lines = [read_log(tmp_path / str(count)) for count in (1, 2)]
    assert len(lines[0]) == len(lines[1]) == 3
    for mine, theirs in zip(*lines, strict=True):
        assert mine["reconstruction"] == pytest.approx(theirs["reconstruction"], rel=1e-3)
        assert mine["likeness"] == pytest.approx(theirs["likeness"], rel=1e-3)


def test_phases_take_turns_and_weigh_as_much(tmp_path):
    trainer = tiny_trainer(tmp_path, *EVEN)
    judge, make = trainer.system.phases
    seldom = loop.Phase(judge.network, judge.losses, every=2)
    trainer.system.phases = (seldom, make)
    batch = trainer.batches.batch(0)
    trainer._gradients(batch, [judge])
    once = [p.grad.clone() for p in trainer.system.discriminator.parameters()]
    trainer._gradients(batch, [seldom])
    for single, double in zip(once, trainer.system.discriminator.parameters(), strict=True):
        torch.testing.assert_close(double.grad, 2 * single)
    before = trainer.system.discriminator.state_dict()
    before = {k: v.clone() for k, v in before.items()}
    trainer.step = 1  # not its turn
    trainer._step(iter([batch]))
    assert all(torch.equal(v, before[k]) for k, v in trainer.system.discriminator.state_dict().items())


def test_gradients_that_are_no_numbers_move_nothing_and_end_the_run(tmp_path, monkeypatch):
    trainer = tiny_trainer(tmp_path, "run.samples=400", "run.checkpoint=400", "run.grid=400")
    judge, make = trainer.system.phases
    bad = loop.Phase(make.network, lambda s, m: {"identity": s.fake.mean((1, 2, 3)) * float("nan")})
    trainer.system.phases = (judge, bad)
    before = {k: v.clone() for k, v in trainer.system.generator.state_dict().items()}
    with pytest.raises(CollapseError, match=r"gradients are not finite"):
        trainer.run()
    assert trainer.step == 19  # twenty steps in a row
    assert [line["skipped"] for line in read_log(tmp_path)] == [1.0] * 19
    assert all(torch.equal(v, before[k]) for k, v in trainer.system.generator.state_dict().items())


# ---------------------------------------------------------------- averages and guards


def test_the_average_follows_weights_and_statistics_and_copies_counters():
    ours, theirs = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    with torch.no_grad():
        theirs.weight.fill_(3.0)
        theirs.running_mean.fill_(4.0)
        theirs.num_batches_tracked.fill_(9)
    follow(ours, theirs, 0.25)
    assert ours.weight.tolist() == [1.5, 1.5]
    assert ours.running_mean.tolist() == [1.0, 1.0]
    assert ours.num_batches_tracked == 9


def test_guards_wait_then_stop_after_three_lines():
    guards = Guards({"likeness": GuardSettings("the swap copies its target", least=0.1, after=100)})
    for _ in range(5):
        guards.check(50, {"likeness": 0.0})
    guards.check(100, {"likeness": 0.0})
    guards.check(110, {"likeness": 0.0})
    guards.check(120, {"likeness": 0.2})  # one good line begins the count anew
    guards.check(130, {"likeness": 0.0})
    guards.check(140, {"likeness": 0.05})
    with pytest.raises(
        CollapseError, match=r"after 150 samples likeness is 0.09, below 0.1: the swap copies"
    ):
        guards.check(150, {"likeness": 0.09})


def test_guards_know_an_upper_limit_and_numbers_that_are_none():
    guards = Guards({"distance": GuardSettings("worse and worse", most=1.0)})
    guards.check(1, {"distance": 2.0})
    guards.check(2, {"distance": 2.0})
    with pytest.raises(CollapseError, match=r"distance is 2, above 1: worse and worse"):
        guards.check(3, {"distance": 2.0})
    with pytest.raises(CollapseError, match="adversarial is nan: stopped; resume from the last checkpoint"):
        Guards({}).check(3, {"adversarial": float("nan")})


def test_a_guard_on_a_number_that_is_not_there_is_told():
    guards = Guards({"likenes": GuardSettings("typo", least=0.1)})
    for seen in (1, 2):
        guards.check(seen, {"likeness": 1.0})
    with pytest.raises(UsageError, match=r"guards.likenes: the log has no such number, only likeness"):
        guards.check(3, {"likeness": 1.0})


def test_a_copying_network_is_caught_in_a_run(tmp_path):
    trainer = tiny_trainer(tmp_path, "run.samples=40", "guards.likeness.least=2.0", "guards.likeness.after=8")
    with pytest.raises(CollapseError, match="the swap does not take the source's identity"):
        trainer.run()


# ---------------------------------------------------------------- checkpoints


@pytest.fixture
def trained(tmp_path):
    trainer = tiny_trainer(tmp_path, "run.samples=4")
    trainer.run()
    return tmp_path


def test_a_truncated_checkpoint_is_told(trained):
    path = trained / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="not a whole checkpoint"):
        tiny_trainer(trained).resume()


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_what_is_no_checkpoint_is_told(tmp_path, content):
    path = tmp_path / checkpoint.NAME
    torch.save({"weights": torch.zeros(3)}, path) if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a (whole )?checkpoint"):
        checkpoint.load(path)


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        checkpoint.load(tmp_path / "none.pt")


def test_a_checkpoint_of_another_recipe_or_of_other_networks_is_refused(trained):
    with pytest.raises(UsageError, match=r"of recipe simswap \(simswap\), not ghost \(ghost\)"):
        tiny_trainer(trained, name="ghost").resume()
    with pytest.raises(UsageError, match=r"trained with networks.blocks = 1, the recipe now says 2"):
        tiny_trainer(trained, "networks.blocks=2").resume()


def test_another_size_or_another_teacher_is_refused(trained):
    with pytest.raises(UsageError, match=r"trained with data.size = 32, the recipe now says 64"):
        tiny_trainer(trained, "data.size=64").resume()
    other = tiny_trainer(trained)
    other.facts["teacher"] = "0" * 64
    with pytest.raises(UsageError, match="trained with another identity teacher"):
        other.resume()


def test_a_run_may_begin_from_another_with_another_teacher(trained, tmp_path):
    first = checkpoint.load(trained / checkpoint.NAME)
    second = tiny_trainer(tmp_path / "second", "run.samples=8")
    second.facts["teacher"] = "0" * 64
    second.begin_from(trained)
    assert second.seen == 0
    for name, value in second.system.average.state_dict().items():
        assert torch.equal(value, first.average[name])
    assert all(not optimiser.state for optimiser in second.optimisers.values())
    second.run()
    third = tiny_trainer(tmp_path / "third", "run.samples=4")
    third.begin_from(tmp_path / "second" / checkpoint.NAME)
    third.run()
    assert checkpoint.load(tmp_path / "third" / checkpoint.NAME).facts["before"] == 4 + 8
    export(tmp_path / "third", tmp_path / "net.onnx")
    assert "on 4 samples (after 12 of the run it began from)" in (tmp_path / "net.toml").read_text()
    with pytest.raises(UsageError, match=r"of recipe simswap \(simswap\), not ghost \(ghost\)"):
        tiny_trainer(tmp_path / "other", name="ghost").begin_from(trained)


def test_a_run_goes_on_or_begins_but_not_both(trained, capsys):
    words = ["train", "simswap", "--data", str(trained), "-o", str(trained)]
    assert omote([*words, "--resume", "--from", str(trained)]) == 2
    assert "--resume goes on with a run, --from begins another" in capsys.readouterr().err


def test_the_recipe_s_optimiser_wins_over_the_checkpoint_s(trained):
    trainer = tiny_trainer(trained, "optimisers.generator.decay=0.5", "optimisers.generator.betas=[0.1, 0.9]")
    trainer.resume()
    (group,) = trainer.optimisers["generator"].param_groups
    assert (group["weight_decay"], group["betas"]) == (0.5, (0.1, 0.9))


def test_sources_of_all_data_are_remembered(trained):
    trainer = tiny_trainer(trained, "run.samples=8")
    trainer.facts["sources"] = ["elsewhere"]
    trainer.resume()
    trainer.run()
    assert checkpoint.load(trained / checkpoint.NAME).facts["sources"] == ["drawn", "elsewhere"]


def test_what_a_killed_run_left_is_swept(trained):
    (trained / f"{checkpoint.NAME}.77.part").write_bytes(b"half")
    trainer = tiny_trainer(trained, "run.samples=8")
    trainer.resume()
    trainer.run()
    assert list(trained.glob("*.part")) == []


def test_faces_of_another_template_are_refused(tmp_path):
    recipe, where = tiny_recipe(), Where(tmp_path, "cpu")
    faces = replace(drawn_faces(), template="ffhq_512")
    with pytest.raises(InputError, match="aligned to ffhq_512, networks are trained on arcface_112_v2"):
        assemble(recipe, faces, where, fabric_for(recipe, where))


def test_weights_of_losses_may_change_between_runs(trained):
    trainer = tiny_trainer(trained, "weights.identity=99")
    trainer.resume()
    assert trainer.seen == 4


def test_when_the_disk_is_full_the_last_checkpoint_survives(trained, monkeypatch):
    path = trained / checkpoint.NAME
    before = path.read_bytes()
    real = torch.save

    def full(content, file):
        real(content, file)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    trainer = tiny_trainer(trained, "run.samples=8")
    trainer.resume()
    with pytest.raises(InputError, match=r"cannot be written .*No space left.*the one before stands"):
        trainer.run()
    assert path.read_bytes() == before
    assert sorted(p.name for p in trained.glob("*.part")) == []


def test_a_checkpoint_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'owned'}",)

    torch.save({"format": 1, "networks": Evil()}, tmp_path / checkpoint.NAME)
    with pytest.raises(InputError, match="not a whole checkpoint"):
        checkpoint.load(tmp_path / checkpoint.NAME)
    assert not (tmp_path / "owned").exists()


def test_a_line_of_the_log_that_was_cut_off_is_dropped(trained):
    log = trained / "log.jsonl"
    log.write_text(log.read_text() + '{"seen": 8, "identity": 1}\n{"seen": 12, "ide')
    trainer = tiny_trainer(trained, "run.samples=12")
    trainer.resume()
    trainer.run()
    assert [line["seen"] for line in read_log(trained)] == [4, 8, 12]
    assert read_log(trained)[1]["identity"] != 1


# ---------------------------------------------------------------- the command


def arguments(folder, *more):
    small = [f"--set={a}" for a in (*tiny_recipe_assignments(),)]
    return ["train", "simswap", "--smoke", "--device", "cpu", "-o", str(folder), *small, *more]


def tiny_recipe_assignments():
    from tests.tiny_runs import FEW, SMALL

    return (*SMALL["simswap"], *FEW)


def test_ctrl_c_ends_with_a_checkpoint_and_130(tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "omote", *arguments(folder, "--set=run.samples=400000")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (folder / "log.jsonl").exists() or not (folder / "log.jsonl").read_text():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted after" in stderr
    assert "--resume goes on" in stderr
    found = checkpoint.load(folder / checkpoint.NAME)
    assert found.seen > 0
    assert found.seen == found.step * 4


def test_a_run_is_not_overwritten_nor_resumed_from_nothing(trained, tmp_path, capsys):
    assert omote(arguments(trained)) == 2
    assert "a run is there: --resume goes on with it" in capsys.readouterr().err
    nowhere = ["train", "simswap", "--data", str(tmp_path), "-o", str(tmp_path / "nowhere"), "--resume"]
    assert omote(nowhere) == 2
    assert "no run to resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nothing"], 2, "no recipe 'nothing': there are"),
        (["simswap"], 2, "give --data FOLDER and --output FOLDER"),
        (["simswap", "--set", "run.batch=0", "--smoke"], 2, "[run] batch is 0: it must be positive"),
        (["simswap", "--set", "run.bach=4", "--smoke"], 2, "[run] has no setting 'bach'"),
        (["simswap", "--set", "batch=4", "--smoke"], 2, "expected TABLE.KEY=VALUE"),
        (["simswap", "--set", "run.batch=many", "--smoke"], 2, "setting 'batch' is 'many', expected int"),
        (["simswap", "--set", "data.same_photo=2", "--smoke"], 2, "give shares, 1 together at most"),
        (["simswap", "--set", "data.other_photo=0.5", "--smoke"], 3, "none of the 8 people has two photos"),
        (["simswap", "--set", "run.batch=16", "--smoke"], 3, "8 faces of 8 people are too few"),
        (["simswap", "--set", "teachers.identity=\"none.onnx\"", "--smoke"], 6, "none.onnx"),
        (["simswap", "--set", "networks.depth=3", "--smoke"], 2, "[networks] has no setting 'depth'"),
        (["simswap", "--set", "weights.identity=much", "--smoke"], 2, "expected a number or [[samples,"),
        (["simswap", "--set", "run.clip=-1", "--smoke"], 2, "clip is -1.0: it must be positive, or 0"),
        (["simswap", "--set", "run.average=nan", "--smoke"], 2, "average is nan: it must be positive"),
        (["simswap", "--set", "optimisers.generator.betas=[0.9]", "--smoke"], 2, "expected two numbers"),
        (["simswap", "--set", "optimisers.generator.rate=-1", "--smoke"], 2, "rate falls below 0"),
        (["simswap", "--set", "optimisers.generator.decay=-1", "--smoke"], 2, "expected > 0 and >= 0"),
        (["simswap", "--set", "networks.matched=9", "--smoke"], 2, "the discriminator has 3 layers"),
        (["simswap", "--smoke", "--minutes", "nan"], 2, "--minutes nan: not a time"),
        (["simswap", "--smoke", "--judge", "x.onnx"], 2, "leave out --judge"),
        (["simswap", "--smoke", "--expression", "x.onnx"], 2, "give --judge too"),
        (["simswap", "--device", "abacus", "--smoke"], 2, "device abacus"),
        (["simswap", "--devices", "3", "--smoke"], 2, "run.batch = 8 does not divide evenly over 3 devices"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_and_the_right_exit_code(words, code, message, capsys, tmp_path):
    assert omote(["train", *words, *([] if words == ["simswap"] else ["-o", str(tmp_path / "run")])]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_unknown_loss_weight_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"weights.likelihood: simswap has no such loss, only .*identity"):
        tiny_trainer(tmp_path, "weights.likelihood=3")


def test_a_loss_without_a_weight_is_told(tmp_path):
    recipe = tiny_recipe()
    del recipe.weights["identity"]
    where = Where(tmp_path, "cpu")
    with pytest.raises(UsageError, match=r"weights\.identity is missing; 0 leaves that loss out"):
        assemble(recipe, drawn_faces(), where, fabric_for(recipe, where))


def test_the_recipes_are_listed_and_shown(capsys):
    assert omote(["train"]) == 0
    listed = capsys.readouterr().out
    assert "simswap" in listed
    assert "ghost" in listed
    assert omote(["train", "ghost", "--show", "--set", "run.batch=32"]) == 0
    import tomllib

    shown = tomllib.loads(capsys.readouterr().out)
    assert shown["run"]["batch"] == 32
    assert shown["weights"]["eyes"] == [[0, 0], [3_000_000, 0], [3_000_000, 1200]]


def test_the_sheet_shows_source_target_swap_and_own(tmp_path):
    trainer = tiny_trainer(tmp_path, "run.samples=12")
    trainer.run()
    assert trainer.sheet().shape == (4, 4, 3, 32, 32)
    (sheet,) = (tmp_path / "sheets").glob("*.jpg")
    assert sheet.name == "000000012.jpg"
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["seen"] == 12
    assert any((tmp_path / "tensorboard").iterdir())
    assert tiny_recipe().run.batch == 4
