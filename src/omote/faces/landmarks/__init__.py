"""Landmark networks: the adapters by name."""

from collections.abc import Callable

from omote.faces.landmarks.box import BoxLandmarker, five_of
from omote.faces.landmarks.five import FromFive
from omote.faces.landmarks.heatmap import Heatmap
from omote.faces.landmarks.pip import PipNet
from omote.faces.landmarks.regression import Regression
from omote.faces.mesh import FaceMesh
from omote.faces.protocols import Landmarker
from omote.zoo import Network

LANDMARKERS: dict[str, Callable[[Network], Landmarker]] = {
    "five_to_68": FromFive,
    "heatmap": Heatmap,
    "mesh478": FaceMesh,
    "pipnet": PipNet,
    "regression": Regression,
}
"""Adapters by the name that contracts give."""

__all__ = [
    "LANDMARKERS",
    "BoxLandmarker",
    "FaceMesh",
    "FromFive",
    "Heatmap",
    "PipNet",
    "Regression",
    "five_of",
]
