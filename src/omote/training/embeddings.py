"""Embeddings of a whole face set, made once and kept."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from omote.faces.identity import ArcFaceSettings
from omote.training.data.crops import canonical
from omote.training.data.faces import FaceSet
from omote.training.data.kept import keep, read_kept
from omote.training.teachers.identity import IdentityTeacher
from omote.zoo import read_settings

_CHUNK = 256


def embeddings_of(
    faces: FaceSet, teacher: IdentityTeacher, device: torch.device, cache: Path | None = None
) -> Tensor:
    """Raw embeddings of all faces, (N, D) float32 on the device.

    Args:
        faces: the set.
        teacher: on the device.
        device: where to compute.
        cache: folder in which they are kept, by the digests of set and teacher and the settings of the
            teacher's card; nowhere if None. A file that is truncated or damaged is made anew.

    Raises:
        InputError: the cache cannot be written.
    """
    path = cache / f"embeddings-{faces.digest[:16]}-{_digest(teacher)[:16]}.npy" if cache else None
    shape = (len(faces), teacher.width)
    if path and (kept := read_kept(path, shape, np.float32)) is not None and np.isfinite(kept).all():
        return torch.from_numpy(np.array(kept)).to(device)
    parts = [
        teacher.embed(canonical(faces.gather(index).to(device), faces.border, faces.side))
        for index in torch.split(torch.arange(len(faces)), _CHUNK)
    ]
    found = torch.cat(parts)
    if path:
        whole = np.ascontiguousarray(found.cpu().numpy(), np.float32)
        keep(path, whole.shape, np.float32, lambda file: file.write(whole.data))
    return found


def _digest(teacher: IdentityTeacher) -> str:
    """A key for what the teacher says: its network, and how its card has pictures made ready for it."""
    card = teacher.network and read_settings(teacher.network.card, ArcFaceSettings)
    return hashlib.sha256(f"{teacher.digest} {card}".encode()).hexdigest()
