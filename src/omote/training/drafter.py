"""The mesh engine on aligned faces: what it makes of a target is the draft that a network corrects."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

from omote.engines.mesh import MeshSwapper, open_cover_parser
from omote.evaluation.engines import CropSwap
from omote.faces.mesh import FaceMesh
from omote.zoo import Networks, Runtime
from omote.zoo.devices import cores

Pixels = npt.NDArray[np.uint8]
Drafter = Callable[[Pixels, Pixels], Pixels]
"""Targets and sources, (n, H, H, 3) uint8 RGB squares with border → the targets with the sources' skin."""


def open_drafter(device: torch.device) -> Drafter:
    """Open the mesh engine, as it drafts for a swapper in use: sources are parsed, meshes looked at twice.

    It computes on the CPU, pair by pair, so that a draft depends on nothing but its pair. It is safe for
    threads.

    Args:
        device: of the training. Where that is the CPU, drafts are made by one thread, and the networks have
            the other cores; else by all cores.

    Raises:
        ModelError: one of Omote's own networks is damaged.
    """
    networks = Networks(runtime=Runtime("cpu", threads=1))
    engine = MeshSwapper(parser=open_cover_parser(networks))
    swap = CropSwap(engine, FaceMesh(networks.open("omote-mesh", "landmarks"), passes=2))
    workers = 1 if device.type == "cpu" else cores()

    def draft(targets: Pixels, sources: Pixels) -> Pixels:
        pairs = np.array_split(np.arange(len(targets)), workers)
        with ThreadPoolExecutor(workers) as pool:
            return np.concatenate(list(pool.map(lambda rows: swap(targets[rows], sources[rows]), pairs)))

    return draft
