"""Meshes of a whole face set, made once and kept."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from omote.faces.contours import POINTS
from omote.training.data.crops import as_pictures, compose, middle, warp
from omote.training.data.faces import FaceSet
from omote.training.data.kept import keep, read_kept
from omote.training.teachers.mesh import MeshTeacher

_CHUNK = 64


@torch.no_grad()
def points_of(
    faces: FaceSet, teacher: MeshTeacher, device: torch.device, cache: Path | None = None
) -> Tensor:
    """Meshes of all faces in the plane, (N, 478, 2) float32 on the device.

    The coordinates are -1..1 from edge to edge of the canonical crop. The teacher sees the whole squares,
    border included.

    Args:
        faces: the set.
        teacher: on the device.
        device: where to compute.
        cache: folder in which they are kept, by the digests of set and teacher; nowhere if None. A file that
            is truncated or damaged is made anew.

    Raises:
        InputError: the cache cannot be written.
    """
    path = cache / f"meshes-{faces.digest[:16]}-{teacher.digest[:16]}.npy" if cache else None
    shape = (len(faces), POINTS, 2)
    if path and (kept := read_kept(path, shape, np.float32)) is not None and np.isfinite(kept).all():
        return torch.from_numpy(np.array(kept)).to(device)
    parts = [
        _looked_at(teacher, faces.gather(index).to(device), faces.side)
        for index in torch.split(torch.arange(len(faces)), _CHUNK)
    ]
    found = torch.cat(parts)
    if path:
        whole = np.ascontiguousarray(found.cpu().numpy(), np.float32)
        keep(path, whole.shape, np.float32, lambda file: file.write(whole.data))
    return found


def _looked_at(teacher: MeshTeacher, squares: Tensor, side: int) -> Tensor:
    framing = teacher.framing.expand(len(squares), 2, 3)
    into = middle(side / squares.shape[1]).to(framing)
    crops = warp(as_pictures(squares), compose(framing, into.expand_as(framing)), teacher.size)
    return teacher.look(crops, framing)[..., :2]
