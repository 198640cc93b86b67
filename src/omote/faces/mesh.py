"""The 478-point face mesh: from a picture and its faces to meshes, presence, refined points and head pose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.align import Matrix, invert, similarity, template, transform, warp
from omote.faces.contours import LEFT_EYE, POINTS, RIGHT_EYE
from omote.faces.crops import tensor, unit
from omote.faces.face import Array, Face
from omote.faces.pose import head_pose
from omote.zoo import Catalogue, Network, Networks, Port, read_settings, require

# The five points of a mesh that agree best with a detector's: the mean of the lids (so that they do not
# follow the gaze), the middle of the two points about the nose tip, the outer mouth corners.
_FIVE = (LEFT_EYE, RIGHT_EYE, (1, 4), (61,), (291,))


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """What a mesh network wants. It gives 478 × (x, y, z) in pixels of its crop, and a logit of presence.

    Attributes:
        size: side of the square input crop in pixels.
        layout: `nchw` or `nhwc`; RGB, float32, 0..1.
        side: side of the crop in eye distances of the five-point template.
        rise: how far the crop's centre lies above the mean of the five template points, in eye distances.
    """

    size: int
    layout: Literal["nchw", "nhwc"]
    side: float
    rise: float

    @property
    def template(self) -> npt.NDArray[np.float64]:
        """The five points in crop pixels, (5, 2)."""
        points = template("arcface_112_v2").astype(np.float64)
        distance = np.linalg.norm(points[1] - points[0])
        centre = points.mean(0) - (0, self.rise * distance)
        return np.asarray(((points - centre) / (self.side * distance) + 0.5) * self.size - 0.5)


def native_settings() -> MeshSettings:
    """What Omote's own mesh network wants; it is trained on crops of this kind."""
    return read_settings(Catalogue.load().card("omote-mesh", "landmarks"), MeshSettings)


def mesh_points(mesh: npt.ArrayLike) -> Array:
    """The five points of a mesh, (478, 3) or (478, 2) → (5, 2): eye centres, nose tip, mouth corners.

    Left and right as seen in an upright picture.
    """
    xy = np.asarray(mesh, np.float32)[:, :2]
    return np.stack([xy[list(group)].mean(0) for group in _FIVE])


class FaceMesh:
    """Finds the mesh of every given face. Stateless, safe to call from several threads.

    Args:
        network: by default Omote's own.
        passes: with 2, every face is cropped again by its own first mesh and looked at once more: twice the
            time, and errors of the detector's points move the mesh less than half as much.

    Raises:
        ModelError: the network does not meet its contract.
    """

    def __init__(self, network: Network | None = None, *, passes: int = 1) -> None:
        network = network or Networks().open("omote-mesh", "landmarks")
        self.settings = read_settings(network.card, MeshSettings)
        self.session = network.session
        self.passes = passes
        size = self.settings.size
        crop = (None, 3, size, size) if self.settings.layout == "nchw" else (None, size, size, 3)
        require(self.session, network.card.name, [Port(crop)])
        if len(self.session.outputs) < 2:
            raise ModelError(f"{network.card.name}: gives no presence beside the points of the mesh")

    @classmethod
    def from_file(cls, path: str | Path, contract: str = "omote_mesh", *, passes: int = 1) -> "FaceMesh":
        """Load a mesh network from a file.

        Args:
            path: the ONNX file.
            contract: `omote_mesh`, or `mediapipe_478` for MediaPipe's face landmark network.
            passes: as above.
        """
        return cls(Networks().open(Path(path), "landmarks", contract), passes=passes)

    def refine(self, pixels: npt.NDArray[Any], faces: Sequence[Face]) -> list[Face]:
        """Return the faces with mesh, presence, pose and five points taken from the mesh.

        A face that has a mesh already (from the frame before) is cropped by it, else by its five points.

        Args:
            pixels: (H, W, 3) RGB, uint8, uint16 or float32 0..1.
            faces: faces of that picture.

        Returns:
            New faces in the same order; box and score stay as they were.
        """
        if not faces:
            return []
        points = [face.points if face.mesh is None else mesh_points(face.mesh) for face in faces]
        for _ in range(self.passes):
            meshes, presence = self._look(pixels, points)
            points = [mesh_points(mesh) for mesh in meshes]
        return [
            replace(face, mesh=mesh, presence=float(sure), points=five, pose=head_pose(mesh))
            for face, mesh, sure, five in zip(faces, meshes, presence, points, strict=True)
        ]

    def _look(
        self, pixels: npt.NDArray[Any], points: Sequence[Array]
    ) -> tuple[list[Array], npt.NDArray[np.float64]]:
        size, target = self.settings.size, self.settings.template
        matrices = [similarity(five, target) for five in points]
        crops = [warp(pixels, matrix, (size, size)) for matrix in matrices]
        blob = tensor(crops) if self.settings.layout == "nchw" else np.stack([unit(crop) for crop in crops])
        found, logits = self.session.run_batch(blob)[:2]
        presence = 1 / (1 + np.exp(-np.clip(logits.reshape(-1).astype(np.float64), -60, 60)))
        meshes = found.reshape(-1, POINTS, 3)
        return [_to_picture(mesh, matrix) for mesh, matrix in zip(meshes, matrices, strict=True)], presence


def _to_picture(mesh: Array, matrix: Matrix) -> Array:
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    return np.column_stack([transform(mesh[:, :2], invert(matrix)), mesh[:, 2] / scale]).astype(np.float32)
