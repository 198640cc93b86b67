"""Detectors that look once: shrink the picture, run the network, drop what was found twice, scale back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from omote.faces.boxes import Array, faces_of, sound, suppress
from omote.faces.canvas import Bytes, Canvas, check_options, check_picture, enlarge
from omote.faces.checks import check_scaling
from omote.faces.crops import tensor
from omote.faces.face import Face
from omote.faces.protocols import FaceDetector
from omote.zoo import Network, Port, require


class MakeDetector(Protocol):
    """How every adapter of this room is made."""

    def __call__(
        self, network: Network, *, size: int = 640, threshold: float | None = None, nms: float = 0.4
    ) -> FaceDetector:
        """Make a detector.

        Args:
            network: meets the contract that the adapter reads.
            size: pictures are shrunk so that their longer side is at most this many pixels, never enlarged.
            threshold: lowest score that counts, 0..1; None takes the network's own.
            nms: of two boxes that overlap by more than this (intersection over union) the better one stays.
        """
        ...


@dataclass(frozen=True, slots=True)
class LookSettings:
    """What the entrance of such a network wants.

    Attributes:
        mean: of red, green and blue, taken from pixels in 0..1.
        std: likewise; what remains is divided by it.
        bgr: whether the network wants blue first.
        threshold: the score from which on a detection is a face, unless the caller says otherwise.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = False
    threshold: float = 0.5


class OneLook(ABC):
    """A detector that looks once. Settings do not change after construction; any thread may call `find`.

    Raises:
        ModelError: the network does not meet its contract.
        UsageError: an option is out of its range.
    """

    def __init__(
        self, network: Network, settings: LookSettings, size: int, threshold: float | None, nms: float
    ) -> None:
        check_options(size, threshold=threshold, nms=nms)
        check_scaling(network.card.name, settings.mean, settings.std)
        require(network.session, network.card.name, [Port((None, 3, None, None))])
        self.label = network.card.name
        self.session = network.session
        self.size = size
        self.threshold = settings.threshold if threshold is None else threshold
        self.nms = nms
        self._entrance = settings
        self._canvas = Canvas.of(network.session)

    def find(self, pixels: npt.NDArray[Any]) -> list[Face]:
        """Return the faces of (H, W, 3) RGB pixels, uint8 or uint16, largest first, with five points."""
        check_picture(pixels)
        if not pixels.size:
            return []
        small = self._canvas.shrink(pixels, self.size)
        canvas = self._canvas.lay(small)
        look = self._entrance
        outputs = self.session.run(tensor([canvas], look.mean, look.std, bgr=look.bgr))
        with np.errstate(over="ignore", invalid="ignore"):  # what is no number is dropped
            rows = sound(self._rows(outputs, canvas), canvas.shape)
        rows = rows[suppress(rows[:, 1:5], rows[:, 0], self.nms)]
        return faces_of(enlarge(rows, small.shape, pixels.shape))

    @abstractmethod
    def _rows(self, outputs: list[npt.NDArray[np.float32]], canvas: Bytes) -> Array:
        """Decode the network's outputs: rows, (n, 15), of score, box and points in pixels of the canvas."""
