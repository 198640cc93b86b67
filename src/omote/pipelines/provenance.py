"""What an output carries so that it can be told: a watermark, signed content credentials, a line in the log.

Nothing takes its final name without them.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from omote._version import __version__
from omote.media import Picture, save_image
from omote.pipelines.job_description import fingerprint
from omote.trust.audit import AuditLog, Entry
from omote.trust.credentials import publish
from omote.trust.digests import sha256_of
from omote.trust.home import trust_folder
from omote.trust.keys import signing_key
from omote.trust.mark_search import ALGORITHM
from omote.trust.moments import now
from omote.trust.safety import Verdict
from omote.trust.statement import BoundMark, GateState, SourceType, Statement, UsedNetwork
from omote.trust.watermark import PROVIDER, SMALLEST, Watermark
from omote.zoo import Card


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How an output comes about, and what it will carry and say.

    Attributes:
        operation: what is done, in a word or two: "face swap".
        source_type: the IPTC term for the output.
        output: the file to make.
        engine: name of what makes the pixels.
        identifier: of the watermark, 48 bits; None if the picture is too small for one.
        target: the photo or film that is changed; None if there is none.
        sources: photos whose faces are used.
        rights: why the faces may be used, as plain values.
        verdict: of the safety gate; None where there is no face of somebody else to look at.
    """

    operation: str
    source_type: SourceType
    output: Path
    engine: str
    identifier: int | None
    target: Path | None = None
    sources: tuple[Path, ...] = ()
    rights: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None

    @property
    def stamp(self) -> Watermark | None:
        """What marks every frame."""
        return None if self.identifier is None else Watermark(self.identifier)

    @property
    def mark(self) -> BoundMark | None:
        """What records say of the watermark."""
        return None if self.identifier is None else BoundMark(ALGORITHM, self.identifier)

    def marked(self, picture: Picture) -> Picture:
        """A picture with the watermark."""
        stamp = self.stamp
        return picture if stamp is None else replace(picture, pixels=stamp.mark(picture.pixels))

    def marked_as(self, identifier: int | None) -> Provenance:
        """The same for a job that goes on with frames which are marked already."""
        return replace(self, identifier=identifier)

    def publish(self, finished: Path, cards: Sequence[Card] = ()) -> list[str]:
        """Sign a finished file, write it into the log, and give it its name; returns what is to be noted.

        Args:
            finished: the file, marked.
            cards: of the networks that took part, with their digests.

        Raises:
            InputError: a file cannot be read or written, or nothing can be signed.
            RefusedError: the log was changed meanwhile.
        """
        signed = publish(
            finished, self.output, self._statement(cards), before=lambda made: self.log(cards, made)
        )
        small = f"{self.output.name}: under {SMALLEST} pixels high or wide, too small for a watermark"
        return [*signed.notes, *([small] if self.identifier is None else [])]

    def _statement(self, cards: Sequence[Card]) -> Statement:
        return Statement(
            operation=self.operation,
            source_type=self.source_type,
            engine=self.engine,
            target=self.target,
            sources=self.sources,
            rights=self.rights,
            networks=tuple(UsedNetwork(card.name, card.sha256) for card in cards),
            gate=_gate_state(self.verdict),
            mark=self.mark,
        )

    def log(self, cards: Sequence[Card] = (), made: Path | None = None) -> None:
        """Write the job into the log; `publish` does it, and live pictures of which no file is kept need it.

        Args:
            cards: of the networks that took part, with their digests.
            made: the finished file.

        Raises:
            InputError: it cannot be written.
            RefusedError: the log was changed meanwhile.
        """
        entry = Entry(
            operation=self.operation,
            output=None if made is None else sha256_of(made),
            inputs=digests(self.sources, self.target),
            networks=tuple((card.name, str(card.sha256)) for card in cards),
            rights=dict(self.rights),
            gate=self.verdict.as_dict() if self.verdict else {},
            watermark=self.mark.value if self.mark else None,
            detail={"omote": __version__, "engine": self.engine},
        )
        AuditLog(trust_folder()).append(entry, now())


def plain_work(
    output: Path,
    size: tuple[int, int],
    operation: str,
    target: Path | None,
    *,
    source_type: SourceType = SourceType.ENHANCED,
    rights: Mapping[str, str] | None = None,
) -> Provenance:
    """The provenance of what is made without anybody's face being put into it, such as a sheet of finds.

    Args:
        output: the file to make.
        size: its width and height in pixels.
        operation: what is done, in a word or two.
        target: what it is made of; None if of many things.
        source_type: the IPTC term for the output.
        rights: what is to be said of them.

    Raises:
        RefusedError: the log was changed.
        InputError: the keys or the log cannot be read or written.
    """
    AuditLog(trust_folder()).prepare(now())
    made_of = secrets.token_hex() if target is None else fingerprint(target)
    return Provenance(
        operation=operation,
        source_type=source_type,
        output=output,
        engine="omote",
        identifier=mark_identifier(*size, operation, made_of),
        target=target,
        rights=rights or {},
    )


def save_signed(
    output: Path,
    picture: Picture,
    operation: str,
    target: Path | None,
    source_type: SourceType = SourceType.ENHANCED,
    quality: float | None = None,
) -> list[str]:
    """Write a picture marked and signed, for which nobody's right is asked; returns what is to be noted.

    Raises:
        UsageError: the suffix names no kind of picture.
        InputError, RefusedError: as `plain_work`; or it cannot be written.
    """
    height, width = picture.pixels.shape[:2]
    made = plain_work(output, (width, height), operation, target, source_type=source_type)
    notes: list[str] = []

    def publish(finished: Path) -> None:
        notes.extend(made.publish(finished))

    save_image(output, made.marked(picture), quality=quality, publish=publish)
    return notes


def digests(sources: Iterable[Path], target: Path | None) -> tuple[tuple[str, str], ...]:
    """Role and SHA-256 of each input, for the log."""
    roles = [*(("source", path) for path in sources), *([("target", target)] if target else [])]
    return tuple((role, sha256_of(path)) for role, path in roles)


def _gate_state(verdict: Verdict | None) -> GateState | None:
    if verdict is None:
        return None
    return GateState(verdict.state, (verdict.reason,) if verdict.reason else ())


def mark_identifier(width: int, height: int, *facts: str) -> int | None:
    """The identifier of a watermark, 48 bits; None if a picture of this size is too small for one.

    It follows from what is made and from this installation's key: the same job gives the same file again, and
    nobody else can tell the job from the number.

    Args:
        width, height: of the output in pixels.
        facts: what is made: digests of inputs, settings.
    """
    if min(width, height) < SMALLEST:
        return None
    digest = hmac.digest(signing_key().private_pem, "\0".join(facts).encode(), "sha256")
    return PROVIDER << 40 | int.from_bytes(digest[:5], "big")
