"""Gaze: the pupils of the fake should be where those of the target are.

An identity loss does not see pupils. These losses compare heat-maps of them, either those of a heat-map
network or rendered from the coordinates of any point network. The network is frozen, but must not run under
`no_grad` for the fake: a gaze loss without a gradient is a well-known defect, and an error here. The target's
side has no gradient.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from omote.training.losses._values import Pictures, Values, gradient_reaches, same_shape

HeatMaps = Float[Tensor, "b k h w"]
Points = Float[Tensor, "b k 2"]
SpatialPoints = Float[Tensor, "b k d"]

PUPILS = (96, 97)
"""Left and right pupil among the 98 points of WFLW."""


def heatmap_loss(fake: HeatMaps, target: HeatMaps) -> Values:
    """Σ over the points of the mean of (H(fake) - H(target))² over the map; 0 where all maps agree.

    Source: GHOST (Groshev et al. 2022), with the two pupils.
    """
    same_shape(fake, target)
    return (fake.float() - target.float()).square().mean((2, 3)).sum(1)


def eye_heatmap_loss(
    network: Callable[[Pictures], HeatMaps],
    fake: Pictures,
    target: Pictures,
    points: Sequence[int] = PUPILS,
) -> Values:
    """`heatmap_loss` of the heat-maps that a network sees in both pictures.

    Args:
        network: pictures to heat-maps (B, K, h, w), differentiable; GHOST takes the last hourglass of a FAN.
        points: which of the K maps count.

    Source: GHOST (Groshev et al. 2022), weight 1200 in its second stage.
    """
    chosen = list(points)
    ours, theirs = _both(network, fake, target, "landmark network")
    return heatmap_loss(ours[:, chosen], theirs[:, chosen])


def eye_point_loss(
    network: Callable[[Pictures], SpatialPoints],
    fake: Pictures,
    target: Pictures,
    points: Sequence[int],
    cells: int = 64,
    sigma: float = 1.5,
) -> Values:
    """`heatmap_loss` of soft heat-maps rendered from the points that a network finds in both pictures.

    With the standard maps of 64 cells, GHOST's weight keeps its meaning.

    Args:
        network: pictures (H = W) to points (B, K, 2 or more), x right and y down in pixels of the picture,
        pixel
            centres at .0, differentiable.
        points: which of the K points count.
        cells, sigma: see `point_heatmaps`. Points much farther apart than sigma have almost no gradient.
    """
    chosen = list(points)
    ours, theirs = _both(network, fake, target, "point network")
    side = fake.shape[-1]
    return heatmap_loss(
        point_heatmaps(ours[:, chosen, :2], side, cells, sigma),
        point_heatmaps(theirs[:, chosen, :2], side, cells, sigma),
    )


def point_heatmaps(points: Points, side: int, cells: int = 64, sigma: float = 1.5) -> HeatMaps:
    """Render a Gaussian with peak 1 at each point: (B, K, cells, cells), float32, differentiable in the
    points.

    Written out here because kornia's `render_gaussian2d` gives maps with sum 1 and folds points outside back
    in.

    Args:
        points: x right, y down in pixels of the picture, pixel centres at .0.
        side: side of the picture, pixels.
        cells: side of the heat-map.
        sigma: width of the Gaussian, cells.
    """
    place = (points.float() + 0.5) * (cells / side) - 0.5
    centres = torch.arange(cells, device=points.device, dtype=torch.float32)
    profile = torch.exp(-(centres - place[..., None]).square() / (2 * sigma**2))
    return profile[:, :, 1, :, None] * profile[:, :, 0, None, :]


def _both(
    network: Callable[[Pictures], Tensor], fake: Pictures, target: Pictures, name: str
) -> tuple[Tensor, Tensor]:
    """What the network gives for the fake, with gradient, and for the target, without."""
    same_shape(fake, target)
    ours = network(fake)
    gradient_reaches(fake, [ours], name)
    with torch.no_grad():
        theirs = network(target)
    return ours, theirs
