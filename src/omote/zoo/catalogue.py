"""The catalogue: every published network that Omote knows, and the contracts by which networks are used.

Its files, `catalogue/*.toml`, have three kinds of tables: `[sources.NAME]`, places that hold many files;
`[contracts.NAME]`, task, adapter and settings that several networks share; `[models.NAME]`, one network each.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from typing import Any

from omote.errors import ModelError, UsageError
from omote.zoo.card import TITLES, Card, Task

_FACTS = ("licence", "terms", "vendor", "year", "paper", "sha256", "bytes", "note", "needs")
_PLACE = ("source", "tag", "file", "urls", "contract")
_TABLES = ("sources", "contracts", "models")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Names of networks are names of files, too."""


@dataclass(frozen=True, slots=True)
class Contract:
    """How a family of networks is used: which adapter reads it, with which settings."""

    name: str
    task: Task
    adapter: str
    settings: Mapping[str, Any]
    needs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Cards by name and contracts by name. A value: `Catalogue.load()` reads what ships with Omote."""

    cards: Mapping[str, Card]
    contracts: Mapping[str, Contract]

    @classmethod
    def load(cls) -> "Catalogue":
        """Read the catalogue that ships with Omote."""
        folder = resources.files("omote.zoo").joinpath("catalogue")
        files = sorted(
            (file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda f: f.name
        )
        return cls._of([(file.name, file.read_text("utf-8")) for file in files])

    @classmethod
    def parse(cls, text: str) -> "Catalogue":
        """Read a catalogue.

        Raises:
            ModelError: it is no TOML, or a row is not as it should be.
        """
        return cls._of([("catalogue", text)])

    @classmethod
    def _of(cls, files: Iterable[tuple[str, str]]) -> "Catalogue":
        sources, rows, models = _merged(files)
        contracts = {name: _contract(name, row) for name, row in rows.items()}
        cards = {
            name: card_of(name, row, contracts, _origins(name, row, sources)) for name, row in models.items()
        }
        for card in cards.values():
            for role, needed in card.needs.items():
                if needed not in cards:
                    raise ModelError(
                        f"{card.name}: needs {needed!r} as its {role}, which is not in the catalogue"
                    )
        return cls(cards, contracts)

    def card(self, name: str, task: Task | None = None) -> Card:
        """Return a card by name.

        Raises:
            UsageError: there is no such network, or none for that task; near names are suggested.
        """
        names = [card.name for card in self.cards.values() if task in (None, card.task)]
        if name in names:
            return self.cards[name]
        title, everything = TITLES[task] if task else "a network", "omote models list shows them all"
        if not name:
            raise UsageError(f"the name of {title} is missing: {everything}")
        near = get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else everything
        raise UsageError(f"no {title.partition(' ')[2]} is called {name!r}: {hint}")

    def contract(self, name: str, task: Task) -> Contract:
        """Return a contract by name.

        Raises:
            UsageError: there is none of that name for that task.
        """
        names = [contract.name for contract in self.contracts.values() if contract.task == task]
        if name not in names:
            raise UsageError(f"no {task} contract is called {name!r}: use {', '.join(sorted(names))}")
        return self.contracts[name]

    def with_needs(self, names: Iterable[str]) -> list[Card]:
        """Cards by name together with all that they need, each once, what is needed first.

        Raises:
            UsageError: there is no such network.
        """
        found: dict[str, Card] = {}
        begun: set[str] = set()

        def add(card: Card) -> None:
            if card.name in begun:
                return
            begun.add(card.name)
            for needed in card.needs.values():
                add(self.cards[needed])
            found[card.name] = card

        for name in names:
            add(self.card(name))
        return list(found.values())

    def with_digest(self, sha256: str) -> list[Card]:
        """All cards whose file has this digest."""
        return [card for card in self.cards.values() if card.sha256 and card.sha256.lower() == sha256.lower()]


def card_of(
    name: str, row: Mapping[str, Any], contracts: Mapping[str, Contract], origins: tuple[str, ...] = ()
) -> Card:
    """Make a card of a table as it stands in the catalogue or in a user's side-car file.

    Keys that are not facts of the network are settings of its contract.

    Raises:
        ModelError: the contract is missing or unknown.
    """
    _require_words(name, row, "contract")
    contract = contracts.get(row.get("contract", ""))
    if contract is None:
        what = f"contract {row['contract']!r} is unknown" if "contract" in row else "names no contract"
        raise ModelError(f"{name}: {what}: use {', '.join(sorted(contracts))}")
    facts = {key: row[key] for key in _FACTS if key in row}
    own = {key: value for key, value in row.items() if key not in (*_FACTS, *_PLACE)}
    facts["needs"] = {**contract.needs, **_needs(name, row)}
    return Card(
        name=name,
        task=contract.task,
        contract=contract.name,
        adapter=contract.adapter,
        settings={**contract.settings, **own},
        origins=origins,
        **facts,
    )


def _merged(files: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Sources, contracts and models of all files together."""
    merged: dict[str, dict[str, Any]] = {table: {} for table in _TABLES}
    for file, text in files:
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ModelError(f"{file}: not valid TOML ({error})") from error
        for table, rows in tables.items():
            if table not in _TABLES or not isinstance(rows, dict):
                raise ModelError(f"{file}: {table!r} is not one of {', '.join(_TABLES)}")
            for name, row in rows.items():
                if not _NAME.fullmatch(name) or not isinstance(row, dict):
                    raise ModelError(f"{file}: {name!r} is not a name with a table of facts")
                if name in merged[table]:
                    raise ModelError(f"{file}: [{table}.{name}] stands in the catalogue twice")
                merged[table][name] = row
    return [merged[table] for table in _TABLES]


def _contract(name: str, row: Mapping[str, Any]) -> Contract:
    for key in ("task", "adapter"):
        if key not in row:
            raise ModelError(f"contract {name!r}: {key!r} is missing")
    settings = {key: value for key, value in row.items() if key not in ("task", "adapter", "needs")}
    for key in ("task", "adapter"):
        _require_words(f"contract {name!r}", row, key)
    return Contract(name, row["task"], row["adapter"], settings, _needs(f"contract {name!r}", row))


def _needs(name: str, row: Mapping[str, Any]) -> dict[str, str]:
    """Role → name of each network that another one needs."""
    needs = row.get("needs", {})
    if not isinstance(needs, dict) or not all(isinstance(needed, str) for needed in needs.values()):
        raise ModelError(f"{name}: needs: expected the name of a network for each role: {{ ROLE = NAME }}")
    return dict(needs)


def _origins(name: str, row: Mapping[str, Any], sources: Mapping[str, Any]) -> tuple[str, ...]:
    """Addresses of a file: its own, or those of a source with the file's tag and name filled in."""
    _require_words(name, row, "source")
    if "source" not in row:
        return tuple(row.get("urls", ()))
    if row["source"] not in sources:
        raise ModelError(f"{name}: source {row['source']!r} is unknown: use {', '.join(sorted(sources))}")
    try:
        return tuple(url.format(**row) for url in sources[row["source"]]["urls"])
    except KeyError as error:
        raise ModelError(f"{name}: its source needs {error}") from error
    except (ValueError, IndexError, AttributeError, TypeError):
        raise ModelError(
            f"{name}: the addresses of its source are no patterns such as .../{{file}}"
        ) from None


def _require_words(name: str, row: Mapping[str, Any], key: str) -> None:
    if not isinstance(row.get(key, ""), str):
        raise ModelError(f"{name}: {key!r} is no name")
