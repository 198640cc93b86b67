"""Detectors: the adapters by name, their union, and other ways of looking."""

from collections.abc import Sequence

from omote.errors import ModelError
from omote.faces.detect import Detector
from omote.faces.detectors.look import MakeDetector
from omote.faces.detectors.scrfd import Scrfd
from omote.faces.detectors.turned import ANGLES, Turned
from omote.faces.detectors.union import Union
from omote.faces.detectors.yolo import YoloFace
from omote.faces.protocols import FaceDetector
from omote.zoo import Network

DETECTORS: dict[str, MakeDetector] = {"yunet": Detector, "scrfd": Scrfd, "yolo_face": YoloFace}
"""Adapters by the name that contracts give."""


def make_detector(
    networks: Sequence[Network], *, size: int = 640, threshold: float | None = None, nms: float = 0.4
) -> FaceDetector:
    """Make a detector of one network, or the union of several; see `MakeDetector` for the options.

    Raises:
        ModelError: a network does not meet its contract, or nothing here reads that.
        UsageError: no network is given, or an option is out of its range.
    """
    detectors: list[FaceDetector] = []
    for network in networks:
        adapter = DETECTORS.get(network.card.adapter)
        if adapter is None:
            raise ModelError(
                f"{network.card.name}: no detector adapter is called '{network.card.adapter}': "
                f"use {', '.join(DETECTORS)}"
            )
        detectors.append(adapter(network, size=size, threshold=threshold, nms=nms))
    return detectors[0] if len(detectors) == 1 else Union(detectors, nms)


__all__ = [
    "ANGLES",
    "DETECTORS",
    "Detector",
    "MakeDetector",
    "Scrfd",
    "Turned",
    "Union",
    "YoloFace",
    "make_detector",
]
