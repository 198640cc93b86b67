"""The union of several detectors: what one misses, another may see."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from omote.errors import UsageError
from omote.faces.boxes import joint
from omote.faces.canvas import check_options
from omote.faces.face import Face
from omote.faces.protocols import FaceDetector


class Union:
    """Asks several detectors. A face that more than one of them finds is that of the highest score.

    Args:
        detectors: at least one.
        nms: faces that overlap by more than this (intersection over union), or of which one lies inside
            the other, are the same.

    Raises:
        UsageError: there is no detector, or the overlap is not in 0..1.
    """

    def __init__(self, detectors: Sequence[FaceDetector], nms: float = 0.4) -> None:
        if not detectors:
            raise UsageError("no detector given: name at least one")
        check_options(640, nms=nms)
        self.detectors = tuple(detectors)
        self.nms = nms

    def find(self, pixels: npt.NDArray[Any]) -> list[Face]:
        """Return the faces that any of the detectors finds, largest first; see `FaceDetector.find`."""
        return joint([face for detector in self.detectors for face in detector.find(pixels)], self.nms)
