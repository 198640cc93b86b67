"""From what the settings name to the networks and engines that do it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from omote.compose import Masking, parse_padding
from omote.compose.adapting import ShapeFit
from omote.compose.parsers import open_maskers
from omote.compose.restore import EDGE
from omote.compose.restorers import Restorer, open_restorer
from omote.engines.mesh import MeshSwapper, open_cover_parser
from omote.engines.native import MESH_ENGINE
from omote.engines.oneshot import SWAPPERS
from omote.engines.plugins import engines, find_engine
from omote.engines.swapper import Swapper
from omote.errors import UsageError
from omote.faces.detectors import ANGLES, Turned, make_detector
from omote.faces.finder import FaceFinder
from omote.faces.identity import RECOGNISERS
from omote.faces.landmarks import LANDMARKERS
from omote.faces.mesh import FaceMesh
from omote.faces.protocols import Recogniser
from omote.pipelines.settings import FindSettings, PeopleSettings, SwapSettings
from omote.zoo import Networks, Runtime, Store
from omote.zoo.networks import is_file


def open_networks(settings: FindSettings, workers: int) -> Networks:
    """Make what opens the networks of a job.

    Args:
        settings: name the device and the precision.
        workers: how many threads will call networks at the same time.

    Raises:
        UsageError: the device or the precision makes no sense.
    """
    store = Store()
    # Compiling for an accelerator takes minutes; on the CPU a warm start gains milliseconds.
    cache = None if settings.device == "cpu" else store.folder.parent / "compiled"
    runtime = Runtime(settings.device, workers=workers, precision=settings.precision, cache=cache)
    return Networks(store=store, runtime=runtime)


def make_finder(settings: FindSettings, networks: Networks) -> FaceFinder:
    """Make what finds faces.

    Raises:
        UsageError: a network of that name does not exist, or an option is out of range.
        ModelError: a network is not on this machine, or does not meet its contract.
    """
    detector = make_detector(
        [networks.open(name, "detector") for name in _references(settings.detector)],
        size=settings.detector_size,
        threshold=settings.score,
    )
    angles, margins = (
        _angles(settings.detector_angles),
        parse_padding(settings.detector_margin, "detector margin"),
    )
    if angles != (0,) or any(margins) or settings.smallest:
        detector = Turned(detector, angles=angles, margins=margins, smallest=settings.smallest)
    mesh = FaceMesh(networks.open("omote-mesh", "landmarks"), passes=2)
    if settings.landmarks is None:
        return FaceFinder(detector, mesh)
    chosen = networks.open(settings.landmarks, "landmarks")
    return FaceFinder(detector, mesh, landmarks=LANDMARKERS[chosen.card.adapter](chosen))


def make_source_finder(settings: FindSettings, networks: Networks) -> FaceFinder:
    """Make what finds the face of a source photo: upright faces too, and small ones, whatever the target has.

    Raises:
        UsageError: as `make_finder`.
        ModelError: as `make_finder`.
    """
    angles = sorted({0, *_angles(settings.detector_angles)})
    return make_finder(replace(settings, smallest=0, detector_angles=",".join(map(str, angles))), networks)


def make_recogniser(settings: PeopleSettings, networks: Networks) -> Recogniser:
    """Make what knows people again.

    Raises:
        UsageError: a network of that name does not exist.
        ModelError: a network is not on this machine, or does not meet its contract.
    """
    network = networks.open(settings.recogniser, "identity")
    return RECOGNISERS[network.card.adapter](network)


def make_swapper(settings: SwapSettings, networks: Networks) -> Swapper[Any]:
    """Make the engine: the mesh engine, an engine of another package, or a network.

    Raises:
        UsageError: there is no such engine or network, or it cannot do what the settings ask for.
        ModelError: a network is not on this machine, or does not meet its contract.
    """
    name = str(settings.swapper)
    options = {"strength": settings.strength, "boost": settings.boost}
    plain = settings.strength == 1.0 and settings.boost is None and settings.contract is None
    if name == MESH_ENGINE or any(engine.name == name for engine in engines()):
        if not plain:
            raise UsageError(f"--swapper {name} takes no --strength, --boost or --contract")
        if name == MESH_ENGINE:
            return MeshSwapper(parser=open_cover_parser(networks), colour=settings.colour or "light")
        return find_engine(name).make(networks.runtime)
    if settings.contract is not None and not is_file(settings.swapper):
        raise UsageError(f"--contract says how a file is used; {name} is a name of the catalogue")
    network = networks.open(settings.swapper, "swapper", settings.contract)
    return SWAPPERS[network.card.adapter](network, **options)


def make_masking(settings: SwapSettings, networks: Networks) -> tuple[Masking, Masking]:
    """Make what says where the new face shows, and where the restored face does: there the box fades wider.

    Raises:
        UsageError: the mask names a network or region that does not exist.
        ModelError: a network is not on this machine, or does not meet its contract.
    """
    asked = settings.masking
    maskers = open_maskers(asked, networks)
    fit = None
    if settings.mask_adapt and str(settings.swapper) != MESH_ENGINE:  # it keeps the shape of the target
        fit = ShapeFit(FaceMesh(networks.open("omote-mesh", "landmarks")))
    return Masking(asked, maskers, fit), Masking(
        replace(asked, box=True, edge=max(asked.edge, EDGE)), maskers
    )


def make_restorer(settings: SwapSettings, networks: Networks) -> Restorer | None:
    """Make the restorer, if one is asked for.

    Raises:
        UsageError: there is no such network, or it takes no weight.
        ModelError: the network is not on this machine, or does not meet its contract.
    """
    if settings.restore is None:
        return None
    return open_restorer(networks, settings.restore, settings.restore_weight)


def _references(text: str | Path) -> list[str | Path]:
    """Several networks are joined by +; a file that exists is one, whatever its name."""
    if is_file(text) and Path(text).exists():
        return [text]
    return [name.strip() for name in str(text).split("+")]


def _angles(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"--detector-angles '{text}': give one or more of {', '.join(map(str, ANGLES))}, by commas"
        ) from None
