"""Face: the one value that every part of Omote uses to speak of a face in a picture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_SHAPES: dict[str, tuple[int | None, ...]] = {
    "box": (4,),
    "points": (5, 2),
    "mesh": (478, 3),
    "landmarks": (None, 2),
    "embedding": (None,),
}


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a picture. All coordinates are pixels of that picture: x right, y down, pixel centres at .0.

    Attributes:
        box: (4,) float32, x0 y0 x1 y1.
        score: detector confidence, 0..1.
        points: (5, 2) float32: left eye, right eye, nose tip, left and right mouth corner,
            as seen in the picture.
        mesh: (478, 3) float32 in MediaPipe's order: x, y, and z in the same unit as x (smaller is nearer
            to the camera, 0 near the middle of the head); 468..477 are the irises.
        presence: 0..1, how sure the mesh network is that it looks at a face.
        pose: yaw, pitch, roll in degrees: yaw > 0 looks to the right of the picture, pitch > 0 looks up,
            roll > 0 leans clockwise.
        landmarks: (N, 2) float32 of a landmark network: 68 in the order of iBUG 300-W, or its own 106.
        embedding: (D,) float32 of an identity network, unit length.
        track: number of the track that the face belongs to in a film.

    Raises:
        ValueError: a field has the wrong shape.
    """

    box: Array
    score: float
    points: Array
    mesh: Array | None = None
    presence: float | None = None
    pose: tuple[float, float, float] | None = None
    landmarks: Array | None = None
    embedding: Array | None = None
    track: int | None = None

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            value = getattr(self, name)
            if value is None:
                continue
            array = np.asarray(value, np.float32)
            if array.ndim != len(shape) or any(
                want not in (None, have) for want, have in zip(shape, array.shape, strict=True)
            ):
                raise ValueError(f"Face.{name} has shape {array.shape}, expected {shape}")
            object.__setattr__(self, name, array)

    @property
    def width(self) -> float:
        """Width of the box in pixels."""
        return float(self.box[2] - self.box[0])

    @property
    def height(self) -> float:
        """Height of the box in pixels."""
        return float(self.box[3] - self.box[1])

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return self.width * self.height

    @property
    def eye_distance(self) -> float:
        """Distance between the two eye points in pixels."""
        return float(np.linalg.norm(self.points[1] - self.points[0]))
