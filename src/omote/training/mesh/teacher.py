"""Labels: MediaPipe's network looks at every face several times; the mean of its answers is the target."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.align import invert, transform
from omote.faces.contours import POINTS
from omote.faces.topology import MIRROR
from omote.training.mesh.data import FaceSet
from omote.training.mesh.views import SIZE, VIEWS, view
from omote.zoo import Session


def look(
    session: Session, image: npt.NDArray[np.uint8], points: npt.ArrayLike
) -> tuple[npt.NDArray[np.float32], float]:
    """Return the mean mesh (478, 3) in pixels of `image` and the mean presence logit."""
    meshes, logits = [], []
    for side, rise in VIEWS:
        for mirrored in (False, True):
            matrix = view(points, side, rise, mirrored)
            crop = cv2.warpAffine(image, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
            mesh, logit = session.run(crop[None].astype(np.float32) / np.float32(255))
            mesh = mesh.reshape(POINTS, 3)
            scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
            mesh = np.column_stack([transform(mesh[:, :2], invert(matrix)), mesh[:, 2] / scale])
            meshes.append(mesh[MIRROR] if mirrored else mesh)
            logits.append(float(logit.reshape(-1)[0]))
    return np.asarray(np.mean(meshes, 0), np.float32), float(np.mean(logits))


def label(
    faces: FaceSet, weights: Path, cache: Path
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Meshes (N, 478, 3) in canvas pixels and presence logits (N,) of all faces; kept in the file `cache`."""
    if cache.is_file():
        with np.load(cache) as stored:
            return stored["meshes"], stored["logits"]
    session = Session(weights)
    meshes = np.zeros((len(faces), POINTS, 3), np.float32)
    logits = np.zeros(len(faces), np.float32)
    for i, (image, points) in enumerate(zip(faces.images, faces.points, strict=True)):
        meshes[i], logits[i] = look(session, image, points)
    cache.parent.mkdir(parents=True, exist_ok=True)
    part = cache.with_name(cache.name + ".part")
    with part.open("wb") as file:
        np.savez(file, meshes=meshes, logits=logits)
    part.replace(cache)
    return meshes, logits
