"""Numbers that change with the samples seen."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from omote.errors import UsageError


@dataclass(frozen=True, slots=True)
class Schedule:
    """A piecewise linear function of the samples seen; constant before its first and after its last point.

    Attributes:
        samples: of the points, ascending; two equal ones make a step.
        values: of the points.
    """

    samples: tuple[float, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, entry: Any, name: str) -> "Schedule":
        """Read `3`, or `[[0, 3], [10_000, 5]]`: a number, or points (samples, value).

        Raises:
            UsageError: it is neither, or the samples descend.
        """
        points = [[0, entry]] if _is_number(entry) else entry
        if not _are_points(points) or any(a[0] > b[0] for a, b in pairwise(points)):
            raise UsageError(f"{name} is {entry!r}, expected a number or [[samples, value], ...], ascending")
        return cls(tuple(float(p[0]) for p in points), tuple(float(p[1]) for p in points))

    def at(self, seen: float) -> float:
        """The value after `seen` samples; at a step, the later one."""
        if len(self.samples) == 1 or seen >= self.samples[-1]:
            return self.values[-1]
        after = int(np.searchsorted(self.samples, seen, side="right"))
        if after == 0:
            return self.values[0]
        (x0, x1), (y0, y1) = self.samples[after - 1 : after + 1], self.values[after - 1 : after + 1]
        return y0 + (y1 - y0) * (seen - x0) / (x1 - x0)


def _are_points(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) > 0
        and all(isinstance(p, list) and len(p) == 2 and all(map(_is_number, p)) for p in entry)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
