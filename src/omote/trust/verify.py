"""What is known of a file, whoever made it: credentials, watermark, whether they agree, and the local log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omote.errors import OmoteError
from omote.media.sniff import require_file
from omote.trust import keys
from omote.trust.mark_search import ALGORITHM, FoundMark, search_mark
from omote.trust.record_tree import Record, State
from omote.trust.records import (
    LostRecord,
    UnreadableRecord,
    find_sidecar,
    library_context,
    read_record,
)

if TYPE_CHECKING:
    import c2pa  # type: ignore[import-untyped]

SearchMark = Callable[[Path], FoundMark | None]
LookUp = Callable[[str], Mapping[str, Any] | None]


class Verdict(Enum):
    """The one answer about a file: its words, and the exit code of `omote verify`."""

    INTACT = "intact", 0
    """Signed by someone trusted here, unchanged, and nothing that is known of it speaks against that."""
    ABSENT = "no credentials", 10
    """Neither a record nor a watermark: nothing is known, which proves nothing."""
    STRIPPED = "credentials removed", 11
    """No record, but a watermark that Omote puts only into signed files."""
    UNTRUSTED = "untrusted signer", 12
    """Unchanged since it was signed, by someone who is unknown here."""
    EXPIRED = "expired", 13
    """Unchanged, but the certificate has ended and no time-stamp tells when it was signed."""
    BROKEN_HISTORY = "broken history", 14
    """Intact itself, but made of something whose own credentials are tampered with."""
    CONTRADICTED = "contradicted", 15
    """Record and watermark do not belong together."""
    TAMPERED = "tampered", 16
    """The file or its record was changed after it was signed."""

    @property
    def words(self) -> str:
        """As people read it."""
        return self.value[0]

    @property
    def exit_code(self) -> int:
        """As scripts read it."""
        return self.value[1]


@dataclass(frozen=True)
class Verification:
    """A verdict with what it rests on.

    Attributes:
        path: the file.
        verdict: the one answer.
        reasons: why, one line each.
        record: the credentials with their tree, or None.
        sidecar: where the record lies, if it is not in the file.
        own: whether this installation signed it.
        mark: the watermark that was found, or None.
        marks_agree: whether record and watermark name the same; None where one of them is missing.
        logged: the job in the local audit log that has this watermark, or None.
    """

    path: Path
    verdict: Verdict
    reasons: tuple[str, ...]
    record: Record | None
    sidecar: Path | None
    own: bool
    mark: FoundMark | None
    marks_agree: bool | None
    logged: Mapping[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            "file": str(self.path),
            "verdict": self.verdict.words,
            "exit_code": self.verdict.exit_code,
            "reasons": list(self.reasons),
            "sidecar": None if self.sidecar is None else str(self.sidecar),
            "own": self.own,
            "credentials": None if self.record is None else asdict(self.record),
            "watermark": None if self.mark is None else asdict(self.mark),
            "marks_agree": self.marks_agree,
            "logged": None if self.logged is None else dict(self.logged),
        }


def verify_file(
    path: Path,
    *,
    search: SearchMark | None = search_mark,
    look_up: LookUp | None = None,
    folder: Path | None = None,
) -> Verification:
    """Say what is known of a file.

    Args:
        path: any file.
        search: looks for a watermark; None leaves it out.
        look_up: finds the job of a watermark's identifier in a log; the local audit log unless given.
        folder: the trust folder; the user's own unless given.

    Raises:
        InputError: the file cannot be read, or a key of this installation is damaged.
    """
    require_file(path)
    own_serials = {key.serial for key in keys.all_keys(folder)}
    with library_context(keys.anchors(folder)) as context:
        reading = _read(path, context)
    record = reading.record
    found, unsearched = _search(path, search)
    logged = None if found is None else (look_up or _local_log(folder))(found.value)
    own = record is not None and _is_own(record, own_serials)
    agree = _agree(record, found)
    verdict = _verdict(reading, found, agree)
    reasons = [
        *_signature(reading, own),
        *(() if record is None else _history(record)),
        *_watermark(record, found, agree, unsearched, search is not None),
        *_log(path, logged, verdict),
    ]
    shown = tuple(map(_printable, reasons))
    return Verification(path, verdict, shown, record, reading.sidecar, own, found, agree, logged)


@dataclass(frozen=True)
class _Reading:
    """The record, in or beside a file; or why there is none: it cannot be read, or may have been lost."""

    record: Record | None = None
    sidecar: Path | None = None
    unreadable: str | None = None
    lost: str | None = None


def _read(path: Path, context: c2pa.Context) -> _Reading:
    lost, beside = None, None
    try:
        try:
            record = read_record(path, None, context)
        except LostRecord as error:
            record, lost = None, str(error)
        if record is None and (beside := find_sidecar(path)) is not None:
            record = read_record(path, beside.read_bytes(), context)
    except UnreadableRecord as error:
        return _Reading(sidecar=beside, unreadable=str(error))
    return _Reading(record, beside, lost=lost)


def _search(path: Path, search: SearchMark | None) -> tuple[FoundMark | None, str | None]:
    """The watermark, and why it could not be looked for."""
    if search is None:
        return None, None
    try:
        return search(path), None
    except OmoteError as error:
        return None, str(error).removeprefix(f"{path}: ")


def _local_log(folder: Path | None) -> LookUp:
    from omote.trust.audit import AuditLog
    from omote.trust.audit_verify import find_entries
    from omote.trust.home import trust_folder

    def look_up(value: str) -> Mapping[str, Any] | None:
        entries = find_entries(AuditLog(folder or trust_folder()), value)
        return entries[-1] if entries else None

    return look_up


def _is_own(record: Record, serials: set[str]) -> bool:
    """Whether a certificate of this installation signed it; one that only looks alike is not trusted."""
    return record.signer is not None and record.signer.serial in serials and record.trusted


def _agree(record: Record | None, found: FoundMark | None) -> bool | None:
    """Whether the pixels carry the mark that the record or one of its ancestors names."""
    if record is None or found is None:
        return None
    return (found.algorithm, found.value) in {one.mark for _, one in record.walk()}


def _verdict(reading: _Reading, found: FoundMark | None, agree: bool | None) -> Verdict:
    record = reading.record
    if reading.unreadable is not None:
        return Verdict.TAMPERED
    if record is None:
        return Verdict.ABSENT if found is None else Verdict.STRIPPED
    if record.state is State.TAMPERED:
        return Verdict.TAMPERED
    if agree is False:
        return Verdict.CONTRADICTED
    if any(record.broken()):
        return Verdict.BROKEN_HISTORY
    return {State.EXPIRED: Verdict.EXPIRED, State.UNTRUSTED: Verdict.UNTRUSTED}.get(
        record.state or State.UNTRUSTED, Verdict.INTACT
    )


def _signature(reading: _Reading, own: bool) -> Iterator[str]:
    """Who signed, where that lies, and whether it holds."""
    record = reading.record
    where = "" if reading.sidecar is None else f", in {reading.sidecar.name}"
    if reading.unreadable is not None:
        yield f"there is a record{where}, but it or the file is too damaged to be read ({reading.unreadable})"
        return
    if record is None:
        yield "no content credentials, inside or beside the file"
        if reading.lost is not None:
            yield reading.lost
        return
    if own:
        yield f"signed by this installation (not on the public trust list){where}"
    elif record.signer is None:
        yield f"not signed{where}"
    else:
        who = ", ".join(part for part in (record.signer.organisation, record.signer.name) if part)
        known = {True: " (trusted here)", False: " (not trusted here)"}[record.trusted]
        if record.state is State.EXPIRED:
            known = ""
        yield f"signed by {who or 'an unnamed signer'}{known}{where}"
    if record.signer is not None and record.signer.time:
        yield f"time-stamp: {record.signer.time}"
    if record.problems:
        yield from record.problems
    else:
        yield "unchanged since it was signed"


def _history(record: Record) -> Iterator[str]:
    """What was done by which software, and what it was made of."""
    software = f" ({record.generator})" if record.generator else ""
    for action in record.actions:
        source = str(action.get("digitalSourceType", "")).rpartition("/")[2]
        words = [str(action.get("action", "")).removeprefix("c2pa."), action.get("description"), source]
        yield "action: " + ", ".join(str(word) for word in words if word) + software
    for depth, one in record.walk():
        if depth:
            if one.state is None:
                state = "no credentials"
            else:
                signer = one.signer.organisation if one.signer else ""
                state = "; ".join((str(one.state), *one.problems)) + (
                    f" (signed by {signer})" if signer else ""
                )
            yield f"{'  ' * (depth - 1)}made of: {one.title} ({one.relation}): {state}"


def _watermark(
    record: Record | None, found: FoundMark | None, agree: bool | None, unsearched: str | None, wanted: bool
) -> Iterator[str]:
    named = None if record is None else record.mark
    if unsearched is not None:
        yield f"watermark: cannot be looked for ({unsearched})"
    elif found is not None:
        maker = "Omote's" if found.algorithm == ALGORITHM else found.algorithm
        yield f"watermark: {maker}, {found.value} (false alarm at most {found.false_alarm:.0e})"
        if agree is True:
            yield "record and watermark agree"
        elif agree is False:
            yield f"the record names {'no watermark' if named is None else ' '.join(named)}"
    elif not wanted:
        yield "watermark: not looked for"
    elif named is not None:
        yield f"watermark: the record names {' '.join(named)}, which was not found in the pixels"
    else:
        yield "watermark: none found"


def _log(path: Path, logged: Mapping[str, Any] | None, verdict: Verdict) -> Iterator[str]:
    if logged is not None:
        yield f"the local audit log knows this watermark: {logged.get('operation')}, {logged.get('time')}"
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == logged.get("output")
        yield f"the file is {'' if same else 'not '}byte for byte the one that was logged"
    elif verdict is Verdict.STRIPPED:
        yield "the local audit log does not know this watermark: another installation made the file"


def _printable(line: str) -> str:
    """Without what could rewrite the terminal: signers choose titles and names."""
    return "".join(letter for letter in line if letter.isprintable())
