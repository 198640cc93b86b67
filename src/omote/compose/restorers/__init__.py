"""Restoration networks: a face made sharp again."""

from pathlib import Path

from omote.compose.restorers.face import FaceRestorer
from omote.compose.restorers.protocol import Restorer
from omote.compose.restorers.upscale import Upscaler
from omote.zoo import Networks

RESTORERS: dict[str, type[FaceRestorer] | type[Upscaler]] = {"face": FaceRestorer, "upscale": Upscaler}
"""Adapter name of a card → its class."""


def open_restorer(
    networks: Networks, reference: str | Path, weight: float | None = None, contract: str | None = None
) -> Restorer:
    """Open a restorer.

    Args:
        networks: the networks of the job.
        reference: a name of the catalogue, or a file.
        weight: fidelity, 0..1, for networks that take one.
        contract: how a file is used; see `Networks.open`.

    Raises:
        UsageError: there is no such network, or it takes no weight.
        ModelError: the file is missing or does not meet its contract.
    """
    network = networks.open(reference, "restorer", contract)
    return RESTORERS[network.card.adapter](network, weight)


__all__ = ["RESTORERS", "FaceRestorer", "Restorer", "Upscaler", "open_restorer"]
