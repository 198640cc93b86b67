"""What estimators see in faces, each picture by itself; metrics compare these looks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from omote.evaluation.colour import skin_colour
from omote.evaluation.features import FeatureNetwork
from omote.evaluation.gaze import gaze_of
from omote.evaluation.photos import Pixels, aligned_face, inner
from omote.faces.expression import Blendshapes
from omote.faces.identity import unit_vectors
from omote.faces.mesh import FaceMesh
from omote.faces.pose import rotation
from omote.faces.protocols import Recogniser

Array = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What was seen in N aligned faces.

    Attributes:
        identity: (N, D) embeddings of the judge, unit length.
        presence: (N,) how sure the mesh network is that there is a face, 0..1.
        mesh: (N, 478, 3) in pixels of the aligned face.
        rotation: (N, 3, 3) of the head; see `omote.faces.pose`.
        gaze: (N, 2) where the irises stand; see `omote.evaluation.gaze`.
        skin: (N, 3) mean colour of the skin, CIE Lab.
        expression: (N, 52) blendshapes, 0..1; (N, 0) if no network reads them.
        features: (N, F) of the network for realism; (N, 0) if there is none.
    """

    identity: Array
    presence: Array
    mesh: Array
    rotation: Array
    gaze: Array
    skin: Array
    expression: Array
    features: Array

    def __len__(self) -> int:
        return len(self.identity)

    def take(self, rows: npt.NDArray[np.intp]) -> "Looks":
        """The looks of some of the faces."""
        return Looks(**{entry.name: getattr(self, entry.name)[rows] for entry in fields(self)})


@dataclass(frozen=True, slots=True, eq=False)
class Estimators:
    """The networks by which faces are judged.

    Attributes:
        judge: recognises people; must have had no part in the training of the swapper.
        mesh: 478-point mesh: pose, gaze, regions.
        expression: reads blendshapes.
        features: for the distance between sets of pictures.
    """

    judge: Recogniser
    mesh: FaceMesh
    expression: Blendshapes | None = None
    features: FeatureNetwork | None = None

    def look(self, pixels: Pixels) -> Looks:
        """Look at aligned faces, (N, S, S, 3) uint8 RGB, N ≥ 1.

        All are aligned alike, so that every network sees a swapped face at the very place of its target.
        """
        seen = [self._one(picture) for picture in pixels]
        return Looks(**{name: np.stack([one[name] for one in seen]) for name in seen[0]})

    def _one(self, pixels: Pixels) -> Mapping[str, Array]:
        face = aligned_face(len(pixels))
        (found,) = self.mesh.refine(pixels, [face])
        mesh = np.asarray(found.mesh)
        return {
            "identity": unit_vectors(self.judge.embed(pixels, [face]))[0],
            "presence": np.asarray(found.presence, np.float64),
            "mesh": mesh,
            "rotation": rotation(mesh),
            "gaze": gaze_of(mesh),
            "skin": skin_colour(pixels, mesh),
            "expression": self.expression.read([mesh])[0] if self.expression else np.zeros(0),
            "features": self.features.read(inner(pixels[None]))[0] if self.features else np.zeros(0),
        }


def pieces(count: int, size: int) -> Iterator[npt.NDArray[np.intp]]:
    """The numbers below `count`, `size` at a time."""
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
