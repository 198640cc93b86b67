"""What a face does, as 52 blendshapes: MediaPipe's network, which sees points of the mesh and no pixels."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from omote.faces.face import Array
from omote.zoo import Network, Port, require

# fmt: off
POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66,
    67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145,
    146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176,
    178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285,
    288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334,
    336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387,
    388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474,
    475, 476, 477,
)
"""Which of the 478 points the network sees."""

NAMES = tuple("""
    _neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff
    cheekSquintLeft cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight
    eyeLookInLeft eyeLookInRight eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight
    eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward jawLeft jawOpen jawRight
    mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft
    mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight
    mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
""".split())  # noqa: SIM905
"""The blendshapes in ARKit's words; left and right are the person's own."""
# fmt: on


class Blendshapes:
    """Reads expressions from meshes. Stateless, safe to call from several threads.

    Size and place of the mesh do not matter to the network; a leaning head does a little.

    Raises:
        ModelError: the network does not meet its contract.
    """

    def __init__(self, network: Network) -> None:
        self.session = network.session
        require(self.session, network.card.name, [Port((None, len(POINTS), 2))])

    def read(self, meshes: Sequence[npt.ArrayLike]) -> Array:
        """Return (N, 52) float32, 0..1, in the order of `NAMES`.

        Args:
            meshes: (478, 3) or (478, 2) each, in pixels.
        """
        if not meshes:
            return np.zeros((0, len(NAMES)), np.float32)
        seen = np.stack([np.asarray(mesh, np.float32)[list(POINTS), :2] for mesh in meshes])
        return np.stack([self.session.run(points[None])[0].reshape(-1) for points in seen])


EXPRESSIONS: dict[str, Callable[[Network], Blendshapes]] = {"blendshapes": Blendshapes}
"""Adapters by the name that contracts give."""
