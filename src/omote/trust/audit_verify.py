"""Whether the audit log is what was written: every line, their order, and its end."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from omote.errors import RefusedError
from omote.trust.audit import KEY, AuditLog
from omote.trust.audit_chain import FIRST, digest, follows, read_line
from omote.trust.audit_head import read_head
from omote.trust.signing import Signer


@dataclass(frozen=True, slots=True)
class LogState:
    """What a look at the log found.

    Attributes:
        lines: how many are whole and in their place, from the first on.
        last: digest of the last of them.
        fault: what is wrong, with the first line where it is, counted from 1; None if nothing is.
        unfinished: bytes of half a line at the end, as a killed run leaves it; the next job repairs that.
    """

    lines: int
    last: str
    fault: str | None = None
    unfinished: int = 0

    @property
    def anchor(self) -> str:
        """Number of lines and digest of the last: kept elsewhere, it pins all that is before."""
        return f"{self.lines}:{self.last}"


def verify_log(log: AuditLog, anchor: str | None = None) -> LogState:
    """Look at every line; no job writes meanwhile.

    Args:
        log: the log.
        anchor: `LogState.anchor` of an earlier look; the log must still have that line in that place.

    Raises:
        InputError: the log or its key cannot be read, or the folder cannot be written to.
    """
    if not log.home.exists():
        return _anchored(LogState(0, FIRST), anchor, anchor is None)
    with log.held():
        key = log.home / f"{KEY}.key"
        if not key.exists():
            fault = "its key is missing: nothing can be verified" if log.path.exists() else None
            return _anchored(LogState(0, FIRST, fault), anchor, anchor is None)
        public = Signer.from_file(key).public
        state, met = _walked(log, public, anchor)
        return _anchored(_ended(state, log, public), anchor, met)


def entries(log: AuditLog) -> Iterator[dict[str, Any]]:
    """What the lines say that are whole, each by itself; in which order they were written is not looked at.

    Raises:
        InputError: the log or its key cannot be read.
    """
    yield from _signed(log, b"")


def find_entries(log: AuditLog, mark: str) -> list[dict[str, Any]]:
    """The whole lines that have a watermark identifier, or a file's or consent's SHA-256; oldest first.

    Raises:
        InputError: the log or its key cannot be read.
    """
    wanted = mark.lower()
    return [fields for fields in _signed(log, wanted.encode()) if wanted in _marks(fields)]


def _signed(log: AuditLog, part: bytes) -> Iterator[dict[str, Any]]:
    """What the whole lines say that have these bytes; signatures of others need not be checked."""
    key = log.home / f"{KEY}.key"
    if key.exists():
        yield from _whole(log, Signer.from_file(key).public, part)


def _marks(fields: dict[str, Any]) -> set[Any]:
    inputs = {sha256 for _, sha256 in fields.get("inputs", ())}
    return {
        fields.get("watermark"),
        fields.get("output"),
        fields.get("rights", {}).get("consent_sha256"),
        *inputs,
    }


def _walked(log: AuditLog, public: str, anchor: str | None) -> tuple[LogState, bool]:
    """The lines up to the first fault, and whether the anchor was met among them."""
    state = LogState(0, FIRST)
    met = anchor in (None, state.anchor)
    for raw in log.lines():
        line = raw.removesuffix(b"\n")
        if len(line) == len(raw):
            return replace(state, unfinished=len(raw)), met
        fields = read_line(line, public)
        if fields is None:
            return replace(state, fault=f"line {state.lines + 1} was edited"), met
        if not follows(fields, state.lines, state.last):
            return replace(state, fault=_misplaced(log, public, fields, state.lines)), met
        state = LogState(state.lines + 1, digest(line))
        met = met or state.anchor == anchor
    return state, met


def _misplaced(log: AuditLog, public: str, fields: dict[str, Any], number: int) -> str:
    """What happened where a whole line stands that does not belong there."""
    found = fields.get("number")
    if found == number:
        return f"line {number + 1} does not follow the line before it: lines are of two logs"
    elsewhere = any(entry.get("number") == number for entry in _whole(log, public))
    what = "lines were put into another order" if elsewhere else "lines were deleted"
    return f"line {number + 1} is missing, line {int(found or 0) + 1} stands in its place: {what}"


def _whole(log: AuditLog, public: str, part: bytes = b"") -> Iterator[dict[str, Any]]:
    for line in log.lines():
        if part in line and (fields := read_line(line.removesuffix(b"\n"), public)):
            yield fields


def _ended(state: LogState, log: AuditLog, public: str) -> LogState:
    """Hold the end against the head; a fault in the lines goes first."""
    if state.fault:
        return state
    try:
        head = read_head(log.home, public)
    except RefusedError:
        return replace(state, fault="its head was changed: lines may be missing at the end")
    if head is None:
        # The key is made a moment before the head, so a run killed then leaves neither line nor head.
        fault = "its head is missing: lines may be missing at the end" if log.path.exists() else None
        return replace(state, fault=fault)
    if state.lines < head.count:
        return replace(state, fault=f"cut off after line {state.lines}: the head knows of {head.count}")
    # A run that is killed between line and head leaves one line more.
    if state.lines > head.count + 1 or (state.lines == head.count and state.last != head.last):
        return replace(state, fault=f"the head is older than the log: it knows of {head.count} lines")
    return state


def _anchored(state: LogState, anchor: str | None, met: bool) -> LogState:
    if met or state.fault:
        return state
    return replace(state, fault=f"the anchor {anchor} is not in it: this is another log, or was written anew")
