"""Likeness: the cosine between the identity of the fake and that of the source or of the target.

Embeddings are normalised here, since some recognisers return raw ones. The recogniser that made them must not
be the one that judges the result.
"""

import torch.nn.functional as F
from torch import relu

from omote.training.losses._values import Embeddings, Values, same_shape


def identity_loss(fake: Embeddings, source: Embeddings) -> Values:
    """1 - cos(fake, source), 0..2; 0 where both point the same way.

    Source: SimSwap (Chen et al. 2020), FaceShifter (Li et al. 2019), GHOST (Groshev et al. 2022).
    """
    return 1 - _cosine(fake, source)


def capped_identity_loss(fake: Embeddings, source: Embeddings, limit: float | Values) -> Values:
    """max(0, limit - cos(fake, source)); 0, and without gradient, as soon as the fake is `limit` alike.

    Two real photos of one person are alike to a degree well below 1. A generator driven beyond that learns
    caricature and the blind spots of the recogniser, so `limit` is set near the mean cosine of real pairs.
    """
    return relu(limit - _cosine(fake, source))


def target_margin_loss(fake: Embeddings, target: Embeddings, margin: float = 0.15) -> Values:
    """max(0, cos(fake, target) - margin); 0 where the fake is no more like the target than a stranger may be.

    For swaps between different people only: it drives the target's identity out of the fake.
    """
    return relu(_cosine(fake, target) - margin)


def _cosine(fake: Embeddings, other: Embeddings) -> Values:
    same_shape(fake, other)
    return F.cosine_similarity(fake.float(), other.float(), dim=1)
