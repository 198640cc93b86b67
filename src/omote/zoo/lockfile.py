"""The store's lock file: which digests are pinned, which files were verified, which licences accepted."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from omote.errors import InputError, ModelError
from omote.zoo.exclusive import exclusive

Voucher = Literal["release", "first pull", "import"]
"""Who vouches for a pinned digest: its makers' release, nobody (it came first), the user's own file."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The digest that a network's file must have from now on, where the catalogue knows none.

    Attributes:
        sha256: 64 hexadecimal digits.
        voucher: where the digest is from.
        origin: address of the file, or path of the imported one.
        date: when it was pinned, YYYY-MM-DD.
    """

    sha256: str
    voucher: Voucher
    origin: str
    date: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was when its digest was last computed."""

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A licence that the user accepted for a network, and when."""

    licence: str
    terms: str
    date: str


@dataclass(slots=True)
class Records:
    """What the lock file says, by name of the network."""

    pins: dict[str, Pin] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    accepted: dict[str, Acceptance] = field(default_factory=dict)


class LockFile:
    """`lock.json` in the store. Safe for threads and processes; replaced as a whole at every change.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Records:
        """What it says now; nothing if there is no such file.

        Raises:
            ModelError: the file is damaged.
        """
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return Records()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{self.path}: cannot be read ({error})") from error
        try:
            tables: dict[str, Any] = json.loads(text)
            return Records(
                {name: Pin(**row) for name, row in tables["pins"].items()},
                {name: Seen(**row) for name, row in tables["seen"].items()},
                {name: Acceptance(**row) for name, row in tables["accepted"].items()},
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{self.path}: damaged; put back a copy, or delete it (what it pinned is then unknown)"
            ) from error

    @contextlib.contextmanager
    def edit(self) -> Iterator[Records]:
        """Change what it says: nobody else changes it meanwhile; nothing is written after an exception.

        Raises:
            ModelError: the file is damaged.
            InputError: it cannot be written.
        """
        with exclusive(self.path.with_name(f".{self.path.name}.lock")):
            records = self.read()
            yield records
            self._write(records)

    def _write(self, records: Records) -> None:
        fresh = self.path.with_name(f".{self.path.name}.new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(asdict(records), file, indent=1, sort_keys=True)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from error


def today() -> str:
    """The date as the lock file writes it."""
    return date.today().isoformat()
