"""Labels: MediaPipe's network looks at every face eight times; the mean of the last four is the target."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.contours import POINTS
from omote.faces.topology import MIRROR
from omote.training.mesh.data import FaceSet
from omote.training.mesh.views import MESH_VIEWS, SIZE, VIEWS, Floats, mesh_view, to_picture, view
from omote.zoo import Session


def _mean_look(
    session: Session, image: npt.NDArray[np.uint8], crops: list[tuple[Floats, bool]]
) -> tuple[Floats, float]:
    meshes, logits = [], []
    for matrix, mirrored in crops:
        crop = cv2.warpAffine(image, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
        points, logit = session.run(crop[None].astype(np.float32) / np.float32(255))
        mesh = to_picture(points.reshape(POINTS, 3), matrix)
        meshes.append(mesh[MIRROR] if mirrored else mesh)
        logits.append(float(logit.reshape(-1)[0]))
    return np.asarray(np.mean(meshes, 0), np.float64), float(np.mean(logits))


def look(
    session: Session, image: npt.NDArray[np.uint8], points: npt.ArrayLike
) -> tuple[npt.NDArray[np.float32], float]:
    """Return the mean mesh (478, 3) in pixels of `image` and the mean presence logit.

    First four looks cropped by the five points (two framings, each plain and mirrored), then four cropped by
    the mean mesh of those. In crops by five points a turned head is off the middle, and the network takes it
    for less turned than it is (by 5 % of the eye distance beyond 30°); crops by the mesh mend that.
    """
    sides = (False, True)
    first, _ = _mean_look(session, image, [(view(points, *v, m), m) for v in VIEWS for m in sides])
    mesh, logit = _mean_look(session, image, [(mesh_view(first, v, m), m) for v in MESH_VIEWS for m in sides])
    return mesh.astype(np.float32), logit


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
