"""Who judges: networks opened for evaluation, and whether the judge is independent of the swapper."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from omote.errors import UsageError
from omote.evaluation.features import FeatureNetwork
from omote.evaluation.looks import Estimators
from omote.faces.expression import EXPRESSIONS
from omote.faces.identity import RECOGNISERS
from omote.faces.landmarks import LANDMARKERS
from omote.faces.mesh import FaceMesh
from omote.zoo import Network, Networks


@dataclass(frozen=True, slots=True)
class Used:
    """A network of which the report says that it was used: its role, its name, and the digest of its file."""

    role: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The estimators of an evaluation and what the report says of them."""

    estimators: Estimators
    used: tuple[Used, ...]
    judge: Network
    mesh: Network


def open_panel(
    networks: Networks,
    judge: str | Path,
    expression: str | Path | None = None,
    features: Path | None = None,
    mesh: str | Path = "omote-mesh",
) -> Panel:
    """Open the networks that judge.

    Args:
        networks: where they are opened.
        judge: identity network: a name of the catalogue, or a file.
        expression: network of 52 blendshapes: likewise; without it there are no expressions in the report.
        features: ONNX file for realism; see `FeatureNetwork`.
        mesh: network of the 478-point mesh, by which pose, expression and gaze are read; for a swapper that
            was trained with Omote's own, another one is the better witness.

    Raises:
        UsageError: there is no network of that name, or it is not known how to use a file.
        ModelError: a network is missing or does not meet its contract.
    """
    recogniser, mesher = networks.open(judge, "identity"), networks.open(mesh, "landmarks")
    entries = [used("judge", recogniser), used("mesh", mesher)]
    landmarker = LANDMARKERS[mesher.card.adapter](mesher)
    if not isinstance(landmarker, FaceMesh):
        raise UsageError(
            f"{mesh}: gives no 478-point mesh; --mesh takes networks that do, such as omote-mesh"
        )
    reader = None
    if expression is not None:
        network = networks.open(expression, "expression")
        reader = EXPRESSIONS[network.card.adapter](network)
        entries.append(used("expression", network))
    depths = FeatureNetwork(features, networks.runtime) if features is not None else None
    if depths is not None:
        entries.append(Used("features", depths.name, depths.sha256))
    estimators = Estimators(
        RECOGNISERS[recogniser.card.adapter](recogniser), FaceMesh(mesher, passes=2), reader, depths
    )
    return Panel(estimators, tuple(entries), recogniser, mesher)


def partiality(judge: Network, swapper: Network | None) -> str | None:
    """Why a judge is not independent of a swapper; None where nothing speaks against it.

    It is not if the swapper needs the very network, or if the swapper's card names it, by name or digest, as
    the cards of networks do that were trained with it.
    """
    if swapper is None:
        return None
    digest, name = _digest(judge), judge.card.name
    if any(_digest(network) == digest for network in _needed(swapper)):
        how = "works with it"
    else:
        card = swapper.card
        told = " ".join((card.note, card.paper, *card.needs.values()))
        if name not in told and digest[:12] not in told and Path(name).stem not in told:
            return None
        how = "names it on its card"
    return (
        f"the judge {name} is no independent one: {swapper.card.name} {how}; its likeness is flattered: "
        "choose another --judge"
    )


def mesh_partiality(mesh: Network, swapper: Network | None) -> str | None:
    """Why the mesh network is no independent witness; None where nothing speaks against it.

    It is not if the swapper's card says `mesh teacher NAME`, as the cards of networks do that were trained
    through it. That an engine finds faces with it is no training.
    """
    name = re.escape(Path(mesh.card.name).stem)
    if swapper is None or not re.search(rf"mesh teacher {name}(?![\w-])", swapper.card.note):
        return None
    return (
        f"the mesh {mesh.card.name} is no independent one: {swapper.card.name} was trained through it; its "
        "pose, expression and gaze are flattered: choose another --mesh"
    )


def used(role: str, network: Network) -> Used:
    """What the report says of an opened network."""
    return Used(role, network.card.name, _digest(network))


def all_used(role: str, network: Network) -> list[Used]:
    """The same of a network and of all that it works with: in the roles `ROLE: identity`, `ROLE: mask`."""
    needed = (all_used(f"{role}: {name}", other) for name, other in network.needs.items())
    return [used(role, network), *chain.from_iterable(needed)]


def _digest(network: Network) -> str:
    return hashlib.sha256(network.read()).hexdigest()


def _needed(network: Network) -> Iterator[Network]:
    for needed in network.needs.values():
        yield needed
        yield from _needed(needed)
