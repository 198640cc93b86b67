"""Training runs of a second: SimSwap and GHOST at 32 px on eight drawn faces."""

from pathlib import Path
from typing import Any

import torch

from omote.training.assembly import Where, assemble, fabric_for
from omote.training.data.drawn import drawn_faces
from omote.training.draws import Draws
from omote.training.loop import Trainer
from omote.training.recipe import Recipe, load_recipe
from omote.training.system import Moment

SMALL = {
    "simswap": ("networks.width=4", "networks.judge_width=4", "networks.blocks=1"),
    "omote-swap-128": ("networks.width=8", "networks.deep=16", "networks.blocks=1"),
    "ghost": ("networks.width=4", "networks.limit=16", "networks.judge_width=4"),
}
FEW = ("run.batch=4", "run.samples=24", "run.log=4", "run.grid=12", "run.checkpoint=12")


def tiny_recipe(name: str = "simswap", *assignments: str) -> Recipe:
    return load_recipe(name, [*SMALL[name], *FEW, *assignments], smoke=True)


def tiny_trainer(folder: Path, *assignments: str, name: str = "simswap", **options: Any) -> Trainer:
    recipe = tiny_recipe(name, *assignments)
    where = Where(folder, "cpu", **options)
    return assemble(recipe, drawn_faces(), where, fabric_for(recipe, where))


def moment_of(trainer: Trainer, step: int = 0) -> Moment:
    """A step with the weights of the recipe's beginning, of the whole batch."""
    weights = {name: schedule.at(0) for name, schedule in trainer.recipe.weights.items()}
    size = trainer.recipe.run.batch
    return Moment(0, weights, Draws(1, step, size, slice(None), torch.device("cpu")))
