"""Networks by name or by file: card and session together, each opened once and shared."""

import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omote.errors import ModelError, UsageError
from omote.zoo.card import TASKS, Card, Task
from omote.zoo.catalogue import Catalogue, card_of
from omote.zoo.native import native_weights
from omote.zoo.runtime import Runtime, Session
from omote.zoo.store import Store


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
        self._open: dict[tuple[str, Task], Network] = {}
        self._lock = threading.RLock()

    def open(self, reference: str | Path, task: Task, contract: str | None = None) -> Network:
        """Open a network.

        Args:
            reference: a name of the catalogue, or a file: whatever has a suffix or a folder in it.
            task: what it must be able to do.
            contract: how a file is used; without it, a file NAME.onnx may have NAME.toml beside it, a row as
                in the catalogue, or be known by its digest.

        Raises:
            UsageError: there is no network of that name, or it is not known how to use the file.
            ModelError: the file is missing, is no network, or does not meet its contract.
        """
        text = str(reference)
        with self._lock:
            if (text, task) not in self._open:
                if is_file(reference):
                    path = Path(reference)
                    card = self._card_of_file(path, task, contract)
                    self._open[text, task] = self._network(card, lambda: _read(path))
                else:
                    self._open[text, task] = self._from_catalogue(self.catalogue.card(text, task))
            return self._open[text, task]

    @property
    def opened(self) -> tuple[Card, ...]:
        """The cards of all networks that were opened, in the order of opening."""
        return tuple(network.card for network in self._open.values())

    def release(self) -> None:
        """Forget all networks; memory is free as soon as no adapter holds them."""
        with self._lock:
            self._open.clear()

    def _network(self, card: Card, read: Callable[[], bytes]) -> Network:
        # First its own file: where that is missing, the error names it, and its pull brings what it needs.
        session = Session(read(), self.runtime, label=card.name)
        needs = {role: self._needed(role, name) for role, name in card.needs.items()}
        return Network(card, session, read, needs)

    def _from_catalogue(self, card: Card) -> Network:
        native = card.native
        return self._network(card, lambda: native_weights(native) if native else self.store.read(card))

    def _needed(self, role: str, name: str) -> Network:
        card = self.catalogue.card(name, next((task for task in TASKS if task == role), None))
        if (name, card.task) not in self._open:
            self._open[name, card.task] = self._from_catalogue(card)
        return self._open[name, card.task]

    def _card_of_file(self, path: Path, task: Task, contract: str | None) -> Card:
        if contract is not None:
            return card_of(
                path.name,
                {"contract": self.catalogue.contract(contract, task).name},
                self.catalogue.contracts,
            )
        sidecar = path.parent / f"{path.stem}.toml"  # with_suffix fails for ./
        if sidecar.is_file():
            try:
                card = card_of(path.name, tomllib.loads(sidecar.read_text("utf-8")), self.catalogue.contracts)
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
                raise ModelError(f"{sidecar}: not a model card ({error})") from error
            if card.task != task:
                raise UsageError(f"{sidecar}: describes a {card.task}, a {task} is wanted")
            return card
        known = [card for card in self.store.known(_read(path), self.catalogue) if card.task == task]
        if known:
            return known[0]
        names = sorted(entry.name for entry in self.catalogue.contracts.values() if entry.task == task)
        raise UsageError(
            f"{path}: nothing says how this network is used: give its contract ({', '.join(names)}) "
            f"or a card {sidecar.name} beside it"
        )


def is_file(reference: str | Path) -> bool:
    """Whether a network is given as a file: a path, or text with a suffix or a folder in it.

    A number after the dot is a version, as in `gfpgan_1.4`, and no suffix.
    """
    if isinstance(reference, Path):
        return True
    suffix = Path(reference).suffix[1:]
    return "/" in reference or "\\" in reference or (suffix != "" and not suffix.isdigit())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot read the network ({error.strerror})") from error
