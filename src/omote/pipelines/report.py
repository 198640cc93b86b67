"""How far a job is, and what it did."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omote._version import __version__
from omote.zoo import Card


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: frames done, and of how many (None when the file does not say)."""

    done: int
    total: int | None


Reporter = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Counts:
    """What was done to one photo or film; the fields are those of `SwapReport`."""

    frames: int
    swapped: int
    empty: int
    stages: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    networks: tuple[Card, ...] = ()
    kept: int = 0


@dataclass(frozen=True, slots=True)
class SwapReport:
    """What a swap did.

    Attributes:
        output: the file that was made.
        frames: pictures written.
        swapped: faces swapped, counted in every frame.
        empty: frames in which no face was found; they are as they were.
        seconds: wall time from start to finished file.
        stages: seconds of work per stage, summed over the workers.
        notes: what the user should know of the output, one line each.
        networks: the cards of the networks that were used, with their licences, and with the digest that the
            files were verified by.
        kept: frames of these that an earlier run, which broke off, had finished.
    """

    output: Path
    frames: int
    swapped: int
    empty: int
    seconds: float
    stages: dict[str, float]
    notes: tuple[str, ...] = ()
    networks: tuple[Card, ...] = ()
    kept: int = 0

    def record(self) -> dict[str, Any]:
        """What was done and by which networks under which licences, in plain types."""
        kept = ("name", "task", "licence", "terms", "consequence", "sha256")
        facts = ("frames", "swapped", "empty", "kept", "seconds", "notes")
        return {
            "omote": __version__,
            "output": str(self.output),
            **{name: getattr(self, name) for name in facts},
            "networks": [{name: getattr(card, name) for name in kept} for card in self.networks],
        }

    @property
    def frame_rate(self) -> float:
        """Frames of this run per second of wall time."""
        return (self.frames - self.kept) / max(self.seconds, 1e-9)
