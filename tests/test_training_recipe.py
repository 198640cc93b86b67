"""Recipes, schedules and the random numbers of a step."""

import tomllib

import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.errors import InputError, UsageError  # noqa: E402
from omote.training.draws import Draws  # noqa: E402
from omote.training.optimisers import make_optimisers  # noqa: E402
from omote.training.recipe import load_recipe, recipes  # noqa: E402
from omote.training.schedule import Schedule  # noqa: E402
from omote.training.systems import SYSTEMS  # noqa: E402
from omote.training.toml import as_toml  # noqa: E402

# ---------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("entry", "seen", "value"),
    [
        (3, 0, 3),
        (3, 10**9, 3),
        ([[0, 1], [100, 2]], -5, 1),
        ([[0, 1], [100, 2]], 50, 1.5),
        ([[0, 1], [100, 2]], 1000, 2),
        ([[50, 1], [100, 2]], 10, 1),
        ([[0, 15], [100, 15], [100, 70]], 99, 15),
        ([[0, 15], [100, 15], [100, 70]], 100, 70),
        ([[0, 0], [100, 0], [100, 4], [200, 8]], 150, 6),
    ],
)
def test_a_schedule_is_piecewise_linear_in_samples(entry, seen, value):
    assert Schedule.of(entry, "x").at(seen) == pytest.approx(value)


@pytest.mark.parametrize("entry", ["much", True, [], [1, 2], [[1]], [[0, 1], [-1, 2]], [[0, "a"]], None])
def test_what_is_no_schedule_is_told(entry):
    with pytest.raises(
        UsageError, match=r"weights\.x is .*, expected a number or \[\[samples, value\], \.\.\.\]"
    ):
        Schedule.of(entry, "weights.x")


# ---------------------------------------------------------------- recipes


@pytest.mark.parametrize("smoke", [False, True])
@pytest.mark.parametrize("name", recipes())
def test_every_recipe_holds_together(name, smoke):
    recipe = load_recipe(name, smoke=smoke)
    assert recipe.system in SYSTEMS
    assert "smoke" not in recipe.tables
    assert recipe.run.samples > 0
    assert tomllib.loads(as_toml(recipe.content)) == recipe.content


def test_simswap_is_trained_as_published():
    recipe = load_recipe("simswap")
    weights = {name: schedule.at(0) for name, schedule in recipe.weights.items()}
    assert weights == {
        "adversarial": 1,
        "identity": 20,
        "reconstruction": 5,  # 10 on every other step
        "weak_features": 10,
        "discriminator": 1,
        "penalty": 1e-5,
    }
    assert (recipe.run.batch, recipe.run.samples, recipe.data.size) == (16, 400_000 * 16, 224)
    assert (recipe.data.same_photo, recipe.data.other_photo) == (0, 0.5)
    assert recipe.table("optimisers")["generator"] == {"rate": 4e-4, "betas": [0.0, 0.99]}


def test_ghost_is_trained_in_the_two_published_stages():
    recipe = load_recipe("ghost")
    first, second = ({n: s.at(seen) for n, s in recipe.weights.items()} for seen in (0, 5_999_999))
    common = {"adversarial": 1, "attributes": 10, "reconstruction": 10, "discriminator": 1}
    assert first == common | {"identity": 15, "eyes": 0}
    assert second == common | {"identity": 70, "eyes": 1200}
    assert recipe.data.other_photo == 0.2
    for network in ("generator", "discriminator"):
        table = recipe.table("optimisers")[network]
        assert (table["rate"], table["decay"]) == (4e-4, 1e-4)


