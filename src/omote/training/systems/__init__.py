"""Systems: the networks, losses and phases that the recipes name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from omote.errors import UsageError
from omote.tables import from_table
from omote.training.data.batches import Batches
from omote.training.data.drawn import drawn_faces, drawn_regions
from omote.training.data.faces import FaceSet
from omote.training.data.regions import open_regions
from omote.training.recipe import Recipe
from omote.training.system import System
from omote.training.systems.ghost import GhostSettings, GhostSystem
from omote.training.systems.identity import IdentitySettings, IdentitySystem
from omote.training.systems.omote_swap import OmoteSwapSettings, OmoteSwapSystem
from omote.training.systems.oneshot import Identities, Task
from omote.training.systems.regions import RegionSettings, RegionSystem
from omote.training.systems.restore import RestoreSettings, RestoreSystem
from omote.training.systems.simswap import SimSwapSettings, SimSwapSystem
from omote.training.teachers.identity import identity_teacher

SYSTEMS: dict[str, tuple[type[Any], Callable[[Any, Task], System]]] = {
    "simswap": (SimSwapSettings, SimSwapSystem),
    "ghost": (GhostSettings, GhostSystem),
    "omote-swap": (OmoteSwapSettings, OmoteSwapSystem),
    "identity": (IdentitySettings, IdentitySystem),
    "regions": (RegionSettings, RegionSystem),
    "restore": (RestoreSettings, RestoreSystem),
}
"""Name → its table `[networks]`, and the class that is made of that and a `Task`."""

_STRANGERS = ("regions", "restore")
"""Systems that do not ask who is on a face."""


def build(recipe: Recipe, task: Task) -> System:
    """Make the system that a recipe names.

    Raises:
        UsageError: there is none of that name, or its networks cannot be told what the recipe says.
    """
    if recipe.system not in SYSTEMS:
        raise UsageError(f"recipe {recipe.name}: no system '{recipe.system}': there are {', '.join(SYSTEMS)}")
    settings, system = SYSTEMS[recipe.system]
    table = recipe.table("networks")
    return system(from_table(settings, table, f"recipe {recipe.name}", "[networks]", UsageError), task)


def batches_for(system: System, batches: Batches) -> Batches:
    """What a system is trained with: pairs, or what it makes of them ahead of the step."""
    if isinstance(system, IdentitySystem | OmoteSwapSystem | RegionSystem | RestoreSystem):
        return system.lessons(batches)
    return batches


def open_faces(recipe: Recipe, folder: Path, split: str, cache: Path | None = None) -> FaceSet:
    """The faces of a folder that a recipe is trained on or judged by; with masks if its system wants them.

    Raises:
        InputError: there are none, or they are damaged.
    """
    if recipe.system == "regions":
        return open_regions(folder, split, cache)
    data = recipe.data
    return FaceSet.open(folder, square=data.square, split=split, where=data.where, cache=cache)


def drawn_for(recipe: Recipe) -> FaceSet:
    """The drawn faces of a smoke run."""
    return drawn_regions() if recipe.system == "regions" else drawn_faces()


def strangers(recipe: Recipe) -> Identities | None:
    """Nobody's identities, for a system that does not ask who is on a face; None if it does."""
    if recipe.system not in _STRANGERS:
        return None
    teacher = identity_teacher("pixels")
    return Identities(teacher, torch.zeros(0, teacher.width))
