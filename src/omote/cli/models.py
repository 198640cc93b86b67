"""`omote models`: which networks there are, under which licence, and which are on this machine."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omote.cli.console import help_if_alone

if TYPE_CHECKING:
    from omote.zoo import Card, Catalogue, Store
    from omote.zoo.transfer import Report

app = typer.Typer(
    help="List, fetch, verify and remove networks.",
    epilog="Networks lie in the folder `models` of OMOTE_HOME, or in the user's cache: omote models path",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def models(context: typer.Context) -> None:
    """List, fetch, verify and remove networks."""
    help_if_alone(context)


def _complete(incomplete: str) -> list[str]:
    from omote.zoo import Catalogue

    return [name for name in Catalogue.load().cards if name.startswith(incomplete)]


_Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", help="One or more networks.", show_default=False, autocompletion=_complete
    ),
]
_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A network.", show_default=False, autocompletion=_complete)
]
_SomeName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME", help="A network [default: all]", show_default=False, autocompletion=_complete
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("list")
def list_networks(
    task: Annotated[
        str | None,
        typer.Option(help="Only those of one task, as in the column TASK."),
    ] = None,
    json: _Json = False,
) -> None:
    """List all networks, their licences, and which are here."""
    from omote.errors import UsageError
    from omote.zoo.card import TASKS

    if task is not None and task not in TASKS:
        raise UsageError(f"--task {task}: use {', '.join(TASKS)}")
    catalogue, store = _open()
    cards = [card for card in catalogue.cards.values() if task in (None, card.task)]
    cards.sort(key=lambda card: (TASKS.index(card.task), card.name))
    if json:
        print(dumps([_facts(card, store) for card in cards], indent=1))
        return
    rows = [("NAME", "TASK", "LICENCE", "SIZE", "HERE")]
    rows += [
        (card.name, card.task, card.terms, _size_text(card, store), _here(card, store)) for card in cards
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, kind, terms, size, here in rows:
        print(f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {terms:<{widths[2]}}  {size:>{widths[3]}}  {here}")


@app.command("info")
def info(name: _Name, json: _Json = False) -> None:
    """Tell everything that is known of a network."""
    catalogue, store = _open()
    facts = _facts(catalogue.card(name), store)
    if json:
        print(dumps(facts, indent=1))
        return
    for key, value in facts.items():
        entries = (
            [f"{inner}: {entry}" for inner, entry in value.items()] if isinstance(value, dict) else value
        )
        if not isinstance(entries, list):
            entries = [entries]
        for number, entry in enumerate(entries):
            print(f"{key + ':' if number == 0 else '':<13}{'not known' if entry in (None, '') else entry}")


@app.command("pull")
def pull_networks(
    names: _Names,
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="Agree to the licences that are shown and not permissive."),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline",
            envvar=["OMOTE_OFFLINE", "OMOTE_MODELS_PULL_OFFLINE"],
            help="Open no connection; fail if something is not here.",
        ),
    ] = False,
) -> None:
    """Fetch networks, and those that they need, and verify them."""
    from omote.errors import RefusedError
    from omote.zoo.pull import pull
    from omote.zoo.transfer import Transfer

    catalogue, store = _open()
    missing: list[Card] = []
    for card in catalogue.with_needs(names):
        if card.native is None and not store.holds(card):
            missing.append(card)
        elif card.name in names:
            print(f"{card.name}: ships with Omote" if card.native else f"{card.name}: is here")
    for card in missing:
        print(f"{card.name}: licence {card.licence}: {card.consequence}")
    unaccepted = [card for card in missing if not store.accepted(card)]
    if unaccepted and not accept_licence:
        raise RefusedError(
            f"nothing was fetched: {', '.join(card.name for card in unaccepted)}: not under a permissive "
            "licence (see above); if you agree to that, repeat with --accept-licence"
        )
    for card in unaccepted:
        store.accept(card)
    transfer = None if offline else Transfer.from_environment()
    for card in missing:
        with _progress(card.name) as report:
            path = pull(card, store, catalogue, transfer, report, _tell)
        print(f"{card.name}: {path.stat().st_size / 1e6:.1f} MB, verified: {path}")


@app.command("verify")
def verify(name: _SomeName = None) -> None:
    """Compare files with the digests that are known."""
    from omote.errors import ModelError
    from omote.zoo.store import cure

    catalogue, store = _open()
    cards = catalogue.cards.values() if name is None else [catalogue.card(name)]
    damaged, looked_at = [], 0
    for card in cards:
        if card.native is not None:
            if name is not None:
                print(f"{card.name}: ships with Omote")
            continue
        verdict = store.verify(card)
        if verdict.state == "missing":
            if name is not None:
                raise ModelError(f"{card.name} is not on this machine: {cure(card)}")
            continue
        looked_at += 1
        detail = f" (sha256 {verdict.found}, expected {verdict.expected})"
        print(f"{card.name}: {verdict.state}{detail if verdict.state == 'damaged' else ''}")
        if verdict.state == "damaged":
            damaged.append(card.name)
    if damaged:
        raise ModelError(f"damaged: {', '.join(damaged)}: fetch again: omote models pull {' '.join(damaged)}")
    if name is None and not looked_at:
        print(f"no networks in {store.folder}")


@app.command("import")
def import_network(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An .onnx, .dfm or .safetensors file.", show_default=False)
    ],
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Which network it is [default: its digest or name tells]"),
    ] = None,
) -> None:
    """Copy a file that you have into the store."""
    from omote.pipelines.contracts import check_contract

    catalogue, store = _open()
    for card in store.import_file(file, catalogue, name, check_contract):
        print(f"{card.name}: imported: {store.path(card)}")
        print(f"{card.name}: licence {card.licence}: {card.consequence}")


@app.command("remove")
def remove(
    names: _Names,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget the pinned digest, too: the next pull may differ.")
    ] = False,
) -> None:
    """Remove networks from this machine."""
    from omote.errors import ModelError

    catalogue, store = _open()
    cards = [catalogue.card(name) for name in names]
    absent = [card.name for card in cards if not store.remove(card, forget)]
    for card in cards:
        if card.name not in absent:
            print(f"{card.name}: removed")
    if absent:
        raise ModelError(f"not on this machine: {', '.join(absent)}")


@app.command("path")
def path(name: _SomeName = None) -> None:
    """Print where a network lies, or would."""
    catalogue, store = _open()
    print(store.folder if name is None else _path(catalogue.card(name), store))


def _open() -> "tuple[Catalogue, Store]":
    from omote.zoo import Catalogue, Store

    return Catalogue.load(), Store()


def _path(card: "Card", store: "Store") -> Path:
    if card.native is None:
        return store.path(card)
    return Path(str(resources.files("omote.zoo.native") / f"{card.native}.onnx"))


def _size(card: "Card", store: "Store") -> int | None:
    try:
        return _path(card, store).stat().st_size
    except OSError:
        return card.bytes


def _size_text(card: "Card", store: "Store") -> str:
    size = _size(card, store)
    return "?" if size is None else f"{size / 1e6:.1f} MB"


def _here(card: "Card", store: "Store") -> str:
    if card.native is not None:
        return "ships"
    if store.holds(card):
        return "yes"
    return store.verify(card).state.replace("missing", "no")


def _facts(card: "Card", store: "Store") -> dict[str, Any]:
    expected = store.expected(card)
    return {
        "name": card.name,
        "task": card.task,
        "contract": card.contract,
        "adapter": card.adapter,
        "settings": dict(card.settings),
        "needs": dict(card.needs),
        "licence": card.licence,
        "terms": card.terms,
        "consequence": card.consequence,
        "vendor": card.vendor,
        "year": card.year,
        "paper": card.paper,
        "origins": list(card.origins),
        "sha256": expected,
        "bytes": _size(card, store),
        "note": card.note,
        "here": _here(card, store),
        "path": str(_path(card, store)),
    }


@contextmanager
def _progress(title: str) -> "Iterator[Report]":
    """Show bytes, speed and time left on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)
