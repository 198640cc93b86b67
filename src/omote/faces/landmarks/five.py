"""68 points guessed from the detector's five: FaceFusion's fan_68_5, a network that sees no pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.faces.align import invert, similarity, template, transform
from omote.faces.checks import check_template
from omote.faces.face import Face
from omote.zoo import Network, Port, read_settings, require


@dataclass(frozen=True, slots=True)
class FiveSettings:
    """The network works in a space where the face lies on a template of side 1.

    Attributes:
        template: name of that template.
    """

    template: str


class FromFive:
    """Adds 68 landmarks to faces; their five points stay. Stateless, safe to call from several threads.

    Raises:
        ModelError: the network does not meet its contract.
    """

    def __init__(self, network: Network) -> None:
        self.settings = read_settings(network.card, FiveSettings)
        self.session = network.session
        check_template(network.card.name, self.settings.template)
        self._target = template(self.settings.template)
        require(self.session, network.card.name, [Port((None, 5, 2))], [Port((None, 68, 2))])

    def refine(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> list[Face]:
        """Return the faces with 68 `landmarks`; the pixels are not looked at."""
        if not faces:
            return []
        matrices = [similarity(face.points, self._target) for face in faces]
        five = [transform(face.points, matrix) for face, matrix in zip(faces, matrices, strict=True)]
        (found,) = self.session.run_batch(np.stack(five).astype(np.float32))[:1]
        return [
            replace(face, landmarks=transform(points, invert(matrix)).astype(np.float32))
            for face, points, matrix in zip(faces, found, matrices, strict=True)
        ]
