"""ArcFace's head: makes an identity encoder tell people apart by angles."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class ArcFaceHead(nn.Module):
    """Logits for a cross entropy over the people of the training set.

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, arXiv
    1801.07698. With θ the angle between an embedding and the centre of a person, the logit is s·cos(θ + m)
    for who it is and s·cos θ for everybody else. Beyond θ = π - m, where cos(θ + m) would rise again, it is
    s·(cos θ - m·sin m), as in the published code.

    Args:
        embedding: length of the embeddings.
        people: how many there are.
        scale: s, how sharp the classes are.
        margin: m in radians.
    """

    def __init__(self, embedding: int, people: int, scale: float = 64.0, margin: float = 0.5) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.empty(people, embedding))
        nn.init.normal_(self.centres, std=0.01)
        self.scale, self.margin = scale, margin

    def forward(
        self, embeddings: Float[Tensor, "b d"], labels: Int[Tensor, " b"]
    ) -> Float[Tensor, "b people"]:
        """(B, D) at any length, (B,) numbers of the people → (B, people) logits, float32."""
        with torch.autocast(embeddings.device.type, enabled=False):
            cosines = F.linear(F.normalize(embeddings.float()), F.normalize(self.centres.float()))
            own = cosines.gather(1, labels[:, None]).clamp(-1, 1)
            sines = (1 - own.square()).clamp(min=1e-8).sqrt()
            further = own * math.cos(self.margin) - sines * math.sin(self.margin)
            beyond = own - self.margin * math.sin(self.margin)
            further = torch.where(own > -math.cos(self.margin), further, beyond)
            return self.scale * cosines.scatter(1, labels[:, None], further)
