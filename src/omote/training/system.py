"""What the loop trains: a system is networks, what a step shares between them, and a table of phases."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from omote.training.draws import Draws
from omote.training.exported import Exported

Terms = dict[str, Tensor]
"""Loss → its value per sample, (B,) float32, not yet weighted; 0 where it does not concern a sample."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where training stands.

    Attributes:
        seen: samples seen before this step.
        weights: loss → its weight now. What weighs nothing need not be computed.
        draws: the random numbers of this step.
    """

    seen: int
    weights: Mapping[str, float]
    draws: Draws


@dataclass(frozen=True, slots=True)
class Phase:
    """One network's turn in a step.

    Attributes:
        network: which of the system's networks it trains; it has an optimiser of its own.
        losses: (what `prepare` made, moment) → terms. Each must have a weight in the recipe.
        every: steps between its turns (lazy regularisation); its gradients count `every` fold.
    """

    network: str
    losses: Callable[[Any, Moment], Terms]
    every: int = 1


@dataclass(frozen=True, slots=True)
class Learnt:
    """How well a few faces have been learnt by heart.

    Attributes:
        what: that is measured, with its unit after the number.
        value: found.
        least: that is expected of a network which learns at all.
    """

    what: str
    value: float
    least: float


class System(Protocol):
    """Networks and losses of one recipe."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Name → what is trained and kept in checkpoints."""
        ...

    @property
    def averaged(self) -> str:
        """Which of the networks has a moving average of its weights."""
        ...

    @property
    def average(self) -> nn.Module:
        """That average, which is exported; the loop keeps it up to date."""
        ...

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The networks' turns in a step.

        All are computed with the weights before the step, then all networks move, so that taking a batch in
        pieces changes nothing.
        """
        ...

    @property
    def losses(self) -> tuple[str, ...]:
        """All losses of its phases; the recipe weighs each."""
        ...

    def prepare(self, batch: Any, moment: Moment) -> Any:
        """What the phases of a step share: above all the generated pictures, with their graph."""
        ...

    @property
    def falling(self) -> tuple[str, ...]:
        """Losses that must fall in a smoke run."""
        ...

    def learnt(self, crops: Tensor, index: Tensor) -> Learnt:
        """Judge the average after a smoke run.

        Args:
            crops: (B, 3, S, S) in [-1, 1], canonical: all faces of the set.
            index: (B,) their numbers.
        """
        ...

    def export(self) -> Exported:
        """The average, as the rest of Omote uses it."""
        ...

    def observed(self, shared: Any) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Numbers for the log and the guards: name → values (B,), and which samples (B,) they concern."""
        ...

    def sheet(self, batch: Any) -> Tensor:
        """Pictures to look at, of the average: (rows, columns, 3, S, S), [-1, 1]."""
        ...


@runtime_checkable
class Settling(Protocol):
    """A system whose average has a last layer that can be solved for, once it is trained."""

    def settle(self, examples: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Solve for it: the best that it can do.

        Args:
            examples: canonical crops (B, 3, S, S) in [-1, 1], and the teacher's embeddings (B, D).
        """
        ...


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move the average towards the network by `share`: weights and float statistics; counters are copied."""
    theirs = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    ours = {**dict(average.named_parameters()), **dict(average.named_buffers())}
    floats = [name for name, value in ours.items() if value.is_floating_point()]
    torch._foreach_lerp_([ours[n] for n in floats], [theirs[n].to(ours[n].dtype) for n in floats], share)
    for name in ours.keys() - set(floats):
        ours[name].copy_(theirs[name])
