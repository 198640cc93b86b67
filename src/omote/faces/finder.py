"""From a picture to the faces that are meant, each with its mesh."""

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from omote.faces.detect import Detector
from omote.faces.face import Face
from omote.faces.mesh import FaceMesh
from omote.faces.protocols import FaceDetector, Landmarker
from omote.faces.select import Selection

ALL = Selection("all")
CLEARLY = 2.0
"""How many times the area of another a face must have to be clearly larger."""


@dataclass(frozen=True)
class FaceFinder:
    """Detector and mesh network together. Safe to call from several threads.

    Attributes:
        detector: finds boxes and five points.
        mesh: finds the mesh of the faces that are meant, and of no others; looks twice, for steadiness.
        landmarks: finds the five points anew, for templates that were made with its points.
        presence: a face whose mesh network is less sure than this is none.
    """

    detector: FaceDetector = field(default_factory=Detector)
    mesh: Landmarker = field(default_factory=lambda: FaceMesh(passes=2))
    landmarks: Landmarker | None = None
    presence: float = 0.3

    def find(self, pixels: npt.NDArray[Any], selection: Selection = ALL) -> list[Face]:
        """Return the chosen faces of a picture with mesh and pose, left to right.

        A detection that the mesh network does not take for a face is left out, and the choice made anew.

        Args:
            pixels: (H, W, 3) RGB, uint8 or uint16.
            selection: all faces unless said.
        """
        return self._chosen(pixels, self.detector.find(pixels), selection)

    def find_rivals(self, pixels: npt.NDArray[Any], selection: Selection) -> list[Face]:
        """Like `find`, but for `largest` the largest face first and then all that are not clearly smaller.

        In a film one has to know them all to stay with one of them; see `omote.pipelines.follow`.
        """
        detected = self.detector.find(pixels)
        chosen = self._chosen(pixels, detected, selection)
        if selection.rule != "largest" or not chosen:
            return chosen
        (first,) = chosen
        rivals = [face for face in detected if first.area < CLEARLY * face.area and face.box is not first.box]
        return [first, *self._verified(pixels, rivals)]

    def _chosen(self, pixels: npt.NDArray[Any], detected: list[Face], selection: Selection) -> list[Face]:
        if selection.rule == "index":  # numbers count real faces only, so all must be looked at
            return selection.pick(self._verified(pixels, detected))
        while chosen := selection.pick(detected):
            verified = self._verified(pixels, chosen)
            if len(verified) == len(chosen) or selection.rule == "all":
                return verified
            detected = [face for face in detected if face not in chosen]
        return []

    def _verified(self, pixels: npt.NDArray[Any], faces: list[Face]) -> list[Face]:
        refined = self.mesh.refine(pixels, faces)
        sure = [face for face in refined if face.presence is None or face.presence >= self.presence]
        return sure if self.landmarks is None else self.landmarks.refine(pixels, sure)
