"""How well live pictures are made: steps that are taken down before latency grows, and up again."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Level:
    """One step of the ladder of quality.

    Attributes:
        detector: share of the detector's size that is used, 0..1.
        mesh_every: the mesh network looks at every so many-th frame; between them meshes move on.
        occlusion: whether the mask asks networks what lies before the face.
        scale: of the frame in which faces are swapped, 0..1; it is enlarged again afterwards.
    """

    detector: float = 1.0
    mesh_every: int = 1
    occlusion: bool = True
    scale: float = 1.0


LADDER = (
    Level(),
    Level(detector=0.6),
    Level(detector=0.6, mesh_every=2),
    Level(detector=0.6, mesh_every=2, occlusion=False),
    Level(detector=0.6, mesh_every=2, occlusion=False, scale=0.5),
)
"""From the best to the fastest."""

_NEWEST = 0.2
"""What the newest frame counts in the mean."""
_LOW = 0.6
"""Pressure below which a better level may be tried."""
_SETTLED = 10
"""Frames that a level is given before it is judged."""
_PATIENCE, _LONGEST = 60, 1920
"""Frames of calm before a better level is tried: at first, and after it failed again and again."""


class Governor:
    """Chooses the level by how late and how busy the last frames were. For one thread.

    Args:
        latency: seconds from capture to output that are good enough.
        budget: seconds of work that a frame may take.
        levels: how many there are.
    """

    def __init__(self, latency: float, budget: float, levels: int = len(LADDER)) -> None:
        self._latency, self._budget, self._last = latency, budget, levels - 1
        self._pressure = _LOW
        self._frames, self._patience = 0, _PATIENCE
        self._rose = False
        self.level = 0

    def frame(self, latency: float, work: float) -> int:
        """Take the measures of one frame, in seconds; return the number of the level for the next."""
        now = max(latency / self._latency, work / self._budget)
        self._pressure += _NEWEST * (now - self._pressure)
        self._frames += 1
        if self._pressure > 1 and self._frames >= _SETTLED and self.level < self._last:
            # A better level that did not hold is not tried again so soon.
            failed = self._rose and self._frames < _PATIENCE
            self._patience = min(2 * self._patience, _LONGEST) if failed else _PATIENCE
            self._step(+1)
        elif self._pressure < _LOW and self._frames >= self._patience and self.level:
            self._step(-1)
        return self.level

    def _step(self, step: int) -> None:
        self.level += step
        self._rose = step < 0
        self._frames, self._pressure = 0, (1 + _LOW) / 2


class Latencies:
    """Counts latencies by the millisecond, so that memory does not grow with time."""

    def __init__(self, longest: int = 5000) -> None:
        self._counts = np.zeros(longest + 1, np.int64)

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[min(max(round(1000 * seconds), 0), len(self._counts) - 1)] += 1

    def quantile(self, share: float) -> float | None:
        """Seconds that this share of them, 0..1, do not exceed; None before the first."""
        total = int(self._counts.sum())
        if not total:
            return None
        return int(np.searchsorted(np.cumsum(self._counts), max(share * total, 1))) / 1000
