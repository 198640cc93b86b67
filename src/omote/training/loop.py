"""The loop: it trains any system by its table of phases, and keeps all that a run needs to go on."""

import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from omote.errors import InputError, UsageError
from omote.training import checkpoint
from omote.training.checkpoint import Checkpoint
from omote.training.data.batches import Batch, Batches, prefetched
from omote.training.draws import Draws
from omote.training.guards import CollapseError, Guards
from omote.training.journal import Journal
from omote.training.meter import Meter, total
from omote.training.optimisers import load_state, make_optimisers, set_rate
from omote.training.recipe import Recipe
from omote.training.system import Moment, Phase, System, follow
from omote.training.watch import Watching

_UNUSED_STEP = 2**31 - 1  # one that training never reaches: the faces of the sheets come from it
_SKIPPED = 20  # steps in a row without finite gradients after which a run stops


class Trainer:
    """Trains a system.

    Several devices share each batch: every process computes its part, and the gradients of a network are
    summed in one exchange before its optimiser moves. (Not by hooks on the module, as DistributedDataParallel
    does it: those expect one forward pass for each backward pass, and a discriminator has several.)

    Args:
        recipe: what determines the run.
        system: its networks and losses, on the fabric's device.
        batches: of the whole batch's size.
        folder: for checkpoint, log and sheets.
        fabric: devices and precision, launched.
        facts: kept in checkpoints for the export.
    """

    def __init__(
        self,
        recipe: Recipe,
        system: System,
        batches: Batches,
        folder: Path,
        fabric: Fabric,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.recipe, self.system, self.batches, self.folder, self.fabric = (
            recipe,
            system,
            batches,
            folder,
            fabric,
        )
        self.step = 0
        self.facts = facts or {}
        self.pieces = 1
        self.optimisers, self._rates = make_optimisers(
            recipe.name, recipe.table("optimisers"), system.networks
        )
        share = recipe.run.batch // fabric.world_size
        self._part = slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)
        self._meter = Meter(fabric)
        self._skipped = 0
        if recipe.run.compile:
            system.networks[system.averaged].compile()

    @property
    def seen(self) -> int:
        """Samples seen."""
        return self.step * self.recipe.run.batch

    # ------------------------------------------------------------------ the run

    def run(
        self, minutes: float | None = None, stop: "Stop | None" = None, watch: Watching | None = None
    ) -> None:
        """Train to the end of the recipe, or until the time is up, or somebody asks to stop; then save.

        Args:
            minutes: the time.
            stop: the wish.
            watch: judges the average now and then, and at the end.

        Raises:
            CollapseError: training has gone wrong; the last checkpoint stands.
            InputError: a checkpoint cannot be written.
        """
        run, began = self.recipe.run, time.monotonic()
        if self.fabric.is_global_zero:
            checkpoint.sweep(self.folder)
        guards, judged = Guards(self.recipe.guards), self.seen
        journal = Journal(self.folder, self.seen) if self.fabric.is_global_zero else None
        with closing(prefetched(self.batches, self.step, self._part)) as coming:  # type: ignore[type-var]
            while self.seen < run.samples:
                before = self.seen
                self._step(coming)
                if self._passed(before, run.log):
                    numbers = self._meter.read()
                    guards.check(self.seen, numbers)
                    if journal:
                        journal.write(self.seen, numbers)
                if journal and self._passed(before, run.grid):
                    journal.sheet(self.seen, self.sheet())
                if watch and journal and self._passed(before, run.evaluate):
                    watch.note(self.folder, self.seen, watch.of(self.system))
                    judged = self.seen
                if self._passed(before, run.checkpoint) and self.seen < run.samples:
                    self.save()
                late = minutes is not None and time.monotonic() - began > minutes * 60
                if self._agreed(late or bool(stop and stop.asked)):
                    break
        self.save()
        if watch and journal and judged != self.seen:
            watch.note(self.folder, self.seen, watch.of(self.system))
        if journal:
            journal.close()

    def _passed(self, before: int, every: int) -> bool:
        return self.seen // every > before // every

    def _agreed(self, wish: bool) -> bool:
        """Whether any process wishes so: all must leave the loop in the same step."""
        return bool(total(torch.tensor(float(wish)), self.fabric) > 0)

    @torch.no_grad()
    def sheet(self) -> Tensor:
        """Examples of the average, always of the same faces."""
        rows = min(8, self.recipe.run.batch)
        return self.system.sheet(self.batches.batch(_UNUSED_STEP, slice(0, rows)))

    # ------------------------------------------------------------------ one step

    def _step(self, coming: Iterator[Batch]) -> None:
        with self._meter.waiting():
            batch = next(coming)
        for name, optimiser in self.optimisers.items():
            set_rate(optimiser, self._rates[name].at(self.seen))
        phases = [phase for phase in self.system.phases if self.step % phase.every == 0]
        self._gradients(batch, phases)
        finite = [self._move(name) for name in dict.fromkeys(phase.network for phase in phases)]
        self._skipped = 0 if all(finite) else self._skipped + 1
        if self._skipped:
            self._meter.skip_step()
        else:
            self._meter.close_step()
        if self._skipped >= _SKIPPED:
            raise CollapseError(
                f"after {self.seen:,} samples the gradients are not finite: stopped; resume from the last "
                "checkpoint with a lower learning rate or run.precision=fp32"
            )
        self.step += 1
        run = self.recipe.run
        half_life = min(run.average, max(self.seen / 10, run.batch))  # short at first: the start is forgotten
        network = self.system.networks[self.system.averaged]
        follow(self.system.average, network, 1 - 0.5 ** (run.batch / half_life))

    def _gradients(self, batch: Batch, phases: list[Phase]) -> None:
        """Sum up the gradients of all phases; where memory runs out, in twice as many pieces from now on."""
        while True:
            try:
                for network in self.system.networks.values():
                    network.zero_grad(set_to_none=True)
                torch.manual_seed(self.recipe.run.seed + self.step)  # of dropout and the like
                for begin, end in _cuts(len(batch), self.pieces):
                    self._accumulate(batch[begin:end], self._part.start + begin, phases)
                return
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _is_memory(error):
                    raise
                if self.pieces >= len(batch):
                    raise UsageError(
                        "out of memory with a single sample: lower data.size, or narrow the networks"
                    ) from error
                self.pieces *= 2
                self._meter.reset_step()
                warnings.warn(
                    f"out of memory: from now on each batch of {self.recipe.run.batch} is computed in "
                    f"{self.pieces} pieces (run.batch stays what it is)",
                    stacklevel=2,
                )

    def _accumulate(self, batch: Batch, first: int, phases: list[Phase]) -> None:
        run = self.recipe.run
        batch = batch.to(self.fabric.device)
        draws = Draws(run.seed, self.step, run.batch, slice(first, first + len(batch)), self.fabric.device)
        weights = {name: schedule.at(self.seen) for name, schedule in self.recipe.weights.items()}
        moment = Moment(self.seen, weights, draws)
        with self.fabric.autocast():
            shared = self.system.prepare(batch, moment)
        for phase in phases:
            with self.fabric.autocast():
                terms = phase.losses(shared, moment)
            loss = sum(weights[name] * value.float().sum() for name, value in terms.items()) / run.batch
            self._meter.add({name: value / run.batch for name, value in terms.items()})
            parameters = [p for p in self.system.networks[phase.network].parameters() if p.requires_grad]
            if isinstance(loss, Tensor) and loss.requires_grad:
                torch.autograd.backward(loss * phase.every, inputs=parameters)
        self._meter.observe(self.system.observed(shared))

    def _move(self, name: str) -> bool:
        """Exchange, shorten and apply the gradients of a network; says whether they were finite."""
        network = self.system.networks[name]
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        if self.fabric.world_size > 1 and gradients:
            _exchange(gradients, self.fabric)
        limit = self.recipe.run.clip or float("inf")
        length = nn.utils.clip_grad_norm_(network.parameters(), limit)
        self._meter.add({f"gradient/{name}": length.detach() / self.fabric.world_size})
        if not torch.isfinite(length):
            return False
        self.optimisers[name].step()
        return True

    # ------------------------------------------------------------------ checkpoints

    def save(self) -> None:
        """Write the checkpoint; one process does so for all."""
        if self.fabric.is_global_zero:
            states = Checkpoint(
                recipe=self.recipe.name,
                content=self.recipe.content,
                step=self.step,
                seen=self.seen,
                networks={name: network.state_dict() for name, network in self.system.networks.items()},
                optimisers={name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
                average=self.system.average.state_dict(),
                facts=self.facts,
            )
            try:
                checkpoint.save(states, self.folder / checkpoint.NAME)
            except InputError:
                self._agreed(True)  # the others must not wait for what never comes
                raise
        if self._agreed(False):
            raise InputError(f"{self.folder}: the first process could not write the checkpoint")

    def resume(self) -> None:
        """Go on from the folder's checkpoint.

        Raises:
            InputError: it is missing or damaged.
            UsageError: it is of another recipe, or another identity teacher.
        """
        path = self.folder / checkpoint.NAME
        found = self._networks_of(path)
        checkpoint.require_same_teacher(found, self.facts, path)
        try:
            for name, optimiser in self.optimisers.items():
                load_state(optimiser, found.optimisers[name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(f"{path}: its optimisers are not those of {self.recipe.name}") from error
        self.facts["before"] = found.facts.get("before", 0)
        self.step = found.seen // self.recipe.run.batch

    def begin_from(self, path: Path) -> None:
        """Begin with the networks of another run; count, schedule and optimisers begin anew.

        Teachers may be others: what the networks mean by an identity, they learn anew.

        Args:
            path: of its checkpoint, or its folder.

        Raises:
            InputError: it is missing or damaged.
            UsageError: it is of another recipe.
        """
        found = self._networks_of(path / checkpoint.NAME if path.is_dir() else path)
        self.facts["before"] = found.facts.get("before", 0) + found.seen

    def _networks_of(self, path: Path) -> Checkpoint:
        """Take networks, average and sources of a checkpoint, which is returned."""
        found = checkpoint.load(path, self.fabric.device)
        checkpoint.require_same_networks(found, self.recipe.name, self.recipe.content, path)
        try:
            for name, network in self.system.networks.items():
                network.load_state_dict(found.networks[name])
            self.system.average.load_state_dict(found.average)
        except (RuntimeError, KeyError) as error:
            raise InputError(
                f"{path}: its networks are not those of the recipe {self.recipe.name}"
            ) from error
        sources = set(self.facts.get("sources", ())) | set(found.facts.get("sources", ()))
        self.facts["sources"] = sorted(sources)
        return found


class Stop:
    """A wish to stop after the step at hand; a signal handler may set it."""

    asked = False


def _cuts(length: int, pieces: int) -> list[tuple[int, int]]:
    """Where to cut a batch into pieces of about the same size."""
    edges = [round(i * length / pieces) for i in range(pieces + 1)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def _exchange(gradients: list[Tensor], fabric: Fabric) -> None:
    summed = total(torch.cat([gradient.flatten() for gradient in gradients]), fabric)
    lengths = [gradient.numel() for gradient in gradients]
    for gradient, part in zip(gradients, torch.split(summed, lengths), strict=True):
        gradient.copy_(part.view_as(gradient))


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
