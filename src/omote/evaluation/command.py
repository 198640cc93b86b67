"""One evaluation from what the command line names: faces, swapper, judges; gives the report."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from omote.engines.native import MESH_ENGINE
from omote.engines.swapper import Swapper
from omote.errors import UsageError
from omote.evaluation.aligned_set import read_held_out
from omote.evaluation.engines import CropSwap, PipelineSwap
from omote.evaluation.evaluator import Evaluator, Progress, Result
from omote.evaluation.films import film_pairs, read_films, read_pairs
from omote.evaluation.folders import read_photos
from omote.evaluation.judges import all_used, mesh_partiality, open_panel, partiality
from omote.evaluation.pairs import Pairs, crossed_pairs, held_out_pairs
from omote.evaluation.photos import joined
from omote.evaluation.report import Report
from omote.faces.mesh import FaceMesh
from omote.pipelines import SwapSettings
from omote.pipelines.choose import make_finder, make_masking, make_swapper, open_networks
from omote.zoo import Network, Networks

_WAYS = {"crops": "the engine on aligned faces alone", "pipeline": "the whole pipeline on whole pictures"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which faces: one of the three.

    Attributes:
        data: a folder of aligned faces; see `omote.evaluation.aligned_set`.
        sources: a folder of photos whose faces are given, with `targets`.
        targets: a folder of photos that get them.
        films: a folder of films.
        film_pairs: a list of pairs of films.
        frames: of each film.
        pairs: at most so many.

    Raises:
        UsageError: none or several are given, only half of one, or a folder is not there.
    """

    data: Path | None = None
    sources: Path | None = None
    targets: Path | None = None
    films: Path | None = None
    film_pairs: Path | None = None
    frames: int = 10
    pairs: int | None = None

    def __post_init__(self) -> None:
        if (self.sources is None) != (self.targets is None):
            raise UsageError("--sources and --targets belong together: give both folders")
        if sum(folder is not None for folder in (self.data, self.sources, self.films)) != 1:
            raise UsageError(
                "give one set of faces: --data FOLDER, --sources and --targets, or --films FOLDER"
            )
        if self.film_pairs is not None and self.films is None:
            raise UsageError("--film-pairs is for --films")
        for folder in (self.data, self.sources, self.targets, self.films):
            if folder is not None and not folder.is_dir():
                raise UsageError(f"{folder}: is no folder")

    def read(self, settings: SwapSettings, networks: Networks, seed: int) -> tuple[Pairs, tuple[str, ...]]:
        """Read the faces and pair them; returns notes on what was left out, too.

        Raises:
            InputError: a file cannot be read, or there are too few people.
            NoFaceError: there is no face.
        """
        if self.data is not None:
            return held_out_pairs(read_held_out(self.data), self.pairs, seed), ()
        finder = make_finder(settings, networks)
        if self.films is not None:
            listed = None if self.film_pairs is None else read_pairs(self.film_pairs)
            photos, notes = read_films(self.films, finder, self.frames, settings.max_pixels)
            return first_of(film_pairs(photos, listed, seed), self.pairs), notes
        assert self.sources is not None
        assert self.targets is not None
        givers, missed = read_photos(self.sources, finder, settings.max_pixels)
        takers, missing = read_photos(self.targets, finder, settings.max_pixels)
        numbers = np.arange(len(givers) + len(takers))
        pairs = crossed_pairs(
            joined([givers, takers]), numbers[: len(givers)], numbers[len(givers) :], self.pairs, seed
        )
        return pairs, tuple(dict.fromkeys((*missed, *missing)))  # both may be one folder


def run(
    faces: Chosen,
    settings: SwapSettings,
    *,
    judge: str | Path,
    expression: str | Path | None = None,
    features: Path | None = None,
    mesh: str | Path = "omote-mesh",
    through: str | None = None,
    seed: int = 1,
    progress: Progress = lambda done, total: None,
    networks: Networks | None = None,
) -> Report:
    """Evaluate the swapper that the settings name.

    Args:
        faces: which.
        settings: swapper, its strength, device, precision.
        judge: identity network: a name of the catalogue, or a file.
        expression: network of 52 blendshapes, likewise.
        features: ONNX file for realism.
        mesh: network of the 478-point mesh that judges.
        through: `crops` or `pipeline`; the pipeline unless the faces are cut out already.
        seed: of all that is drawn.
        progress: told how many faces of how many were looked at, first real ones, then swaps.
        networks: where networks are opened; catalogue and store of this machine unless given.

    Raises:
        UsageError: settings do not fit together, the seed is negative, or a network of that name does not
            exist.
        InputError: a file cannot be read, or there are too few people.
        ModelError: a network is not on this machine, or does not meet its contract.
        NoFaceError: there is no face.
    """
    if seed < 0:
        raise UsageError(f"--seed {seed}: give 0 or more")
    if through is not None and through not in _WAYS:
        raise UsageError(f"--through '{through}': use {' or '.join(_WAYS)}")
    if faces.data is not None and through == "pipeline":
        raise UsageError(
            "--through pipeline needs whole pictures: aligned faces (--data) have none around them"
        )
    way = through or ("crops" if faces.data is not None else "pipeline")
    networks = networks or open_networks(settings, 1)
    panel = open_panel(networks, judge, expression, features, mesh)
    swapper = make_swapper(settings, networks)
    network = _network(settings, networks)
    pairs, notes = faces.read(settings, networks, seed)
    began = time.perf_counter()
    evaluator = Evaluator(pairs, panel.estimators, seed, progress)
    result = _swapped(evaluator, settings, networks, swapper, way)
    doubts = (partiality(panel.judge, network), mesh_partiality(panel.mesh, network))
    lacking = [
        f"no {what}: give --{what}"
        for what, path in (("expression", expression), ("features", features))
        if not path
    ]
    name = str(settings.swapper) if network is None else network.card.name
    return Report(
        name if settings.strength == 1 else f"{name}, strength {settings.strength:g}",
        _WAYS[way],
        pairs,
        result,
        [*([] if network is None else all_used("swapper", network)), *panel.used],
        seed,
        time.perf_counter() - began,
        [*(doubt for doubt in doubts if doubt is not None), *lacking, *notes],
    )


def first_of(pairs: Pairs, count: int | None) -> Pairs:
    """The first pairs of all; the gallery stays as it is."""
    return Pairs(
        pairs.photos,
        pairs.sources[:count],
        pairs.targets[:count],
        pairs.others[:count],
        pairs.gallery,
        pairs.protocol,
    )


def _swapped(
    evaluator: Evaluator, settings: SwapSettings, networks: Networks, swapper: Swapper[Any], way: str
) -> Result:
    if way == "crops":
        masking, _ = make_masking(settings, networks)
        return evaluator.of(
            CropSwap(swapper, FaceMesh(networks.open("omote-mesh", "landmarks"), passes=2), masking)
        )
    with PipelineSwap(evaluator.pairs.photos, settings, networks, swapper) as swap:
        return evaluator.of_pairs(swap)


def _network(settings: SwapSettings, networks: Networks) -> Network | None:
    """The swapper's network, which was opened with it; None for engines that are none."""
    names = {card.name for card in networks.opened if card.task == "swapper"}
    if not names or settings.swapper == MESH_ENGINE:
        return None
    return networks.open(settings.swapper, "swapper", settings.contract)
