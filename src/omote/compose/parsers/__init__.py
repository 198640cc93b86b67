"""Mask networks: where the new face may show, as networks see it."""

from omote.compose.mask_settings import MaskSettings
from omote.compose.parsers.bisenet import BiSeNet
from omote.compose.parsers.pan import Pan
from omote.compose.parsers.protocol import Masker
from omote.compose.parsers.regions import RegionParser
from omote.compose.parsers.xseg import XSeg
from omote.errors import UsageError
from omote.zoo import Networks

OCCLUDERS: dict[str, type[XSeg]] = {"xseg": XSeg}
PARSERS: dict[str, type[RegionParser]] = {"bisenet": BiSeNet, "pan": Pan}
MASKERS: dict[str, type[XSeg] | type[RegionParser]] = {**OCCLUDERS, **PARSERS}
"""Adapter name of a card → its class."""


def open_maskers(settings: MaskSettings, networks: Networks) -> tuple[Masker, ...]:
    """Open the networks that mask settings ask for: those for occlusion, then the parser.

    Raises:
        UsageError: there is no such network or region, or the parser knows no regions.
        ModelError: a file is missing or does not meet its contract.
    """
    maskers: list[Masker] = []
    for name in settings.occlusion:
        network = networks.open(name, "mask")
        if network.card.adapter in OCCLUDERS:
            maskers.append(OCCLUDERS[network.card.adapter](network))
        else:  # what is no region of a face lies before it
            maskers.append(PARSERS[network.card.adapter](network, looks_at="target"))
    if settings.regions is not None:
        network = networks.open(settings.parser, "mask")
        if network.card.adapter not in PARSERS:
            raise UsageError(f"{settings.parser} finds no regions: use occlusion, or another parser")
        maskers.append(PARSERS[network.card.adapter](network, settings.regions))
    return tuple(maskers)


__all__ = ["MASKERS", "OCCLUDERS", "PARSERS", "Masker", "open_maskers"]
