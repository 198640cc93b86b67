"""Optimisers as recipes state them."""

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
    """

    kind: Literal["adam", "adamw"] = "adam"
    betas: tuple[float, ...] = (0.9, 0.999)
    epsilon: float = 1e-8
    decay: float = 0.0


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
        settings = from_table(OptimiserSettings, entry, f"recipe {recipe}", where, UsageError)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.kind]
        optimisers[name] = kind(
            network.parameters(),
            lr=rates[name].at(0),
            betas=(settings.betas[0], settings.betas[1]),
            eps=settings.epsilon,
            weight_decay=settings.decay,
        )
    return optimisers, rates
