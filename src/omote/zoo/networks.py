"""Networks by name or by file: card and session together, each opened once and shared."""

import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omote.errors import ModelError, UsageError
from omote.zoo.card import TASKS, TITLES, Card, Task
from omote.zoo.catalogue import Catalogue, card_of
from omote.zoo.native import native_weights
from omote.zoo.runtime import Runtime, Session
from omote.zoo.store import Store

_SUFFIX_CONTRACTS = {".dfm": "dfm"}
"""Contracts of files whose suffix says what they are."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network ready to run: what an adapter is made of.

    Attributes:
        card: what it is and how it is used.
        session: runs it.
        read: gives the file again, for adapters that need constants of the graph.
        needs: the other networks that it works with, by role.
    """

    card: Card
    session: Session
    read: Callable[[], bytes]
    needs: Mapping[str, "Network"] = field(default_factory=dict)


class Networks:
    """The networks of one job. Every network is opened once, whoever asks; safe for threads.

    Args:
        catalogue: where names are looked up; the one that ships with Omote unless said.
        store: where the files of catalogue networks are; the user's own unless said.
        runtime: device, threads and precision of every session.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        store: Store | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self.catalogue = catalogue or Catalogue.load()
        self.store = store or Store()
        self.runtime = runtime or Runtime()
        self._open: dict[tuple[str, Task | None], Network] = {}
        self._lock = threading.RLock()

    def open(self, reference: str | Path, task: Task, contract: str | None = None) -> Network:
        """Open a network.

        Args:
            reference: a name of the catalogue, or a file: whatever has a suffix or a folder in it.
            task: what it must be able to do.
            contract: how a file is used; without it, a file NAME.onnx may have NAME.toml beside it, a row as
                in the catalogue, or be known by its suffix or its digest.

        Raises:
            UsageError: there is no network of that name, or it is not known how to use the file.
            ModelError: the file is missing, is no network, or does not meet its contract.
        """
        text = str(reference)
        with self._lock:
            if (text, task) not in self._open:
                self._open[text, task] = (
                    self._from_file(Path(reference), task, contract)
                    if is_file(reference)
                    else self._from_catalogue(self.catalogue.card(text, task))
                )
            return self._open[text, task]

    def card_of_file(self, path: Path, task: Task | None = None) -> Card | None:
        """What is known of a user's file: by the card NAME.toml beside it, its suffix, or its digest.

        Args:
            path: the file.
            task: what it must be able to do; anything unless said.

        Raises:
            UsageError: the card beside it describes a network of another task.
            ModelError: the card beside it is not as it should be, or the file cannot be read.
        """
        sidecar = _sidecar(path)
        if sidecar.is_file():
            return self._card_beside(path, sidecar, task)
        contract = self.catalogue.contracts.get(_SUFFIX_CONTRACTS.get(path.suffix.lower(), ""))
        if contract is not None and task in (None, contract.task):
            return card_of(path.name, {"contract": contract.name}, self.catalogue.contracts)
        known = self.store.known(_read(path), self.catalogue)
        return next((card for card in known if task in (None, card.task)), None)

    @property
    def opened(self) -> tuple[Card, ...]:
        """The cards of all networks that were opened, in the order of opening."""
        return tuple(network.card for network in self._open.values())

    def release(self) -> None:
        """Forget all networks; memory is free as soon as no adapter holds them."""
        with self._lock:
            self._open.clear()

    def _network(
        self, card: Card, read: Callable[[], bytes], folder: Path | None = None, within: tuple[Path, ...] = ()
    ) -> Network:
        # First its own file: where that is missing, the error names it, and its pull brings what it needs.
        session = Session(read(), self.runtime, label=card.name)
        needs = {role: self._needed(role, name, folder, within) for role, name in card.needs.items()}
        return Network(card, session, read, needs)

    def _from_catalogue(self, card: Card) -> Network:
        native = card.native
        return self._network(card, lambda: native_weights(native) if native else self.store.read(card))

    def _from_file(
        self, path: Path, task: Task | None, contract: str | None = None, within: tuple[Path, ...] = ()
    ) -> Network:
        """Open a file; `within` are the files whose cards led here."""
        place = path.resolve()
        if place in within:
            raise ModelError(f"{path}: needs itself, by way of its card: name another network there (needs)")
        if contract is not None and task is not None:
            row = {"contract": self.catalogue.contract(contract, task).name}
            card = card_of(path.name, row, self.catalogue.contracts)
        else:
            known = self.card_of_file(path, task)
            if known is None:
                raise UsageError(f"{path}: nothing says how this network is used: {self._cure(path, task)}")
            card = known
        return self._network(card, lambda: _read(path), path.parent, (*within, place))

    def _needed(self, role: str, name: str, folder: Path | None, within: tuple[Path, ...]) -> Network:
        """Open what a card needs; files count from the card's folder, where it has one."""
        task = next((task for task in TASKS if task == role), None)
        if folder is not None and is_file(name):
            key: tuple[str, Task | None] = str(folder / name), task
            if key not in self._open:
                self._open[key] = self._from_file(folder / name, task, within=within)
            return self._open[key]
        card = self.catalogue.card(name, task)
        if (name, card.task) not in self._open:
            self._open[name, card.task] = self._from_catalogue(card)
        return self._open[name, card.task]

    def _card_beside(self, path: Path, sidecar: Path, task: Task | None) -> Card:
        try:
            row = tomllib.loads(sidecar.read_text("utf-8"))
            contracts = self.catalogue.contracts
            if row.get("contract") not in contracts:
                # The error shall name only those that help.
                contracts = {name: contracts[name] for name in self._contracts(task)}
            card = card_of(path.name, row, contracts)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
            raise ModelError(f"{sidecar}: not a model card ({error})") from error
        if task not in (None, card.task):
            raise UsageError(f"{sidecar}: describes {TITLES[card.task]}, {TITLES[task]} is wanted")
        return card

    def _contracts(self, task: Task | None) -> list[str]:
        known = self.catalogue.contracts.values()
        return sorted(contract.name for contract in known if task in (None, contract.task))

    def _cure(self, path: Path, task: Task | None) -> str:
        """What a user can do whose file is not known. Only swappers have an option for it."""
        card, names = _sidecar(path).name, ", ".join(self._contracts(task))
        if task == "swapper":
            return f"give --contract NAME ({names}), or a card {card} beside it"
        return f"give a card {card} beside it with contract = one of {names}"


def is_file(reference: str | Path) -> bool:
    """Whether a network is given as a file: a path, or text with a suffix or a folder in it.

    A number after the dot is a version, as in `gfpgan_1.4`, and no suffix.
    """
    if isinstance(reference, Path):
        return True
    suffix = Path(reference).suffix[1:]
    return "/" in reference or "\\" in reference or (suffix != "" and not suffix.isdigit())


def _sidecar(path: Path) -> Path:
    """Where the card of a file lies, if it has one; `with_suffix` fails for ./"""
    return path.parent / f"{path.stem}.toml"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot read the network ({error.strerror})") from error
