"""The 478-point face mesh: from a picture and its faces to meshes, presence, refined points and head pose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.align import Matrix, invert, similarity, template, transform, warp
from omote.faces.contours import LEFT_EYE, POINTS, RIGHT_EYE
from omote.faces.face import Array, Face
from omote.faces.pose import head_pose
from omote.zoo.native import native_weights
from omote.zoo.runtime import Runtime, Session

# The five points of a mesh that agree best with a detector's: the mean of the lids (so that they do not
# follow the gaze), the middle of the two points about the nose tip, the outer mouth corners.
_FIVE = (LEFT_EYE, RIGHT_EYE, (1, 4), (61,), (291,))


@dataclass(frozen=True, slots=True)
class MeshContract:
    """What a mesh network wants and gives.

    Attributes:
        size: side of the square input crop in pixels.
        layout: `nchw` or `nhwc`; RGB, float32, 0..1.
        side: side of the crop in eye distances of the five-point template.
        rise: how far the crop's centre lies above the mean of the five template points, in eye distances.
        batched: whether the network takes more than one crop at a time.
    """

    size: int
    layout: str
    side: float
    rise: float
    batched: bool

    @property
    def template(self) -> npt.NDArray[np.float64]:
        """The five points in crop pixels, (5, 2)."""
        points = template("arcface_112_v2").astype(np.float64)
        distance = np.linalg.norm(points[1] - points[0])
        centre = points.mean(0) - (0, self.rise * distance)
        return np.asarray(((points - centre) / (self.side * distance) + 0.5) * self.size - 0.5)


NATIVE = MeshContract(size=128, layout="nchw", side=3.8, rise=0.2, batched=True)
MEDIAPIPE = MeshContract(size=192, layout="nhwc", side=4.1, rise=0.1, batched=False)


def mesh_points(mesh: npt.ArrayLike) -> Array:
    """The five points of a mesh, (478, 3) or (478, 2) → (5, 2): eye centres, nose tip, mouth corners.

    Left and right as seen in an upright picture.
    """
    xy = np.asarray(mesh, np.float32)[:, :2]
    return np.stack([xy[list(group)].mean(0) for group in _FIVE])


class FaceMesh:
    """Finds the mesh of every given face. Stateless, safe to call from several threads.

    Args:
        session: the network; by default the native one that ships with Omote.
        contract: what that network wants.
        passes: with 2, every face is cropped again by its own first mesh and looked at once more: twice the
            time, and errors of the detector's points move the mesh less than half as much.

    Raises:
        ModelError: the network's input does not match the contract.
    """

    def __init__(
        self, session: Session | None = None, contract: MeshContract = NATIVE, *, passes: int = 1
    ) -> None:
        self.session = session or Session(native_weights("mesh"))
        self.contract = contract
        self.passes = passes
        shapes = list(self.session.inputs.values())
        size = contract.size
        wanted = (3, size, size) if contract.layout == "nchw" else (size, size, 3)
        if len(shapes) != 1 or tuple(shapes[0][1:]) != wanted or len(self.session.outputs) != 2:
            raise ModelError(
                f"mesh network: takes {shapes}, not one batch of {wanted} giving points and presence: "
                "use the network that its contract describes"
            )

    @classmethod
    def from_file(cls, path: str | Path, *, threads: int = 1, passes: int = 1) -> "FaceMesh":
        """Load a mesh network from a file: a native one, or MediaPipe's face landmark network as ONNX."""
        session = Session(path, Runtime(threads=threads))
        shape = next(iter(session.inputs.values()), ())
        contract = MEDIAPIPE if shape[-1:] == (3,) else NATIVE
        return cls(session, contract, passes=passes)

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
        size = self.contract.size
        target = self.contract.template
        matrices = [similarity(five, target) for five in points]
        crops = np.stack([_unit(_cut(pixels, matrix, size)) for matrix in matrices])
        if self.contract.layout == "nchw":
            crops = np.ascontiguousarray(crops.transpose(0, 3, 1, 2))
        batches = [crops] if self.contract.batched else [crops[i : i + 1] for i in range(len(crops))]
        results = [self.session.run(batch) for batch in batches]
        meshes = np.concatenate([out[0].reshape(-1, POINTS, 3) for out in results])
        logits = np.concatenate([out[1].reshape(-1) for out in results]).astype(np.float64)
        presence = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
        return [_to_picture(mesh, matrix) for mesh, matrix in zip(meshes, matrices, strict=True)], presence


def _cut(pixels: npt.NDArray[Any], matrix: Matrix, size: int) -> npt.NDArray[Any]:
    """Warp the crop out of the part of the picture that it needs: reducing all of a large one takes long."""
    corners = transform([[0, 0], [size, 0], [0, size], [size, size]], invert(matrix))
    margin = 4 + 2 / np.hypot(matrix[0, 0], matrix[1, 0])
    limits = np.array([pixels.shape[1], pixels.shape[0]])
    x0, y0 = np.clip(corners.min(0) - margin, 0, np.maximum(limits - margin, 0)).astype(int)
    x1, y1 = np.clip(corners.max(0) + margin, (x0 + margin, y0 + margin), limits).astype(int)
    shift = matrix[:, :2] @ (x0, y0)
    moved = np.column_stack([matrix[:, :2], matrix[:, 2] + shift])
    return warp(pixels[y0:y1, x0:x1], moved, (size, size))


def _unit(crop: npt.NDArray[Any]) -> Array:
    if crop.dtype == np.uint8:
        return np.asarray(crop, np.float32) / np.float32(255)
    if crop.dtype == np.uint16:
        return np.asarray(crop, np.float32) / np.float32(65535)
    return np.asarray(crop, np.float32)


def _to_picture(mesh: Array, matrix: Matrix) -> Array:
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    return np.column_stack([transform(mesh[:, :2], invert(matrix)), mesh[:, 2] / scale]).astype(np.float32)
