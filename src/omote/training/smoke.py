"""Smoke runs: a recipe made small learns eight drawn faces by heart, in a minute, without any data."""

from dataclasses import dataclass

import numpy as np
import torch

from omote.errors import OmoteError
from omote.training.data.crops import canonical
from omote.training.data.drawn import FACES
from omote.training.journal import read_log
from omote.training.loop import Trainer
from omote.training.system import Learnt

_FALLEN = 0.8
"""A loss has fallen if its last values are at most this part of its first."""


class SmokeError(OmoteError):
    """A recipe's smoke run did not learn (exit 1)."""


@dataclass(frozen=True, slots=True)
class Smoke:
    """What a smoke run has shown.

    Attributes:
        losses: loss → (mean of its first values, mean of its last).
        learnt: how well the faces are learnt by heart.
    """

    losses: dict[str, tuple[float, float]]
    learnt: Learnt


def judge(trainer: Trainer) -> Smoke:
    """Check a smoke run that has ended: its losses have fallen, and its faces are learnt by heart.

    Raises:
        SmokeError: a loss has not fallen, or the faces are not learnt.
    """
    lines = read_log(trainer.folder)
    few = max(len(lines) // 10, 1)

    def mean(name: str, part: list[dict[str, float]]) -> float:
        return float(np.mean([line[name] for line in part]))

    names = trainer.system.falling
    fallen = {name: (mean(name, lines[:few]), mean(name, lines[-few:])) for name in names}
    found = Smoke(fallen, _learnt(trainer))
    for name, (first, last) in fallen.items():
        if last > _FALLEN * first:
            raise SmokeError(
                f"smoke run of {trainer.recipe.name}: {name} went from {first:.3g} to {last:.3g}"
            )
    if found.learnt.value < found.learnt.least:
        raise SmokeError(
            f"smoke run of {trainer.recipe.name}: {found.learnt.what} is {found.learnt.value:.3g}, "
            f"{found.learnt.least:g} expected"
        )
    return found


def _learnt(trainer: Trainer) -> Learnt:
    faces = trainer.batches.faces
    index = torch.arange(min(len(faces), FACES))
    crops = canonical(faces.gather(index), faces.border, trainer.recipe.data.size)
    return trainer.system.learnt(crops.to(trainer.fabric.device), index.to(trainer.fabric.device))
