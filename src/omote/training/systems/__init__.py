"""Systems: the networks, losses and phases that the recipes name."""

from typing import Any

from omote.training.systems.ghost import GhostSettings, GhostSystem
from omote.training.systems.simswap import SimSwapSettings, SimSwapSystem

ONE_SHOT: dict[str, tuple[type[Any], type[Any]]] = {
    "simswap": (SimSwapSettings, SimSwapSystem),
    "ghost": (GhostSettings, GhostSystem),
}
"""System → its table `[networks]`, its class made of that and a `Task`."""
