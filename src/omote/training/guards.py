"""Guards: a run that has gone wrong stops, and says what has happened."""

import math
from collections.abc import Mapping

from omote.errors import OmoteError, UsageError
from omote.training.recipe import GuardSettings

_PATIENCE = 3
"""Lines of the log in a row that must be out of limits: one may be chance."""


class CollapseError(OmoteError):
    """Training has gone wrong (exit 1). The last checkpoint stands."""


class Guards:
    """Watches the numbers of the log.

    Args:
        limits: name in the log → what it must stay within.
    """

    def __init__(self, limits: Mapping[str, GuardSettings]) -> None:
        self._limits = limits
        self._outside = dict.fromkeys(limits, 0)
        self._missed = dict.fromkeys(limits, 0)

    def check(self, seen: int, numbers: Mapping[str, float]) -> None:
        """Look at one line of the log.

        Raises:
            UsageError: the log does not have a number that a guard watches.
            CollapseError: a number is not finite, or has been out of its limits three times in a row.
        """
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise CollapseError(
                    f"after {seen:,} samples {name} is {value}: stopped; resume from the last checkpoint "
                    "with a lower learning rate or run.precision=fp32"
                )
        for name, limit in self._limits.items():
            if seen < limit.after:
                continue
            if name not in numbers:
                self._missed[name] += 1
                if self._missed[name] >= _PATIENCE:
                    raise UsageError(f"guards.{name}: the log has no such number, only {', '.join(numbers)}")
                continue
            self._missed[name] = 0
            low = limit.least is not None and numbers[name] < limit.least
            high = limit.most is not None and numbers[name] > limit.most
            self._outside[name] = self._outside[name] + 1 if low or high else 0
            if self._outside[name] >= _PATIENCE:
                bound = f"below {limit.least:g}" if low else f"above {limit.most:g}"
                raise CollapseError(
                    f"after {seen:,} samples {name} is {numbers[name]:.3g}, {bound}: {limit.meaning}"
                )
