"""Looking harder or less hard: turned pictures, a margin around them, a least size of faces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import UsageError
from omote.faces.align import move
from omote.faces.boxes import joint
from omote.faces.canvas import check_options
from omote.faces.face import Face
from omote.faces.protocols import FaceDetector

ANGLES = (0, 90, 180, 270)


class Turned:
    """Any detector, looking at the picture in several ways. As safe for threads as that detector.

    Args:
        detector: what looks.
        angles: which turns of the face, clockwise in degrees, are looked for; of 0, 90, 180, 270.
        margins: black added to the picture at its top, right, bottom and left, in per cent of its height or
            width, 0 to 100: detectors miss faces that the picture's edge cuts or that fill it.
        smallest: a face whose box is less than this many pixels wide or high does not count.
        nms: see `Union`; used when there are several angles.

    Raises:
        UsageError: an argument is out of its range.
    """

    def __init__(
        self,
        detector: FaceDetector,
        *,
        angles: Sequence[int] = (0,),
        margins: tuple[float, float, float, float] = (0, 0, 0, 0),
        smallest: float = 0,
        nms: float = 0.4,
    ) -> None:
        check_options(640, nms=nms)
        wrong = [angle for angle in angles if angle not in ANGLES]
        if wrong or not angles:
            raise UsageError(f"detector angles {list(angles)}: give one or more of 0, 90, 180, 270")
        if len(margins) != 4:
            raise UsageError(f"detector margins {list(margins)}: give four, of top, right, bottom and left")
        for margin in margins:
            if not 0 <= margin <= 100:
                raise UsageError(f"detector margin {margin:g} is out of range: give 0 to 100 per cent")
        if smallest < 0:
            raise UsageError(f"smallest face {smallest:g} is out of range: give 0 pixels or more")
        self.detector = detector
        self.angles = tuple(dict.fromkeys(angles))
        self.margins = margins
        self.smallest = smallest
        self.nms = nms

    def find(self, pixels: npt.NDArray[Any]) -> list[Face]:
        """Return the faces of (H, W, 3) RGB pixels, uint8 or uint16, largest first, with five points.

        The left eye of a face that lies on its side is the one that is left when the face is upright.
        """
        top, right, bottom, left = (
            round(margin / 100 * pixels.shape[axis % 2]) for axis, margin in enumerate(self.margins)
        )
        wide = pixels
        if top or right or bottom or left:
            wide = np.pad(pixels, ((top, bottom), (left, right), (0, 0)))
        found = [face for angle in self.angles for face in self._look(wide, angle)]
        if len(self.angles) > 1:
            found = joint(found, self.nms)
        shift = np.array([[1.0, 0, -left], [0, 1, -top]])
        moved = [move(face, shift) for face in found]
        return [face for face in moved if min(face.width, face.height) >= self.smallest]

    def _look(self, pixels: npt.NDArray[Any], angle: int) -> list[Face]:
        """Turn the picture so that a face turned by `angle` stands upright, look, and turn back."""
        quarters = angle // 90
        upright = np.ascontiguousarray(np.rot90(pixels, quarters))
        back = _back(quarters, pixels.shape[1], pixels.shape[0])
        return [move(face, back) for face in self.detector.find(upright)]


def _back(quarters: int, width: int, height: int) -> npt.NDArray[np.float64]:
    """From a picture turned counter-clockwise by quarters to the picture of that width and height."""
    return np.array(
        [
            [[1.0, 0, 0], [0, 1, 0]],
            [[0, -1, width - 1], [1, 0, 0]],
            [[-1, 0, width - 1], [0, -1, height - 1]],
            [[0, 1, 0], [-1, 0, height - 1]],
        ][quarters]
    )
