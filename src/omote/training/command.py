"""What `omote train` does: reads the recipe, opens the faces, trains, and tells how it went."""

import math
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omote.errors import UsageError
from omote.training import checkpoint
from omote.training.assembly import Where, assemble, fabric_for
from omote.training.data.faces import FaceSet
from omote.training.held_out import watch_for
from omote.training.loop import Stop, Trainer
from omote.training.recipe import Recipe, load_recipe, recipes
from omote.training.smoke import judge
from omote.training.systems import drawn_for, open_faces
from omote.training.systems.oneshot import OneShot
from omote.training.toml import as_toml
from omote.training.watch import Watch


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command; see `omote train --help`."""

    recipe: str
    data: Path | None
    output: Path | None
    resume: bool = False
    begin_from: Path | None = None
    assignments: tuple[str, ...] = ()
    minutes: float | None = None
    smoke: bool = False
    device: str = "auto"
    devices: int = 1
    cache: Path | None = None
    show: bool = False
    judge: str | None = None
    expression: str | None = None


def recipe_table() -> str:
    """The recipes that come with Omote, a line each."""
    names = recipes()
    width = max(map(len, names))
    return "\n".join(f"{name:<{width}}  {load_recipe(name).about}" for name in names)


def run(request: Request) -> str:
    """Train as asked. Returns a line if the user stopped it, else nothing.

    Raises:
        OmoteError: the request, the data or the training itself is at fault.
    """
    recipe = load_recipe(request.recipe, request.assignments, smoke=request.smoke)
    if request.show:
        print(as_toml(recipe.content))
        return ""
    if request.expression and not request.judge:
        raise UsageError("--expression serves the evaluation: give --judge too")
    if request.minutes is not None and not math.isfinite(request.minutes):
        raise UsageError(f"--minutes {request.minutes}: not a time")
    if request.smoke:
        if request.judge or request.resume or request.begin_from:
            raise UsageError(
                "--smoke starts anew and is judged by itself: leave out --judge, --resume and --from"
            )
        with tempfile.TemporaryDirectory() as scratch:
            return _train(request, recipe, request.output or Path(scratch))
    if request.data is None or request.output is None:
        raise UsageError("give --data FOLDER and --output FOLDER (or --smoke, which needs neither)")
    return _train(request, recipe, request.output)


def _train(request: Request, recipe: Recipe, folder: Path) -> str:
    path = folder / checkpoint.NAME
    if path.exists() and not request.resume:
        raise UsageError(
            f"{path}: a run is there: --resume goes on with it, another --output starts a new one"
        )
    if request.resume and not path.exists():
        raise UsageError(f"{path}: no run to resume; start one without --resume")
    if request.resume and request.begin_from:
        raise UsageError("--resume goes on with a run, --from begins another: give one of them")
    where = Where(folder, request.device, request.devices, request.cache)
    fabric = fabric_for(recipe, where)
    faces = _faces(request, recipe)
    trainer = assemble(recipe, faces, where, fabric)
    if request.resume:
        trainer.resume()
    elif request.begin_from:
        trainer.begin_from(request.begin_from)
    first = fabric.is_global_zero
    if first:
        print(
            f"{recipe.name}: {len(faces):,} faces of {faces.people:,} people, {fabric.device}, "
            f"{trainer.seen:,} of {recipe.run.samples:,} samples seen",
            flush=True,
        )
    watch = None if request.data is None else watch_for(recipe, request.data, request.cache)
    if request.judge and request.data:
        if not isinstance(trainer.system, OneShot):
            raise UsageError(f"--judge: {recipe.name} trains no swapper")
        watch = Watch(request.data, request.judge, request.expression, trainer.system.identity_digests)
    with _stoppable() as stop:
        trainer.run(request.minutes, stop, watch)
    if stop.asked and trainer.seen < recipe.run.samples:
        return f"interrupted after {trainer.seen:,} samples; {path} is whole: --resume goes on"
    if request.smoke and first:
        _report(trainer, recipe)
    elif first:
        print(f"{trainer.seen:,} samples seen; {path}")
    return ""


def _faces(request: Request, recipe: Recipe) -> FaceSet:
    if request.data is None:
        return drawn_for(recipe)
    return open_faces(recipe, request.data, "train", request.cache)


def _report(trainer: Trainer, recipe: Recipe) -> None:
    found = judge(trainer)
    for name, (begin, end) in found.losses.items():
        print(f"{name:<16} {begin:.4g} -> {end:.4g}")
    print(f"{found.learnt.what}: {found.learnt.value:.3g} on {len(trainer.batches.faces)} faces")


@contextmanager
def _stoppable() -> Iterator[Stop]:
    """Let Ctrl-C and a polite kill end the step at hand, not cut it."""
    stop = Stop()

    def ask(number: int, frame: Any) -> None:
        stop.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
