"""Several identity networks that judge as one."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omote.training.teachers.identity import IdentityTeacher
from omote.zoo import Network


class SeveralIdentities(nn.Module):
    """Embeddings of unit length, side by side: their cosine is the mean of the networks' cosines.

    What fools one network seldom fools the next, so a generator that must please several has to learn the
    person.

    Args:
        teachers: one or more, on one device.

    Attributes:
        digests: of each.
    """

    network: Network | None = None
    from_file = False

    def __init__(self, teachers: Sequence[IdentityTeacher]) -> None:
        super().__init__()
        self.teachers = nn.ModuleList(teachers)  # type: ignore[arg-type]
        self.name = " and ".join(teacher.name for teacher in teachers)
        self.digests = tuple(teacher.digest for teacher in teachers)
        self.digest = hashlib.sha256(" ".join(self.digests).encode()).hexdigest()
        self.width = sum(teacher.width for teacher in teachers)

    def forward(self, pictures: Tensor, back: Tensor | None = None) -> Tensor:
        """See `IdentityTeacher`."""
        return side_by_side([teacher(pictures, back) for teacher in self.teachers])

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        """See `IdentityTeacher`."""
        return side_by_side([teacher.embed(pictures) for teacher in self.teachers])  # type: ignore[operator]


def side_by_side(embeddings: Sequence[Tensor]) -> Tensor:
    """Raw embeddings (B, D) of each network → (B, sum of D), each part of unit length."""
    return torch.cat([F.normalize(one, dim=1) for one in embeddings], 1)
