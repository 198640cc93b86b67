"""The audit log: what was made, when, of what, by which networks, and with which right.

One line of canonical JSON for each job, in `audit.jsonl` of the private folder. Each line holds the digest of
the line before (a hash chain: Haber & Stornetta, How to Time-Stamp a Digital Document, 1991) and a signature
by the key of this installation. Beside it `audit.head`, signed too, says how many lines there are, how many
bytes, and the digest of the last: so an end that was cut off is missed.

A line has digests and no pictures, and no names of files either: `anna_wedding.jpg` says more than an audit
needs, and whoever has the file finds its line by its digest.

Whoever can read the key can write a new log from the first line, and whoever kept an old copy of the whole
folder can put it back. Against both helps one line kept elsewhere: `omote audit verify` prints it, and
`--anchor` holds the log against it.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from omote.errors import InputError, RefusedError
from omote.trust.audit_chain import FIRST, LONGEST, digest, follows, make_line, read_line
from omote.trust.audit_head import HEAD, Head, read_head, write_head
from omote.trust.home import make_private_folder
from omote.trust.moments import written
from omote.trust.signing import Signer
from omote.zoo.exclusive import exclusive

LOG = "audit.jsonl"
KEY = "audit"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the log keeps of a job.

    Attributes:
        operation: `swap`, `batch`, `demo`, ...; `refused` for what was not made.
        output: SHA-256 of the finished file, as it lies on the disk; None if nothing was made.
        inputs: role (`source`, `target`) and SHA-256 of each file that was used.
        networks: name and SHA-256 of each network.
        rights: the rights statement, as `RightsStatement.as_dict` gives it.
        gate: the safety gate's verdict, as `Verdict.as_dict` gives it.
        watermark: identifier in the output's watermark, in hexadecimal digits.
        detail: further plain facts: version, why something was refused.
    """

    operation: str
    output: str | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    networks: tuple[tuple[str, str], ...] = ()
    rights: dict[str, str] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    watermark: str | None = None
    detail: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Its fields as JSON has them."""
        return {
            "detail": self.detail,
            "gate": self.gate,
            "inputs": [list(pair) for pair in self.inputs],
            "networks": [list(pair) for pair in self.networks],
            "operation": self.operation,
            "output": self.output,
            "rights": self.rights,
            "watermark": self.watermark,
        }


class AuditLog:
    """The log of a private folder. Safe for threads and processes: one writes at a time.

    Args:
        home: the folder, `home.trust_folder()`; it need not exist.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / LOG

    def append(self, entry: Entry, moment: datetime) -> str:
        """Add a line; it is on the disk when this returns.

        What a killed run left behind is put in order first: a whole line that the head does not know of yet
        counts; half a line is cut off, and a line of its own says so.

        Args:
            entry: what to write.
            moment: when it happened.

        Returns:
            The line's digest.

        Raises:
            RefusedError: the log was changed, or cut off.
            InputError: it cannot be written, or the key cannot be read.
        """
        with self.held():
            signer, head = self._ready(moment)
            return self._write(signer, head, entry, moment).last

    def prepare(self, moment: datetime) -> None:
        """Put in order what a killed run left behind; so a job learns before its work that it can be logged.

        Raises:
            RefusedError: the log was changed, or cut off.
            InputError: it cannot be read or written.
        """
        with self.held():
            self._ready(moment)

    def restart(self, moment: datetime) -> Path:
        """Put a log that does not verify aside, and begin a new one whose first line says so.

        Returns:
            Where the old log is.

        Raises:
            InputError: files cannot be renamed or written.
        """
        with self.held():
            signer = Signer.own(self.home, KEY)
            old = hashlib.sha256(_content(self.path)).hexdigest()
            stamp = written(moment).replace(":", "")
            aside = self.home / f"audit-{stamp}-{old[:8]}.jsonl"
            try:
                for path, name in ((self.path, aside), (self.home / HEAD, aside.with_suffix(".head"))):
                    if path.exists():
                        path.rename(name)
            except OSError as error:
                raise InputError(f"{self.home}: cannot put the log aside ({error.strerror})") from None
            self._write(signer, self._begin(signer), _note("begun anew", old_log=old), moment)
            return aside

    def lines(self) -> Iterator[bytes]:
        """The lines as they are, verified or not, with their ends; half a line at the end counts.

        Raises:
            InputError: the log cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                while line := file.readline(LONGEST + 2):
                    yield line
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep everybody else from writing.

        Raises:
            InputError: the folder cannot be made or written to.
        """
        make_private_folder(self.home)
        with exclusive(self.home / ".audit.lock"):
            yield

    def _ready(self, moment: datetime) -> tuple[Signer, Head]:
        """The key and the head to go on from."""
        gone = (self.home / f"{KEY}.key").exists() and not (self.home / HEAD).exists()
        signer = Signer.own(self.home, KEY)
        head = self._recovered(signer, moment)
        if gone:  # the log was deleted, or a run was killed before its first line
            head = self._write(signer, head, _note("begun anew", old_log="none"), moment)
        return signer, head

    def _recovered(self, signer: Signer, moment: datetime) -> Head:
        """The head, after what a killed run left behind was put in order."""
        head = read_head(self.home, signer.public)
        if head is None:
            if self.path.exists() and self.path.stat().st_size:
                raise self._changed("its head is missing")
            return self._begin(signer)
        beyond = self._beyond(head)
        if not beyond:
            return head
        line, end, rest = beyond.partition(b"\n")
        if end:  # written, but killed before the head was
            fields = read_line(line, signer.public)
            if rest or fields is None or not follows(fields, head.count, head.last):
                raise self._changed("it has lines that its head does not know")
            return self._advance(signer, head, line)
        with self.path.open("r+b") as file:
            file.truncate(head.size)
            os.fsync(file.fileno())
        cut = hashlib.sha256(beyond).hexdigest()
        return self._write(signer, head, _note("repaired", cut_bytes=str(len(beyond)), cut=cut), moment)

    def _beyond(self, head: Head) -> bytes:
        """What the file has after what the head knows, of which the last line must be what the head says."""
        try:
            with self.path.open("rb") as file:
                file.seek(head.size - head.length)
                last = file.read(head.length)
                beyond = file.read(LONGEST + 2)
        except FileNotFoundError:
            last, beyond = b"", b""
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        if head.count and (not last.endswith(b"\n") or digest(last[:-1]) != head.last):
            raise self._changed("its end is not what its head says")
        return beyond

    def _begin(self, signer: Signer) -> Head:
        head = Head(0, 0, 0, FIRST)
        write_head(self.home, head, signer)
        return head

    def _write(self, signer: Signer, head: Head, entry: Entry, moment: datetime) -> Head:
        fields = {**entry.as_dict(), "time": written(moment)}
        line = make_line(fields, head.count, head.last, signer)
        try:
            handle = os.open(self.path, _FLAGS, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from None
        return self._advance(signer, head, line)

    def _advance(self, signer: Signer, head: Head, line: bytes) -> Head:
        length = len(line) + 1
        fresh = Head(head.count + 1, head.size + length, length, digest(line))
        write_head(self.home, fresh, signer)
        return fresh

    def _changed(self, how: str) -> RefusedError:
        return RefusedError(
            f"{self.path}: was changed: {how}; omote audit verify says where, omote audit restart begins anew"
        )


def _note(event: str, **detail: str) -> Entry:
    return Entry(f"log {event}", detail=detail)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
