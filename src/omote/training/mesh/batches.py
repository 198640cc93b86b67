"""Batches of augmented crops; number N of a seed never changes, so a resumed run equals an unbroken one."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.align import similarity, transform
from omote.faces.contours import POINTS
from omote.faces.mesh import mesh_points, native_settings
from omote.training.mesh import augment
from omote.training.mesh.data import EYE_DISTANCE, FaceSet


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A face set with its teacher labels: meshes (N, 478, 3) in canvas pixels and presence logits (N,)."""

    faces: FaceSet
    meshes: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops with their labels.

    Attributes:
        crops: (N, S, S, 3) uint8 RGB.
        meshes: (N, 478, 3) crop pixels.
        present: (N,) whether the crop shows a face.
        distances: (N,) eye distances in crop pixels.
    """

    crops: npt.NDArray[np.uint8]
    meshes: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]
    distances: npt.NDArray[np.float32]


def sampling_weights(labelled: Labelled) -> npt.NDArray[np.float64]:
    """How often to draw each face: turned heads, open mouths, closed eyes more often; held-out ones never."""
    meshes = labelled.meshes / EYE_DISTANCE
    depth = meshes[:, 454, 2] - meshes[:, 234, 2]  # the two sides of the head: differ when it is turned
    width = np.linalg.norm(meshes[:, 454] - meshes[:, 234], axis=1)
    turn = np.abs(np.degrees(np.arcsin(np.clip(depth / width, -1, 1))))
    tilt = np.abs(np.nan_to_num(labelled.faces.pose[:, 1]))
    mouth = np.linalg.norm(meshes[:, 13, :2] - meshes[:, 14, :2], axis=1)
    lids = np.minimum(
        np.linalg.norm(meshes[:, 159, :2] - meshes[:, 145, :2], axis=1),
        np.linalg.norm(meshes[:, 386, :2] - meshes[:, 374, :2], axis=1),
    )
    weights = np.ones(len(meshes))
    weights += 1.0 * (turn > 15) + 2.5 * (turn > 25) + 1.0 * (tilt > 18)
    weights += 0.7 * (mouth > 0.15) + 1.3 * (mouth > 0.4) + 1.0 * (lids < 0.1)
    weights[labelled.faces.source == "scenes"] *= 1.5
    weights[labelled.faces.val | (labelled.logits < 0)] = 0
    return weights


class Sampler:
    """Draws training batches.

    Args:
        sets: labelled faces.
        backgrounds: (M, 160, 160, 3) uint8 pictures without a face.
        size: side of the crops.
        seed: of everything random here.
        absent: share of crops without a face, or with one badly off.
    """

    def __init__(
        self,
        sets: list[Labelled],
        backgrounds: npt.NDArray[np.uint8],
        size: int,
        seed: int,
        absent: float = 0.1,
    ) -> None:
        self.sets, self.backgrounds, self.size, self.seed, self.absent = sets, backgrounds, size, seed, absent
        weights = np.concatenate([sampling_weights(labelled) for labelled in sets])
        self._edges = np.cumsum(weights / weights.sum())
        self._starts = np.cumsum([0, *(len(labelled.faces) for labelled in sets)])
        self._target = template_points(size)

    def _draw(self, rng: np.random.Generator) -> tuple[Labelled, int]:
        number = min(int(np.searchsorted(self._edges, rng.random())), len(self._edges) - 1)
        which = int(np.searchsorted(self._starts, number, "right")) - 1
        return self.sets[which], number - int(self._starts[which])

    def _face(
        self, rng: np.random.Generator, off: bool
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        labelled, i = self._draw(rng)
        mesh = labelled.meshes[i].astype(np.float64)
        # At run time crops come from a detector's points, or from the mesh of the frame before.
        points = labelled.faces.points[i] if rng.random() < 0.6 else mesh_points(mesh)
        framed = np.vstack([similarity(points, self._target), (0, 0, 1)])
        matrix = augment.jitter(rng, self.size, off=off) @ framed
        crop = augment.cut(rng, labelled.faces.images[i], matrix, self.size)
        mesh[:, :2] = transform(mesh[:, :2], matrix)
        mesh[:, 2] *= np.hypot(matrix[0, 0], matrix[1, 0])
        return crop, mesh

    def _background(self, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        picture = self.backgrounds[rng.integers(len(self.backgrounds))]
        matrix = augment.jitter(rng, self.size) @ np.vstack(
            [np.eye(2, 3) * self.size / picture.shape[0], (0, 0, 1)]
        )
        return augment.cut(rng, picture, matrix, self.size)

    def batch(self, number: int, count: int) -> Batch:
        """Make batch `number` of `count` crops."""
        rng = np.random.default_rng((self.seed, number))
        crops = np.zeros((count, self.size, self.size, 3), np.uint8)
        meshes = np.zeros((count, POINTS, 3), np.float32)
        present = np.ones(count, np.bool_)
        distances = np.ones(count, np.float32)
        for i in range(count):
            missing = rng.random() < self.absent
            if missing and rng.random() < 0.5:
                crop, mesh = self._background(rng), np.zeros((POINTS, 3))
            else:
                crop, mesh = self._face(rng, off=missing)
            if rng.random() < 0.5:
                crop, mesh = augment.mirror(crop, mesh)
            if rng.random() < 0.25:
                crop = augment.occlude(rng, crop, self.backgrounds[rng.integers(len(self.backgrounds))])
            if rng.random() < 0.8:
                crop = augment.relight(rng, crop)
            crops[i], meshes[i], present[i] = augment.degrade(rng, crop), mesh, not missing
            if not missing:
                left, right = mesh[[33, 133]].mean(0), mesh[[263, 362]].mean(0)
                distances[i] = np.linalg.norm(right - left)
        return Batch(crops, meshes, present, distances)


def template_points(size: int) -> npt.NDArray[np.float64]:
    """The five points, (5, 2), in a crop of `size` px as the native network gets it at run time."""
    settings = native_settings()
    return settings.template * (size / settings.size)


def plain_crops(labelled: Labelled, chosen: npt.NDArray[np.int64], size: int) -> Batch:
    """Crops as at run time, without jitter, of the chosen faces."""
    target = template_points(size)
    crops, meshes, distances = [], [], []
    for i in chosen:
        matrix = similarity(labelled.faces.points[i], target)
        image = labelled.faces.images[i]
        crops.append(cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REFLECT))
        mesh = labelled.meshes[i].copy()
        mesh[:, :2] = transform(mesh[:, :2], matrix)
        mesh[:, 2] *= np.hypot(matrix[0, 0], matrix[1, 0])
        meshes.append(mesh)
        five = mesh_points(mesh)
        distances.append(np.linalg.norm(five[1] - five[0]))
    return Batch(
        np.stack(crops).astype(np.uint8),
        np.stack(meshes),
        np.ones(len(chosen), np.bool_),
        np.array(distances, np.float32),
    )
