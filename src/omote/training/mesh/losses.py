"""How far the predicted mesh and presence are from the labels."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omote.faces import contours


class MeshLoss(nn.Module):
    """Robust distance of points, in eye distances, plus binary cross-entropy of the presence.

    Per point sqrt(|Δxy|² + ε²) (Charbonnier), weighted by region, plus `depth` times the same for z; averaged
    over points and over the crops that show a face.

    Args:
        depth: weight of z.
        presence: weight of the presence term.
        epsilon: rounding of the norm at 0, in eye distances.
    """

    def __init__(self, depth: float = 0.25, presence: float = 0.05, epsilon: float = 0.002) -> None:
        super().__init__()
        self.depth, self.presence, self.epsilon = depth, presence, epsilon
        weights = np.ones(contours.POINTS, np.float32)
        for region, weight in (
            (contours.FACE_OVAL, 1.5),
            (contours.LEFT_BROW + contours.RIGHT_BROW, 1.5),
            (contours.INNER_LIPS + contours.OUTER_LIPS, 2.0),
            (contours.LEFT_EYE + contours.RIGHT_EYE, 2.0),
            (contours.LEFT_IRIS + contours.RIGHT_IRIS, 2.5),
        ):
            weights[list(region)] = weight
        self.weights: Tensor
        self.register_buffer("weights", torch.from_numpy(weights / weights.mean()))

    def forward(
        self, points: Tensor, logits: Tensor, meshes: Tensor, present: Tensor, distances: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the total loss and the share of the points in it.

        Args:
            points, meshes: (N, 478, 3) crop pixels.
            logits, present: (N,).
            distances: (N,) eye distances in crop pixels.
        """
        here = present.bool()
        difference = (points.float() - meshes)[here] / distances[here, None, None]
        flat = (difference[..., :2].square().sum(-1) + self.epsilon**2).sqrt() - self.epsilon
        deep = (difference[..., 2].square() + self.epsilon**2).sqrt() - self.epsilon
        shape = ((flat + self.depth * deep) * self.weights).mean()
        sure = F.binary_cross_entropy_with_logits(logits.float(), present.float())
        return shape + self.presence * sure, shape
