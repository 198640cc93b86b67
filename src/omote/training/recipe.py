"""Recipes: everything that determines a training run, as one TOML file."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from omote.errors import InputError, UsageError
from omote.tables import from_table
from omote.training.schedule import Schedule

_TABLES = (
    "data",
    "augment",
    "hardships",
    "networks",
    "teachers",
    "optimisers",
    "weights",
    "guards",
    "run",
    "smoke",
    "card",
)
Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DataSettings:
    """Which crops the networks see.

    Attributes:
        size: side of the crops in pixels.
        same_photo: share of samples whose source is the target photo itself.
        other_photo: share whose source is another photo of the target's person.
        where: conditions that the faces must meet: `valid >= 0.9`; see `omote.training.data.where`.
        balance: column by which faces are drawn evenly (`source`), or nothing.
        square: side of the squares that are read, border included, where a set has several; the smallest
            unless said.
    """

    size: int
    same_photo: float
    other_photo: float
    where: tuple[str, ...] = ()
    balance: str | None = None
    square: int | None = None


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How long, how precisely, and what is kept.

    Attributes:
        batch: samples per step, over all devices.
        samples: how many are seen in all; schedules count in them.
        seed: of every random choice.
        precision: of the forward pass: `fp32` or `bf16` (weights, statistics and losses stay in float32).
        average: half-life, in samples, of the moving average of the weights that is exported.
        clip: gradients longer than this are shortened, per network; 0 for no limit.
        compile: whether `torch.compile` makes the generator's graph.
        checkpoint: samples between checkpoints.
        log: samples between lines of the log.
        grid: samples between sheets of examples.
        evaluate: samples between evaluations on held-out people, where a judge is given.
    """

    batch: int
    samples: int
    seed: int = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    average: float = 20_000
    clip: float = 0.0
    compile: bool = False
    checkpoint: int = 20_000
    log: int = 500
    grid: int = 10_000
    evaluate: int = 100_000

    def __post_init__(self) -> None:
        for name in ("batch", "samples", "average", "checkpoint", "log", "grid", "evaluate"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"[run] {name} is {getattr(self, name)}: it must be positive")
        if not 0 <= self.clip < math.inf:
            raise UsageError(f"[run] clip is {self.clip}: it must be positive, or 0 for no limit")


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """A number of the log that must stay within limits, or the run stops.

    Attributes:
        least: smallest value allowed.
        most: greatest value allowed.
        after: samples from which it is watched.
        meaning: what has happened if it leaves them, and the cure, for the message.
    """

    meaning: str
    least: float | None = None
    most: float | None = None
    after: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe, read and checked.

    Attributes:
        name: of the file, without its suffix.
        about: one line.
        system: which class of `omote.training.systems` trains it.
        data: which crops.
        run: how long.
        weights: loss → its weight over the samples seen.
        guards: name in the log → limits.
        tables: all tables as they were read, with what was set on top.
    """

    name: str
    about: str
    system: str
    data: DataSettings
    run: RunSettings
    weights: Mapping[str, Schedule]
    guards: Mapping[str, GuardSettings]
    tables: Mapping[str, Table]

    @classmethod
    def of(cls, name: str, content: Mapping[str, Any]) -> "Recipe":
        """Check what a TOML file holds.

        Raises:
            UsageError: a table or key is unknown or missing, or a value does not fit.
        """
        what = f"recipe {name}"
        heads = {key: value for key, value in content.items() if not isinstance(value, dict)}
        tables = {key: value for key, value in content.items() if isinstance(value, dict)}
        unknown = sorted(set(heads) - {"about", "system"}) + sorted(set(tables) - set(_TABLES))
        if unknown:
            raise UsageError(
                f"{what}: '{unknown[0]}' is unknown; it has about, system and the tables {', '.join(_TABLES)}"
            )
        for key in ("about", "system"):
            if not isinstance(heads.get(key), str):
                raise UsageError(f"{what}: '{key}' is missing")
        weights = {
            key: Schedule.of(value, f"{what}: weights.{key}")
            for key, value in tables.get("weights", {}).items()
        }
        guards = {
            key: from_table(
                GuardSettings, _table(value, f"{what}: guards.{key}"), what, f"[guards.{key}]", UsageError
            )
            for key, value in tables.get("guards", {}).items()
        }
        return cls(
            name,
            heads["about"],
            heads["system"],
            from_table(DataSettings, tables.get("data", {}), what, "[data]", UsageError),
            from_table(RunSettings, tables.get("run", {}), what, "[run]", UsageError),
            weights,
            guards,
            tables,
        )

    def table(self, name: str) -> Table:
        """One table as it was read; empty where there is none."""
        return self.tables.get(name, {})

    @property
    def content(self) -> Table:
        """What a TOML file of this recipe would hold."""
        return {"about": self.about, "system": self.system, **self.tables}


def recipes() -> tuple[str, ...]:
    """Names of the recipes that come with Omote."""
    folder = resources.files("omote.training") / "recipes"
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_recipe(reference: str, assignments: Sequence[str] = (), *, smoke: bool = False) -> Recipe:
    """Read a recipe that comes with Omote, or a file `NAME.toml`, laid over its `base` if it names one.

    Args:
        reference: name or path.
        assignments: `key=value` with dots in the key, the value in TOML: `run.batch=32`; they win.
        smoke: whether to lay the table `smoke` on top: the same run, small enough for minutes on a CPU.

    Raises:
        UsageError: there is no such recipe, or it does not hold together.
        InputError: the file cannot be read.
    """
    name, content = _read(reference)
    overlay = content.pop("smoke", {})
    if smoke:
        _lay(content, overlay)
    for assignment in assignments:
        _assign(content, assignment)
    return Recipe.of(name, content)


def _read(reference: str, above: tuple[str, ...] = ()) -> tuple[str, Table]:
    """Name and content of a recipe, laid over the recipe that it names as its base."""
    name, text = _text(reference)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe {name}: not valid TOML ({error})") from error
    base = content.pop("base", None)
    if base is None:
        return name, content
    if not isinstance(base, str) or name in above:
        raise UsageError(f"recipe {name}: base is {base!r}, expected the name of another recipe")
    _, below = _read(base, (*above, name))
    _lay(below, content)
    return name, below


def _text(reference: str) -> tuple[str, str]:
    path = Path(reference)
    if path.suffix == ".toml":
        try:
            return path.stem, path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as a recipe ({error})") from error
    if reference not in recipes():
        raise UsageError(f"no recipe '{reference}': there are {', '.join(recipes())}, or give a .toml file")
    return reference, (resources.files("omote.training") / "recipes" / f"{reference}.toml").read_text("utf-8")


def _lay(below: Table, above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _lay(below[key], value)
        else:
            below[key] = deepcopy(value)


def _assign(content: Table, assignment: str) -> None:
    key, equals, text = assignment.partition("=")
    names = [part.strip() for part in key.split(".")]
    if not equals or not all(names) or len(names) < 2:
        raise UsageError(f"--set {assignment}: expected TABLE.KEY=VALUE, as in run.batch=32")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    table = content
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {assignment}: '{name}' is not a table")
    table[names[-1]] = value


def _table(value: Any, name: str) -> Table:
    if not isinstance(value, dict):
        raise UsageError(f"{name} is {value!r}, expected a table")
    return value
