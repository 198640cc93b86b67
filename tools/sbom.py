"""Writes a software bill of materials (CycloneDX 1.6, JSON) of Omote as it is installed here.

    python tools/sbom.py [--extra models] [--extra train] > sbom.cdx.json

It lists Omote, every package that it needs, directly or not, the ffmpeg that PyAV carries, and the networks
that ship with Omote, each with version, licence or digest. The same installation gives the same bytes. What
else wheels bundle is not listed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "omote"


def needed(name: str, extras: Iterable[str]) -> dict[str, list[str]]:
    """Every installed package that one needs, with those that it needs itself."""
    graph: dict[str, set[str]] = {}
    waiting = [(str(canonicalize_name(name)), frozenset(extras))]
    seen = set(waiting)
    while waiting:
        current, wanted = waiting.pop()
        below = graph.setdefault(current, set())
        for requirement in _requirements(distribution(current), wanted):
            other = str(canonicalize_name(requirement.name))
            try:
                distribution(other)
            except PackageNotFoundError:
                print(f"{other} is needed by {current} but not installed", file=sys.stderr)
                continue
            below.add(other)
            entry = (other, frozenset(requirement.extras))
            if entry not in seen:
                seen.add(entry)
                waiting.append(entry)
    return {package: sorted(below) for package, below in sorted(graph.items())}


def _requirements(package: Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    for line in package.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def package_component(name: str) -> dict[str, Any]:
    """A package as CycloneDX has it."""
    package = distribution(name)
    facts = package.metadata.json
    component: dict[str, Any] = {
        "type": "application" if name == ROOT else "library",
        "bom-ref": _address(name),
        "name": name,
        "version": package.version,
        "purl": _address(name),
    }
    if summary := facts.get("summary"):
        component["description"] = summary
    if expression := facts.get("license_expression"):
        component["licenses"] = [{"expression": expression}]
    elif words := _licence_words(facts):
        component["licenses"] = [{"license": {"name": words}}]
    return component


def _licence_words(facts: Mapping[str, Any]) -> str:
    """What a package without a licence expression says: its classifiers, else the first line of its text."""
    start = "License :: "
    classifiers = [entry for entry in facts.get("classifier", ()) if entry.startswith(start)]
    if classifiers:
        return ", ".join(entry.rpartition(" :: ")[2] for entry in classifiers)
    return str(facts.get("license", "")).strip().partition("\n")[0][:100]


def _address(name: str) -> str:
    return f"pkg:pypi/{name}@{distribution(name).version}"


def network_components() -> list[dict[str, Any]]:
    """The networks that ship with Omote."""
    folder = files("omote.zoo").joinpath("native")
    networks = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".onnx")), key=lambda f: f.name
    )
    return [
        {
            "type": "machine-learning-model",
            "bom-ref": f"network:{file.name}",
            "name": file.name,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}],
        }
        for file in networks
    ]


def bundled_components() -> list[dict[str, Any]]:
    """The libraries that PyAV carries: they decode what nobody vouches for."""
    import av

    version = str(av.ffmpeg_version_info)
    return [{"type": "library", "bom-ref": f"bundled:ffmpeg@{version}", "name": "ffmpeg", "version": version}]


def bill(extras: Iterable[str] = ()) -> dict[str, Any]:
    """The whole bill."""
    graph = needed(ROOT, extras)
    bundled, networks = bundled_components(), network_components()
    below_of = {ROOT: networks, "av": bundled}
    content: dict[str, Any] = {
        "metadata": {"component": package_component(ROOT)},
        "components": [*(package_component(name) for name in graph if name != ROOT), *bundled, *networks],
        "dependencies": [
            {
                "ref": _address(name),
                "dependsOn": [
                    *(_address(other) for other in below),
                    *(entry["bom-ref"] for entry in below_of.get(name, ())),
                ],
            }
            for name, below in graph.items()
        ],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        **content,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extra", action="append", default=[], help="an extra of Omote; repeatable")
    print(json.dumps(bill(parser.parse_args().extra), indent=1))


if __name__ == "__main__":
    main()
