"""Optimisers as recipes state them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from omote.errors import UsageError
from omote.tables import from_table
from omote.training.schedule import Schedule

Optimiser = torch.optim.Optimizer


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """What `[optimisers.NETWORK]` may hold beside `rate`, the learning rate over the samples seen.

    Attributes:
        kind: `adam` (decay acts on the gradient) or `adamw` (decay acts on the weights).
        betas: memory of the gradient's mean and of its square.
        epsilon: added to the root of the square.
        decay: of the weights.
        slow: a module of the network that has learnt before, such as `encoder`.
        slow_share: of the rate, at which it moves.
    """

    kind: Literal["adam", "adamw"] = "adam"
    betas: tuple[float, ...] = (0.9, 0.999)
    epsilon: float = 1e-8
    decay: float = 0.0
    slow: str = ""
    slow_share: float = 1.0

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UsageError(f"betas are {list(self.betas)}: expected two numbers from 0 to below 1")
        if not 0 < self.epsilon < math.inf or not 0 <= self.decay < math.inf:
            raise UsageError(f"epsilon is {self.epsilon}, decay {self.decay}: expected > 0 and >= 0")


def load_state(optimiser: Optimiser, state: Mapping[str, Any]) -> None:
    """Load what an optimiser has gathered; rate, betas, epsilon and decay stay those of the recipe."""
    options = [
        {key: value for key, value in group.items() if key != "params"} for group in optimiser.param_groups
    ]
    optimiser.load_state_dict(dict(state))
    for group, kept in zip(optimiser.param_groups, options, strict=True):
        group.update(kept)


def make_optimisers(
    recipe: str, table: Mapping[str, Any], networks: Mapping[str, nn.Module]
) -> tuple[dict[str, Optimiser], dict[str, Schedule]]:
    """Optimisers and learning rates by network.

    Raises:
        UsageError: the recipe leaves a network out, names one that there is not, or a setting does not fit.
    """
    if table.keys() != networks.keys():
        raise UsageError(
            f"recipe {recipe}: [optimisers] is for {', '.join(sorted(table)) or 'nothing'}, "
            f"the system trains {', '.join(sorted(networks))}"
        )
    optimisers: dict[str, Optimiser] = {}
    rates: dict[str, Schedule] = {}
    for name, network in networks.items():
        where = f"[optimisers.{name}]"
        entry = dict(table[name])
        if "rate" not in entry:
            raise UsageError(f"recipe {recipe}: {where} needs 'rate'")
        rates[name] = Schedule.of(entry.pop("rate"), f"recipe {recipe}: optimisers.{name}.rate")
        if min(rates[name].values) < 0:
            raise UsageError(f"recipe {recipe}: optimisers.{name}.rate falls below 0")
        settings = from_table(OptimiserSettings, entry, f"recipe {recipe}", where, UsageError)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.kind]
        optimisers[name] = kind(
            _groups(network, settings, f"recipe {recipe}: {where}"),
            lr=rates[name].at(0),
            betas=(settings.betas[0], settings.betas[1]),
            eps=settings.epsilon,
            weight_decay=settings.decay,
        )
    return optimisers, rates


def set_rate(optimiser: Optimiser, rate: float) -> None:
    """Set the learning rate; what is slow moves at its share of it."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("share", 1.0)


def _groups(network: nn.Module, settings: OptimiserSettings, where: str) -> list[dict[str, Any]]:
    if not settings.slow:
        return [{"params": list(network.parameters())}]
    parts = dict(network.named_children())
    if settings.slow not in parts:
        raise UsageError(f"{where} slow = '{settings.slow}': the network has {', '.join(parts)}")
    slow = set(parts[settings.slow].parameters())
    others = [value for value in network.parameters() if value not in slow]
    return [
        {"params": others},
        {"params": [value for value in network.parameters() if value in slow], "share": settings.slow_share},
    ]
