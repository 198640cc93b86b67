"""What Omote states of a file that it made: the content of the record that is signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

_NEWSCODES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class SourceType(StrEnum):
    """How media came about, in the terms of IPTC's NewsCodes `digitalsourcetype`."""

    COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
    """A recording into which a network's output was laid: a swapped or edited face."""
    SYNTHETIC = "trainedAlgorithmicMedia"
    """All of it is a network's output."""
    ENHANCED = "algorithmicallyEnhanced"
    """A recording that was only restored or sharpened."""

    @property
    def uri(self) -> str:
        """The term's address, as records hold it."""
        return _NEWSCODES + self.value


@dataclass(frozen=True)
class UsedNetwork:
    """A network that took part: its name in the catalogue and the SHA-256 of its file, 64 hex digits."""

    name: str
    sha256: str | None


@dataclass(frozen=True)
class GateState:
    """What became of the safety gate: `passed`, `unavailable` or `off`, with the reasons."""

    state: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoundMark:
    """The watermark that the pixels carry: its algorithm, a reverse-DNS name, and its identifier."""

    algorithm: str
    identifier: int

    @property
    def value(self) -> str:
        """The identifier as records and the audit log hold it: 12 hex digits, 48 bits."""
        return f"{self.identifier:012x}"


@dataclass(frozen=True)
class Statement:
    """All that is stated of one output.

    Attributes:
        operation: what was done, in a word or two: "face swap".
        source_type: the IPTC term for the output.
        engine: the engine's name.
        target: the picture or film that was changed; None where there was none. What credentials it has are
            kept inside the output's. The record holds neither names nor digests of target and sources.
        sources: the photos whose face was used; they guided the change and are not part of the output.
        rights: why the face may be used, as plain values that JSON can hold. It is readable by everyone.
        networks: the networks that took part.
        gate: the state of the safety gate.
        mark: the watermark in the pixels; None where there is none.
    """

    operation: str
    source_type: SourceType
    engine: str
    target: Path | None = None
    sources: tuple[Path, ...] = ()
    rights: Mapping[str, Any] = field(default_factory=dict)
    networks: tuple[UsedNetwork, ...] = ()
    gate: GateState | None = None
    mark: BoundMark | None = None
