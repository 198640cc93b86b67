"""Embeddings of a whole face set, made once and kept."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from omote.training.data.crops import canonical
from omote.training.data.faces import FaceSet
from omote.training.teachers.identity import IdentityTeacher

_CHUNK = 256


def embeddings_of(
    faces: FaceSet, teacher: IdentityTeacher, device: torch.device, cache: Path | None = None
) -> Tensor:
    """Raw embeddings of all faces, (N, D) float32 on the device.

    Args:
        faces: the set.
        teacher: on the device.
        device: where to compute.
        cache: folder in which they are kept, by the digests of set and teacher; nowhere if None.
    """
    path = cache / f"embeddings-{faces.digest[:16]}-{teacher.digest[:16]}.npy" if cache else None
    if path and path.is_file():
        kept = np.load(path, allow_pickle=False)
        if kept.shape == (len(faces), teacher.width):
            return torch.from_numpy(kept).to(device)
    parts = [
        teacher.embed(canonical(faces.gather(index).to(device), faces.border, faces.side))
        for index in torch.split(torch.arange(len(faces)), _CHUNK)
    ]
    found = torch.cat(parts)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, found.cpu().numpy())
        part.replace(path)
    return found
