"""Expression: lids, lips, brows and irises of the fake should be where those of the target are.

Points of both come from a frozen mesh network (`omote.training.teachers.mesh.MeshTeacher`), which must see
the fake and the target in the same framing. The face's own shape belongs to the source, so most points of the
mesh are free; what moves with the expression counts, and the head's rigid points a little, for the pose.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from omote.errors import UsageError
from omote.faces import contours
from omote.training.losses._values import Values, same_shape

Meshes = Float[Tensor, "b 478 d"]

WEIGHTS = (
    (contours.RIGID, 0.3),
    (contours.LEFT_BROW + contours.RIGHT_BROW, 1.0),
    (contours.OUTER_LIPS, 2.0),
    (contours.INNER_LIPS, 3.0),
    (contours.LEFT_EYE + contours.RIGHT_EYE, 3.0),
)
"""Which points count, and how much; later rows overrule earlier ones."""

EYES = ((contours.LEFT_IRIS, contours.LEFT_EYE), (contours.RIGHT_IRIS, contours.RIGHT_EYE))
"""Points of each iris, and of the lids about it."""

ROUNDING = 0.01


def expression_loss(points: Meshes, wanted: Meshes, distance: float) -> Values:
    """Σ w · (√(‖p - q‖² / d² + ε²) - ε) / Σ w over the points that show expression, in eye distances; ε 0.01.

    0 where all of them agree. The rounding about 0 keeps the noise of the mesh network (2 % of the eye
    distance) from pushing the fake about.

    Args:
        points: of the fake, x and y first, (B, 478, 2 or more); depth is not looked at.
        wanted: of the target, in the same coordinates; no gradient flows there.
        distance: eye distance of the framing, in the unit of the points.

    Raises:
        UsageError: the distance is not positive.
    """
    weights = _weights().to(points.device)
    return (_apart(points, wanted.detach(), distance) * weights).sum(1)


def gaze_loss(points: Meshes, wanted: Meshes, distance: float) -> Values:
    """Mean of √(‖Δ‖² / d² + ε²) - ε over the ten points of the irises, Δ relative to the mean of the lids.

    0 where both eyes look the same way; an eye that is elsewhere as a whole is `expression_loss`'s matter.

    Args:
        points, wanted, distance: see `expression_loss`.

    Raises:
        UsageError: the distance is not positive.
    """
    ours, theirs = (torch.cat([_in_eye(mesh, *eye) for eye in EYES], 1) for mesh in (points, wanted.detach()))
    return _apart(ours, theirs, distance).mean(1)


def _apart(points: Tensor, wanted: Tensor, distance: float) -> Tensor:
    """Rounded distance of each pair of points in the plane, (B, K) float32."""
    same_shape(points, wanted)
    if not distance > 0:
        raise UsageError(f"an eye distance of {distance}: give a positive one, in the unit of the points")
    offset = (points[..., :2].float() - wanted[..., :2].float()) / distance
    return (offset.square().sum(-1) + ROUNDING**2).sqrt() - ROUNDING


def _in_eye(mesh: Tensor, iris: tuple[int, ...], lids: tuple[int, ...]) -> Tensor:
    return mesh[:, list(iris), :2].float() - mesh[:, list(lids), :2].float().mean(1, keepdim=True)


@cache
def _weights() -> Tensor:
    weights = torch.zeros(contours.POINTS)
    for group, weight in WEIGHTS:
        weights[list(group)] = weight
    return weights / weights.sum()
