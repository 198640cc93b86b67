"""Where the files of networks lie on this machine, and what vouches for them. Opens no socket."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omote.errors import InputError, ModelError, UsageError
from omote.zoo.admission import admit, admit_name, admit_size
from omote.zoo.card import Card
from omote.zoo.catalogue import Catalogue
from omote.zoo.exclusive import exclusive
from omote.zoo.folder import default_folder, make_folder, require_room, writing
from omote.zoo.lockfile import Acceptance, LockFile, Pin, Records, Seen, today

State = Literal["ok", "missing", "damaged", "no digest"]
ContractCheck = Callable[[Card, bytes], None]
"""Raises ModelError if a file does not have the inputs and outputs of a card's contract."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at a network's file gave.

    Attributes:
        state: `no digest` if the file is here and nothing vouches for it.
        expected: digest that the catalogue or the lock file knows.
        found: digest of the file.
    """

    state: State
    expected: str | None = None
    found: str | None = None


class Store:
    """The folder that holds the networks of the catalogue, with a lock file beside them.

    Args:
        folder: by default `default_folder()`, which reads the environment; nothing else here does.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder
        self.lock_file = LockFile(self.folder / "lock.json")

    def path(self, card: Card) -> Path:
        """Where the file of a network lies, or would."""
        return self.folder / f"{card.name}{card.suffix}"

    def part(self, card: Card) -> Path:
        """Where a file lies of which only a part is here yet."""
        return self.folder / f"{card.name}{card.suffix}.part"

    def bad(self, card: Card) -> Path:
        """Where a file is kept aside that had the wrong digest."""
        return self.folder / f"{card.name}{card.suffix}.bad"

    def expected(self, card: Card) -> str | None:
        """The digest that the file must have: the catalogue's, else the pinned one."""
        return _expected(card, self.lock_file.read())

    def read(self, card: Card) -> bytes:
        """Return the verified file of a network.

        A file whose size and time are those of its last verification is not hashed again: that costs 0.3 to
        1.7 s for 500 MB, and who can change the file unseen can change the lock file as well. `verify` always
        hashes.

        Raises:
            ModelError: it is not here, nothing vouches for it, or it is not what its digest says.
        """
        path = self.path(card)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                admit_size(card.name, status.st_size)
                data = file.read()
        except FileNotFoundError:
            raise ModelError(f"{card.name} is not on this machine: {cure(card)}") from None
        except OSError as error:
            raise ModelError(f"{path}: cannot read the network ({error.strerror})") from error
        records = self.lock_file.read()
        expected = _expected(card, records)
        if expected is None:
            raise ModelError(f"{path}: nothing vouches for this file: {_import_cure(card, path)}")
        if records.seen.get(card.name) == Seen(expected, status.st_size, status.st_mtime_ns):
            return data
        found = _digest(data)
        if found != expected:
            raise ModelError(f"{path}: damaged: its sha256 is {found}, expected {expected}; {cure(card)}")
        self._remember(card, Seen(expected, status.st_size, status.st_mtime_ns))
        return data

    def holds(self, card: Card) -> bool:
        """Whether the verified file of a network is here.

        Raises:
            ModelError: the lock file is damaged.
        """
        try:
            status = self.path(card).stat()
        except OSError:
            return False
        records = self.lock_file.read()
        expected = _expected(card, records)
        if expected is None:
            return False
        seen = Seen(expected, status.st_size, status.st_mtime_ns)
        return records.seen.get(card.name) == seen or self.verify(card).state == "ok"

    def verify(self, card: Card) -> Verdict:
        """Hash the file of a network, whatever was remembered of it.

        Raises:
            InputError: the file cannot be read.
            ModelError: the lock file is damaged.
        """
        path = self.path(card)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return Verdict("missing", self.expected(card))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        expected = self.expected(card)
        right = found == expected
        self._remember(card, Seen(found, status.st_size, status.st_mtime_ns) if right else None)
        return Verdict("ok" if right else "damaged" if expected else "no digest", expected, found)

    def known(self, data: bytes, catalogue: Catalogue) -> list[Card]:
        """The cards whose file this is, by its digest: the catalogue's or a pinned one."""
        return self._with_digest(_digest(data), catalogue)

    def import_file(
        self, path: Path, catalogue: Catalogue, name: str | None = None, check: ContractCheck | None = None
    ) -> list[Card]:
        """Copy a file that the user has into the store.

        Args:
            path: the file.
            catalogue: where it is looked up.
            name: which network it is. Without it the digest tells, or else the file's name.
            check: looks whether the file meets the contract of a network that its digest does not prove it
                to be; see `ContractCheck`.

        Returns:
            The networks that it is the file of; several may share one.

        Raises:
            InputError: it cannot be read, has another suffix than networks have, or the store is full.
            UsageError: it is not known which network it is.
            ModelError: it is no network, or not the one that it is said to be.
        """
        admit_name(path)
        try:
            admit_size(str(path), path.stat().st_size)
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        admit(str(path), path.suffix.lower(), data)
        digest = _digest(data)
        cards = self._with_digest(digest, catalogue)
        if name is not None:
            cards = [catalogue.card(name)]
        elif not cards and path.stem in catalogue.cards:
            cards = [catalogue.card(path.stem)]
        elif not cards:
            raise UsageError(f"{path}: its digest and its name tell of no network: say which with --as NAME")
        for card in cards:
            self._import_as(card, path, data, digest, check)
        return cards

    def _import_as(
        self, card: Card, path: Path, data: bytes, digest: str, check: ContractCheck | None
    ) -> None:
        if card.native is not None:
            raise UsageError(f"{card.name} ships with Omote and is not imported")
        expected = self.expected(card)
        if expected not in (None, digest):
            raise ModelError(
                f"{path}: not the file that is known as {card.name}: its sha256 is {digest}, "
                f"expected {expected}; use it by its path instead"
            )
        if expected is None and check is not None:
            check(card, data)
        make_folder(self.folder)
        with exclusive(self.folder / f".{card.name}.lock"):
            part = self.folder / f".{card.name}{card.suffix}.import"
            require_room(self.folder, len(data))
            _write(part, data)
            self.keep(card, part, digest, Pin(digest, "import", str(path.absolute()), today()))

    def keep(self, card: Card, part: Path, digest: str, pin: Pin) -> None:
        """Put a whole and verified file in its place, and remember its digest.

        Args:
            card: the network.
            part: the file; it is moved.
            digest: its sha256.
            pin: what later files must match; not used if the catalogue or the lock file knows a digest.

        Raises:
            InputError: it cannot be written.
        """
        path = self.path(card)
        try:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            with self.lock_file.edit() as records:
                if _expected(card, records) is None:
                    records.pins[card.name] = pin
                part.replace(path)
                status = path.stat()
                records.seen[card.name] = Seen(digest, status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error

    def adopt(self, card: Card, catalogue: Catalogue) -> bool:
        """Use the file of another network if it is the same one: two contracts may read one file.

        Returns:
            Whether there was one.
        """
        records = self.lock_file.read()
        digest = _expected(card, records)
        for other in catalogue.cards.values():
            others = _expected(other, records)
            same = others == digest if digest else bool(card.origins) and other.origins == card.origins
            if other.name == card.name or others is None or not same or not self.holds(other):
                continue
            part = self.folder / f".{card.name}{card.suffix}.import"
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
            try:
                os.link(self.path(other), part)
            except OSError:
                _write(part, self.path(other).read_bytes())
            self.keep(card, part, others, records.pins.get(other.name) or _pin_of(other, others))
            return True
        return False

    def remove(self, card: Card, forget: bool = False) -> bool:
        """Remove the file of a network and what is left of earlier tries.

        Args:
            card: the network.
            forget: its pinned digest, too, so that the next pull may bring another file.

        Returns:
            Whether there was anything to remove.

        Raises:
            UsageError: the network ships with Omote.
            InputError: the file cannot be removed.
        """
        if card.native is not None:
            raise UsageError(f"{card.name} ships with Omote and is not removed")
        if not self.folder.is_dir():
            return False
        removed = False
        part = self.part(card)
        with exclusive(self.folder / f".{card.name}.lock"), self.lock_file.edit() as records:
            for path in (self.path(card), part, part.with_name(part.name + ".json"), self.bad(card)):
                try:
                    path.unlink()
                    removed = True
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise InputError(f"{path}: cannot be removed ({error.strerror})") from error
            records.seen.pop(card.name, None)
            if forget:
                removed = records.pins.pop(card.name, None) is not None or removed
        return removed

    def accept(self, card: Card) -> None:
        """Write down that the user accepts the licence of a network.

        Raises:
            InputError: the lock file cannot be written.
        """
        make_folder(self.folder)
        with self.lock_file.edit() as records:
            records.accepted[card.name] = Acceptance(card.licence, card.terms, today())

    def accepted(self, card: Card) -> bool:
        """Whether the licence needs no acceptance, or was accepted as it stands in the catalogue now."""
        if card.terms == "permissive" or card.native is not None:
            return True
        given = self.lock_file.read().accepted.get(card.name)
        return given is not None and (given.licence, given.terms) == (card.licence, card.terms)

    def _with_digest(self, digest: str, catalogue: Catalogue) -> list[Card]:
        records = self.lock_file.read()
        return [card for card in catalogue.cards.values() if _expected(card, records) == digest]

    def _remember(self, card: Card, seen: Seen | None) -> None:
        """Remember a verification; a store that cannot be written to is verified every time."""
        with contextlib.suppress(InputError), self.lock_file.edit() as records:
            if seen is None:
                records.seen.pop(card.name, None)
            else:
                records.seen[card.name] = seen


def cure(card: Card) -> str:
    """What a user can do who lacks a network."""
    if card.origins:
        return f"omote models pull {card.name}"
    return f"it has no public address; omote models import FILE --as {card.name}"


def _import_cure(card: Card, path: Path) -> str:
    return f"omote models import {path} --as {card.name}, if you trust it"


def _expected(card: Card, records: Records) -> str | None:
    if card.sha256 is not None:
        return card.sha256.lower()
    pin = records.pins.get(card.name)
    return pin.sha256 if pin else None


def _pin_of(card: Card, digest: str) -> Pin:
    return Pin(digest, "release", card.origins[0] if card.origins else "", today())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    with writing(path, lambda: path.unlink(missing_ok=True)):
        path.write_bytes(data)
