"""The classifier of the package `nudenet`: its network, in Omote's own session.

The package's metadata say MIT, the licence file in it is the GNU AGPL 3, and its network is of the YOLOv8
family, whose makers license it under the AGPL. So it is no dependency of Omote: whoever installs the extra
`safety` chooses its terms. Of the package only the ONNX file is used, none of its code.
"""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.crops import tensor
from omote.trust.safety import Look, Rule
from omote.zoo import Runtime, Session

PACKAGE = "nudenet"
FILE = "nudenet/320n.onnx"
SHA256 = "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"
"""Of the network in nudenet 3.4.2: with it the error rates were measured."""

LABELS = (
    "FEMALE_GENITALIA_COVERED",
    "FACE_FEMALE",
    "BUTTOCKS_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_BREAST_EXPOSED",
    "ANUS_EXPOSED",
    "FEET_EXPOSED",
    "BELLY_COVERED",
    "FEET_COVERED",
    "ARMPITS_COVERED",
    "ARMPITS_EXPOSED",
    "FACE_MALE",
    "BELLY_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "ANUS_COVERED",
    "FEMALE_BREAST_COVERED",
    "BUTTOCKS_COVERED",
)
EXPOSED = (
    "BUTTOCKS_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "ANUS_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
)
"""What counts. Bellies, feet, armpits and men's chests do not."""

_SIDE = 320
_CHANNELS = 4 + len(LABELS)
_COLUMNS = [4 + LABELS.index(label) for label in EXPOSED]


@dataclass(frozen=True, slots=True, eq=False)
class NudeNet:
    """Looks for exposed parts of bodies. Stateless, safe for threads.

    Attributes:
        name: with the package's version.
        sha256: digest of the network.
        rule: see `docs/trust.md` for its error rates.
    """

    name: str
    sha256: str
    rule: Rule
    _session: Session

    @classmethod
    def installed(cls, runtime: Runtime) -> "NudeNet | None":
        """Open the network of the installed package; None if it is not installed.

        Raises:
            ModelError: it is installed, and its network is missing, another one, or cannot be loaded.
        """
        try:
            package = distribution(PACKAGE)
        except PackageNotFoundError:
            return None
        path = Path(str(package.locate_file(FILE)))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror}); install {PACKAGE} again") from None
        found = hashlib.sha256(data).hexdigest()
        if found != SHA256:
            raise ModelError(f"{path}: not the network of {PACKAGE} 3.4.2: pip install {PACKAGE}==3.4.2")
        return cls(f"{PACKAGE} {package.version}", found, Rule(), Session(data, runtime, label=PACKAGE))

    def look(self, pixels: npt.NDArray[Any]) -> Look:
        """Look at (H, W, 3) RGB pixels, uint8 or uint16; the score is the largest of the classes that count.

        Raises:
            ModelError: the network cannot run, or is another one.
        """
        # As its makers do: black below or beside makes a square, which is brought to 320 pixels.
        # Red goes first, as in training; the package's own code swaps twice and shows its network blue first.
        scale = max(pixels.shape[:2]) / _SIDE
        matrix = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]])
        square = cv2.warpAffine(pixels, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        (found,) = self._session.run(tensor([square]))
        if found.ndim != 3 or found.shape[1] != _CHANNELS:
            raise ModelError(f"{self.name}: gives {found.shape}, expected (1, {_CHANNELS}, boxes)")
        return Look(float(found[0, _COLUMNS].max(initial=0.0)))
