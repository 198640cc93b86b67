"""Systems: the networks, losses and phases that the recipes name."""

from collections.abc import Callable
from typing import Any

from omote.errors import UsageError
from omote.tables import from_table
from omote.training.data.batches import Batches
from omote.training.recipe import Recipe
from omote.training.system import System
from omote.training.systems.ghost import GhostSettings, GhostSystem
from omote.training.systems.identity import IdentitySettings, IdentitySystem
from omote.training.systems.oneshot import Task
from omote.training.systems.simswap import SimSwapSettings, SimSwapSystem

SYSTEMS: dict[str, tuple[type[Any], Callable[[Any, Task], System]]] = {
    "simswap": (SimSwapSettings, SimSwapSystem),
    "ghost": (GhostSettings, GhostSystem),
    "identity": (IdentitySettings, IdentitySystem),
}
"""Name → its table `[networks]`, and the class that is made of that and a `Task`."""


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
    return system.lessons(batches) if isinstance(system, IdentitySystem) else batches
