"""`omote doctor`: what this installation can do, what is missing, and the cure; or how one network runs."""

import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from omote.zoo import Card

_PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "av", "pillow")

Report = Mapping[str, Mapping[str, Any]]
"""Title → name → value."""


def doctor(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|PATH", help="Show how one network runs here."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --model: cpu, cuda[:N], tensorrt[:N], coreml, directml[:N], openvino. [default: cpu]",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show versions, networks, accelerators and codecs, and what is missing; or how one network runs."""
    from omote.errors import UsageError

    if device is not None and model is None:
        raise UsageError("--device says where --model NAME shall run: give both")
    report = _report() if model is None else _model_report(model, device or "cpu")
    if json:
        print(dumps(report, indent=1))
        return
    for title, entries in report.items():
        print(f"{title}:")
        for name, value in entries.items():
            print(f"  {name:<24} {_text(value)}")


def _model_report(reference: str, device: str) -> Report:
    from omote.zoo import Runtime
    from omote.zoo.placement import place

    runtime = Runtime(device=device)
    card, data = _find(reference)
    found = place(data, runtime, reference)
    return {
        "network": _facts(card, len(data))
        if card
        else {"file": reference, "card": "none is known", **_LICENCE},
        "inputs": found.inputs,
        "outputs": found.outputs,
        "nodes": found.nodes,
        "run": {
            "device": str(runtime.target),
            "threads": runtime.intra_op_threads,
            "milliseconds": round(1000 * found.seconds, 2),
            **{f"on random {name}": shape for name, shape in found.fed.items()},
        },
    }


_LICENCE = {"licence": "not known: ask whoever made the file"}


def _find(reference: str) -> "tuple[Card | None, bytes]":
    """The card and the file of a network; see `Networks.card_of_file` for a user's file."""
    from pathlib import Path

    from omote.zoo import Catalogue, Networks, Store, native_weights
    from omote.zoo.loading import read_network
    from omote.zoo.networks import is_file

    catalogue, store = Catalogue.load(), Store()
    if is_file(reference):
        data = read_network(Path(reference), reference).data
        return Networks(catalogue, store).card_of_file(Path(reference)), data
    card = catalogue.card(reference)
    return card, native_weights(card.native) if card.native else store.read(card)


def _facts(card: "Card", size: int) -> dict[str, Any]:
    facts = {
        "name": card.name,
        "task": card.task,
        "contract": card.contract,
        "needs": ", ".join(card.needs.values()),
        "licence": card.licence,
        "consequence": f"{card.terms}: {card.consequence}",
        "vendor": card.vendor,
        "year": card.year,
        "paper": card.paper,
        "bytes": size,
        "note": card.note,
    }
    return {name: value for name, value in facts.items() if value}


def _text(value: Any) -> str:
    """A value of the report; a shape is a tuple."""
    if not isinstance(value, tuple):
        return str(value)
    return " × ".join("any" if size is None else str(size) for size in value) or "a single number"


def _report() -> Report:
    return {
        "versions": _versions(),
        "networks": _networks(),
        "accelerators": _providers(),
        "encoders": _encoders(),
    }


def _versions() -> dict[str, str]:
    from omote._version import __version__

    found = {"omote": __version__, "python": sys.version.split()[0], "system": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = f"missing: pip install {name}"
    return found


def _networks() -> dict[str, str]:
    """Networks of the catalogue that are on this machine, and native ones that are damaged."""
    from omote.errors import ModelError
    from omote.zoo import Catalogue, Session, Store, native_weights

    found, store = {}, Store()
    for card in Catalogue.load().cards.values():
        try:
            if card.native:
                weights = native_weights(card.native)
                Session(weights, label=card.name)
                found[card.name] = f"ready, {len(weights) / 1e6:.1f} MB"
            elif store.holds(card):
                found[card.name] = f"here, {store.path(card).stat().st_size / 1e6:.1f} MB, {card.terms}"
        except ModelError as error:
            found[card.name] = str(error)
    return found


def _providers() -> dict[str, str]:
    from omote.zoo import onnxruntime_offline

    names = (
        name.removesuffix("ExecutionProvider") for name in onnxruntime_offline().get_available_providers()
    )
    # Azure is somebody else's computer.
    return {name: "present" for name in names if name != "Azure"}


def _encoders() -> dict[str, str]:
    from omote.media import ENCODERS, available_encoders

    working = {encoder.name for encoder in available_encoders()}
    return {
        encoder.name: f"works: {encoder.title}"
        if encoder.name in working
        else f"not here: {encoder.title}; " + ("needs its hardware" if encoder.hardware else "reinstall av")
        for encoder in ENCODERS.values()
    }
