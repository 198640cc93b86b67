"""Evaluation over the samples seen: the average judged on held-out people while it is trained."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from omote.errors import UsageError
from omote.evaluation import Evaluator, Swap, held_out_pairs, on_inner, open_panel, read_held_out
from omote.training.data.crops import as_pictures, resized
from omote.training.journal import EVALUATION
from omote.training.system import System
from omote.training.systems.oneshot import OneShot
from omote.zoo import Networks

Pixels = npt.NDArray[np.uint8]


class Watching(ABC):
    """Judges the average of a system while it is trained."""

    @abstractmethod
    def of(self, system: System) -> Mapping[str, float]:
        """Name → number."""

    def note(self, folder: Path, seen: int, numbers: Mapping[str, float]) -> None:
        """Append a line to the run's `evaluation.jsonl`."""
        rounded = {name: float(f"{value:.5g}") for name, value in numbers.items()}
        with (folder / EVALUATION).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"seen": seen, **rounded}) + "\n")


class Watch(Watching):
    """Judges a one-shot system by the protocol of `omote evaluate`.

    Args:
        folder: a face set with held-out people.
        judge: identity network that has no part in the training, by name or path.
        expression: network of 52 blendshapes, or none.
        trainers: digests of the identity networks of the training, which must not judge.
        pairs: how many pairs; few make it quick, all of them make it exact.

    Raises:
        UsageError: the judge is one of them.
        InputError: the set has no held-out people.
        ModelError: a network is missing.
    """

    def __init__(
        self,
        folder: Path,
        judge: str,
        expression: str | None = None,
        trainers: Set[str] = frozenset(),
        pairs: int = 150,
    ) -> None:
        if hashlib.sha256(Networks().open(judge, "identity").read()).hexdigest() in trainers:
            raise UsageError(f"--judge {judge}: that network is an identity teacher; let another one judge")
        panel = open_panel(Networks(), judge, expression=expression)
        self._evaluator = Evaluator(held_out_pairs(read_held_out(folder), pairs), panel.estimators)

    def of(self, system: System) -> Mapping[str, float]:
        """Metric → its value for swaps, and `metric/floor` → for targets as they are."""
        assert isinstance(system, OneShot)
        result = self._evaluator.of(swapper_of(system))
        numbers = {row.metric.name: row.swap.value for row in result.rows}
        return numbers | {f"{row.metric.name}/floor": row.floor.value for row in result.rows}


def swapper_of(system: OneShot) -> Swap:
    """The average of a system as a swapper of aligned faces; drafted first if it is trained on drafts."""
    swap, drafter = on_inner(_on_crops(system)), system.drafter
    return swap if drafter is None else lambda targets, sources: swap(drafter(targets, sources), sources)


def _on_crops(system: OneShot) -> Swap:
    """The same on ArcFace crops."""

    @torch.no_grad()
    def swap(targets: Pixels, sources: Pixels) -> Pixels:
        task, side = system.task, targets.shape[1]
        given, wanted = (as_pictures(torch.from_numpy(x.copy())).to(task.device) for x in (targets, sources))
        embeddings = task.identities.teacher(wanted)
        made = resized(system.swap(resized(given, task.size), embeddings), side)
        pixels = ((made.clamp(-1, 1) + 1) * 127.5).round().byte()
        return np.asarray(pixels.permute(0, 2, 3, 1).cpu().numpy(), np.uint8)

    return swap
