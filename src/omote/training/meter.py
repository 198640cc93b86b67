"""Means of what a run reports, gathered on the device and read seldom."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch import Tensor


def total(values: Tensor, fabric: Fabric) -> Tensor:
    """The sum over all processes; every one of them must call."""
    if fabric.world_size == 1:
        return values
    summed = fabric.all_reduce(values, reduce_op="sum")
    assert isinstance(summed, Tensor)
    return summed


class Meter:
    """Sums up numbers over steps and processes. Reading waits for the device; adding does not.

    Args:
        fabric: the processes.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._clear()

    def _clear(self) -> None:
        self._terms: dict[str, list[Tensor]] = defaultdict(list)
        self._seen: dict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        self._steps, self._skipped = 0, 0
        self._waited, self._began = 0.0, time.monotonic()
        self.reset_step()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside as waiting for data."""
        began = time.monotonic()
        yield
        self._waited += time.monotonic() - began

    def reset_step(self) -> None:
        """Forget what was added since the last step was closed: it is computed again."""
        self._new_terms: dict[str, Tensor] = {}
        self._new_seen: list[tuple[str, Tensor, Tensor]] = []

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Shares of this step's value: they are summed over pieces and processes, averaged over steps."""
        for name, value in terms.items():
            self._new_terms[name] = self._new_terms.get(name, 0) + value.detach().float().sum()

    def observe(self, numbers: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Values (B,), and which samples (B,) they concern: averaged over those."""
        for name, (values, where) in numbers.items():
            chosen = where.float()
            total = torch.where(where, values.detach().float(), 0.0).sum()
            self._new_seen.append((name, total, chosen.sum()))

    def skip_step(self) -> None:
        """The step moved nothing, as its gradients were not finite: only its number counts."""
        self._skipped += 1
        self.reset_step()

    def close_step(self) -> None:
        """The step is done."""
        self._steps += 1
        for name, value in self._new_terms.items():
            self._terms[name].append(value)
        for name, total, count in self._new_seen:
            self._seen[name].append((total, count))
        self.reset_step()

    def read(self) -> dict[str, float]:
        """Means since the last reading; every process must call it in the same step."""
        passed = time.monotonic() - self._began
        names = sorted(self._terms)
        # A phase that has its turn seldom is averaged over its turns.
        sums = [torch.stack(self._terms[name]).mean() for name in names]
        seen = sorted(self._seen)
        for name in seen:
            sums += [torch.stack([t for t, _ in self._seen[name]]).sum()]
            sums += [torch.stack([c for _, c in self._seen[name]]).sum()]
        values = torch.stack(sums).double().cpu() if sums else torch.zeros(0)
        values = total(values, self._fabric)
        found = {name: float(value) for name, value in zip(names, values, strict=False)}
        rest = values[len(names) :].reshape(-1, 2)
        found |= {name: float(t / c) for name, (t, c) in zip(seen, rest, strict=True) if c > 0}
        found["waiting"] = self._waited / max(passed, 1e-9)
        found["seconds_per_step"] = passed / max(self._steps + self._skipped, 1)
        if self._skipped:
            found["skipped"] = float(self._skipped)
        self._clear()
        return found
