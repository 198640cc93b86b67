"""Training runs of a second: SimSwap and GHOST at 32 px on eight drawn faces."""

from pathlib import Path
from typing import Any

from omote.training.assembly import Where, assemble, fabric_for
from omote.training.data.drawn import drawn_faces
from omote.training.loop import Trainer
from omote.training.recipe import Recipe, load_recipe

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
