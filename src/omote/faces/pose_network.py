"""Head pose from pixels, without a mesh: FSA-Net (Yang et al., CVPR 2019), alone or averaged with its kin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.align import warp
from omote.faces.crops import tensor
from omote.faces.face import Face
from omote.faces.landmarks.box import BoxSettings, box_matrix, check_box
from omote.zoo import Network, Port, read_settings, require


@dataclass(frozen=True, slots=True)
class PoseSettings(BoxSettings):
    """What the network wants; it gives yaw, pitch and roll in degrees, (B, 3).

    Attributes:
        signs: 1 or -1 for each of the three: what turns them into those of `Face.pose`.
    """

    signs: tuple[float, ...] = (1.0, 1.0, 1.0)


class PoseNetwork:
    """Fills in the pose of faces. Stateless, safe to call from several threads.

    The mean of the network and of all that its card says it needs, which look at the same crop.

    Raises:
        ModelError: a network does not meet the contract.
    """

    def __init__(self, network: Network) -> None:
        self.settings = read_settings(network.card, PoseSettings)
        self.sessions = [network.session, *(other.session for other in network.needs.values())]
        size = self.settings.size
        check_box(network.card.name, self.settings)
        if len(self.settings.signs) != 3:
            raise ModelError(f"{network.card.name}: setting 'signs' wants three numbers, each 1 or -1")
        for session in self.sessions:
            require(session, session.label, [Port((None, 3, size, size))], [Port((None, 3))])

    def refine(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> list[Face]:
        """Return the faces with `pose`, seen in a crop of their boxes.

        Args:
            pixels: (H, W, 3) RGB, uint8, uint16 or float32 0..1.
            faces: faces of that picture.
        """
        if not faces:
            return []
        look = self.settings
        size = (look.size, look.size)
        crops = [warp(pixels, box_matrix(face, look), size, cv2.BORDER_CONSTANT) for face in faces]
        blob = tensor(crops, look.mean, look.std, bgr=look.bgr)
        found = np.mean([session.run_batch(blob)[0] for session in self.sessions], axis=0) * look.signs
        return [
            replace(face, pose=(float(yaw), float(pitch), float(roll)))
            for face, (yaw, pitch, roll) in zip(faces, found, strict=True)
        ]


POSERS: dict[str, Callable[[Network], PoseNetwork]] = {"fsanet": PoseNetwork}
"""Adapters by the name that contracts give."""
