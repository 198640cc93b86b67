"""What the pixels of a film depend on, so that pieces of different jobs are never joined."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnxruntime

from omote._version import __version__
from omote.errors import InputError
from omote.media.sniff import reason
from omote.pipelines.settings import SwapSettings
from omote.zoo import Card

_WITHOUT_CONSEQUENCE = ("threads", "workers", "cluster", "max_pixels", "rights", "project")
"""Settings that change how fast or why a film is made, and not how it looks."""
_SAMPLES, _SAMPLE = 256, 1 << 18
"""A larger file than 64 MiB is known by its size and so many samples of so many bytes."""


@dataclass(frozen=True)
class JobDescription:
    """What the pixels of a film depend on: change any of it, and its pieces no longer fit together.

    Attributes:
        software: versions by name.
        settings: every setting of the swap that changes the result.
        inputs: photos, then the film, each with a digest of its content.
        networks: digests of the networks by name.
    """

    software: dict[str, str]
    settings: dict[str, Any]
    inputs: list[tuple[str, str]]
    networks: dict[str, str]

    @classmethod
    def of(
        cls, sources: Sequence[Path], target: Path, settings: SwapSettings, networks: Sequence[Card]
    ) -> JobDescription:
        """Describe a job; reads its inputs.

        Raises:
            InputError: an input cannot be read.
        """
        chosen = with_consequence(settings)
        photos = (*sources, *settings.casting.photos)
        inputs = [(str(path.absolute()), fingerprint(path)) for path in (*photos, target)]
        return cls(software(), chosen, inputs, {card.name: str(card.sha256) for card in networks})

    def difference(self, now: JobDescription) -> str | None:
        """In what a job of today differs from this one, the first thing in words; None if in nothing."""
        for name in {**self.software, **now.software}:
            old, new = self.software.get(name), now.software.get(name)
            if old != new:
                return f"it was begun with {name} {old}, this is {new}"
        for name in {**self.settings, **now.settings}:
            before, after = self.settings.get(name), now.settings.get(name)
            if before != after:
                option = f"--{name.replace('_', '-')}"
                return f"it was begun with {option} {_said(before)}, now it is {_said(after)}"
        if len(self.inputs) != len(now.inputs):
            return (
                f"it was begun with {len(self.inputs) - 1} source photos, now there are {len(now.inputs) - 1}"
            )
        for (_, old), (path, new) in zip(self.inputs, now.inputs, strict=True):
            if old != new:
                return f"{path} has changed since it was begun"
        for name in {**self.networks, **now.networks}:
            if self.networks.get(name) != now.networks.get(name):
                return f"the network {name} has changed since it was begun"
        return None


def software() -> dict[str, str]:
    """Versions of what pixels depend on, by name."""
    return {
        "omote": __version__,
        "PyAV": av.__version__,
        "ONNX Runtime": onnxruntime.__version__,
        "OpenCV": cv2.__version__,
        "NumPy": np.__version__,
    }


def with_consequence(settings: SwapSettings) -> dict[str, Any]:
    """The settings on which pixels depend, in plain values."""
    chosen = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(settings).items()
        if name not in _WITHOUT_CONSEQUENCE
    }
    return chosen | settings.casting.options()


def _said(value: object) -> str:
    return "left to choose" if value is None else str(value)


def fingerprint(path: Path) -> str:
    """A digest of a file's content: of all of it up to 64 MiB, else of its size and of samples all over it.

    Raises:
        InputError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            digest.update(str(size).encode())
            whole = size <= _SAMPLES * _SAMPLE
            for number in range(_SAMPLES):
                file.seek(number * _SAMPLE if whole else number * (size - _SAMPLE) // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    return digest.hexdigest()