def test_a_recipe_may_lie_over_another(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "ghost"\nabout = "mine"\n[run]\nbatch = 4\n[networks]\nlayers = 1\n')
    recipe, base = load_recipe(str(path)), load_recipe("ghost")
    assert recipe.name == "mine"
    assert recipe.run.batch == 4
    assert recipe.run.samples == base.run.samples
    assert recipe.table("networks") == base.table("networks") | {"layers": 1}


def test_bases_that_go_round_are_told(tmp_path):
    path = tmp_path / "round.toml"
    path.write_text(f'base = "{path}"\nabout = "x"\nsystem = "ghost"\n')
    with pytest.raises(UsageError, match="recipe round: base is"):
        load_recipe(str(path))


def test_what_is_set_wins_over_smoke_and_recipe():
    recipe = load_recipe(
        "ghost", ["run.batch = 2", 'networks.encoder="linknet"', "guards.likeness.least=0.3"], smoke=True
    )
    assert recipe.run.batch == 2
    assert recipe.data.size == 32
    assert recipe.table("networks")["encoder"] == "linknet"
    assert recipe.guards["likeness"].least == 0.3


def test_text_may_be_set_without_quotes():
    assert load_recipe("ghost", ["teachers.identity=arcface_ghost"]).table("teachers") == {
        "identity": "arcface_ghost"
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("about = 1", "not valid|'about' is missing"),
        ('about = "x"', "'system' is missing"),
        ('about = "x"\nsystem = "ghost"\ncolour = 1', "'colour' is unknown"),
        ('about = "x"\nsystem = "ghost"\n[colours]\na = 1', "'colours' is unknown"),
        ('about = "x"\nsystem = "ghost"\n[data]\nsize = 32', r"\[data\] needs the setting 'same_photo'"),
        ("about = ", "not valid TOML"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_told(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_recipe(str(path))


def test_a_recipe_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read as a recipe"):
        load_recipe(str(tmp_path / "none.toml"))


def test_toml_survives_lines_quotes_and_odd_keys():
    table = {
        "note": 'two\nlines, "quotes", \\ and ü',
        "guards": {"gradient/generator": {"most": 3.5, "on": True}},
    }
    assert tomllib.loads(as_toml(table)) == table


# ---------------------------------------------------------------- optimisers


def test_optimisers_are_made_as_the_recipe_says():
    networks = {"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)}
    table = {
        "a": {"rate": [[0, 0], [10, 1e-3]], "betas": [0.1, 0.9], "decay": 0.2, "kind": "adamw"},
        "b": {"rate": 2e-3, "epsilon": 1e-5},
    }
    optimisers, rates = make_optimisers("r", table, networks)
    assert isinstance(optimisers["a"], torch.optim.AdamW)
    assert type(optimisers["b"]) is torch.optim.Adam
    (group,) = optimisers["a"].param_groups
    assert (group["betas"], group["weight_decay"]) == ((0.1, 0.9), 0.2)
    assert optimisers["b"].param_groups[0]["eps"] == 1e-5
    assert rates["a"].at(5) == pytest.approx(5e-4)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"\[optimisers\] is for nothing, the system trains a"),
        ({"a": {"rate": 1}, "b": {"rate": 1}}, r"\[optimisers\] is for a, b"),
        ({"a": {}}, r"\[optimisers.a\] needs 'rate'"),
        ({"a": {"rate": "fast"}}, r"optimisers.a.rate is 'fast'"),
        ({"a": {"rate": 1, "momentum": 1}}, "has no setting 'momentum'"),
    ],
)
def test_what_is_wrong_with_an_optimiser_is_told(table, message):
    with pytest.raises(UsageError, match=message):
        make_optimisers("r", table, {"a": torch.nn.Linear(1, 1)})


# ---------------------------------------------------------------- random numbers of a step


def draws(part, step=3, seed=1):
    return Draws(seed, step, 6, part, torch.device("cpu"))


def test_parts_of_a_batch_draw_the_rows_of_the_whole():
    whole, first, rest = draws(slice(0, 6)), draws(slice(0, 2)), draws(slice(2, 6))
    for name, shape in (("uniform", (2, 3)), ("normal", (4,)), ("uniform", ())):
        parts = [getattr(d, name)(*shape) for d in (first, rest)]
        assert torch.equal(getattr(whole, name)(*shape), torch.cat(parts))
    assert whole.choice(1000) == first.choice(1000) == rest.choice(1000)


def test_steps_seeds_and_calls_draw_anew():
    first = draws(slice(0, 6))
    values = [
        first.uniform(),
        first.uniform(),
        draws(slice(0, 6), step=4).uniform(),
        draws(slice(0, 6), seed=2).uniform(),
    ]
    assert len({tuple(v.tolist()) for v in values}) == 4
    assert torch.equal(values[0], draws(slice(0, 6)).uniform())


def test_uniform_numbers_lie_in_their_range():
    many = Draws(1, 0, 4000, slice(None), torch.device("cpu")).uniform(low=-2, high=3)
    assert -2 <= many.min() < -1.9
    assert 2.9 < many.max() < 3
