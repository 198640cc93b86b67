"""`omote doctor`: what this installation can do, what is missing, and the cure."""

import platform
import sys
from importlib import metadata
from json import dumps
from typing import Annotated

import typer

_PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "av", "pillow")


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show versions, networks, accelerators and codecs, and what is missing."""
    report = _report()
    if json:
        print(dumps(report, indent=1))
        return
    for title, entries in report.items():
        print(f"{title}:")
        for name, value in entries.items():
            print(f"  {name:<24} {value}")


def _report() -> dict[str, dict[str, str]]:
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
    from omote.errors import ModelError
    from omote.zoo import Session, native_weights

    found = {}
    for name in ("detect", "mesh"):
        try:
            weights = native_weights(name)
            Session(weights)
        except ModelError as error:
            found[name] = str(error)
        else:
            found[name] = f"ready, {len(weights) / 1e6:.1f} MB"
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
