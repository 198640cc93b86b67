"""Projected discriminator: judges the features of a frozen network instead of pixels.

Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021, arXiv 2111.01007; SimSwap's public training uses
it with four scales of an EfficientNet. Any frozen network that gives maps serves here, such as
`omote.training.networks.identity.ScaleMaps`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from omote.errors import UsageError
from omote.training.networks.blocks import Norm, norm_layer
from omote.training.networks.discriminators import Verdict


class RandomProjection(nn.Module):
    """Fixed random mixing of a network's maps, so that a judge cannot rest on a few of their channels.

    First across channels: a 1×1 convolution of each map, to 1, 2, 4, … times `mixed` channels. Then across
    scales, from the coarsest: the sum of a map and what came from the next coarser one, enlarged twofold, and
    a 1×1 convolution to half as many channels (to as many at the finest). Nothing of it is trained.

    Attributes:
        channels: of the result at each scale.
    """

    def __init__(self, channels: Sequence[int], mixed: int = 64) -> None:
        super().__init__()
        widths = [mixed * 2**level for level in range(len(channels))]
        self.channels = (mixed, *widths[:-1])
        self.across_channels = nn.ModuleList(
            nn.Conv2d(*pair, 1) for pair in zip(channels, widths, strict=True)
        )
        self.across_scales = nn.ModuleList(
            nn.Conv2d(*pair, 1) for pair in zip(widths, self.channels, strict=True)
        )
        self.requires_grad_(False)

    def forward(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b _ _ _"]]:
        """(B, C, H, W) from the finest, each half the size of the one before → as many, twice as large."""
        mixed = [mix(level) for mix, level in zip(self.across_channels, maps, strict=True)]
        sizes = [tuple(2 * side for side in maps[0].shape[2:]), *(level.shape[2:] for level in maps[:-1])]
        results: list[Tensor] = []
        for level in reversed(range(len(mixed))):
            x = mixed[level] + results[0] if results else mixed[level]
            x = F.interpolate(x, size=sizes[level], mode="bilinear", align_corners=True)
            results.insert(0, self.across_scales[level](x))
        return results


class FeatureJudge(nn.Module):
    """A small discriminator of one scale: halvings, then 4×4 to one logit for each place.

    Halving: conv 4×4 stride 2, normalisation, LeakyReLU 0.2; every convolution with spectral normalisation.
    """

    def __init__(self, inputs: int, halvings: int, width: int, norm: Norm) -> None:
        super().__init__()
        widths = [inputs, *(max(width >> left, width // 8) for left in reversed(range(halvings)))]
        self.layers = nn.Sequential()
        for before, after in pairwise(widths):
            self.layers.extend(
                [
                    spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)),
                    norm_layer(norm, after),
                    nn.LeakyReLU(0.2, inplace=True),
                ]
            )
        self.layers.append(spectral_norm(nn.Conv2d(widths[-1], 1, 4, bias=False)))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h2 w2"]:
        """(B, C, H, W) → (B, 1, h, w), higher is more real."""
        logits: Tensor = self.layers(x)
        return logits


class ProjectedDiscriminator(nn.Module):
    """A judge for each scale of a frozen network, behind a fixed random projection.

    The frozen network and the projection belong to `parameters()` but want no gradient; pictures get theirs.

    Args:
        backbone: pictures (B, 3, H, W) in -1..1 → maps, each half the size of the one before. It is frozen
            and stays in evaluation mode.
        channels: of its maps.
        mixed: channels of the finest projected map.
        width: channels of the last layer of each judge; halved towards the first, to an eighth.
        norm: normalisation of the judges.

    Raises:
        UsageError: there are no channels.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: Sequence[int],
        mixed: int = 64,
        width: int = 512,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if not channels:
            raise UsageError("a projected discriminator needs a network that gives at least one map")
        self.backbone = backbone.requires_grad_(False).eval()
        self.projection = RandomProjection(channels, mixed)
        self.judges = nn.ModuleList(
            FeatureJudge(inputs, len(channels) - level, width, norm)
            for level, inputs in enumerate(self.projection.channels)
        )

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the judges; the frozen network stays in evaluation."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> list[Verdict]:
        """(B, 3, H, W) in -1..1 → a verdict for each scale, the finest first.

        The one feature of a verdict is the frozen network's map: SimSwap's weak feature matching compares
        those of the last.
        """
        maps: list[Tensor] = self.backbone(picture)
        projected = self.projection(maps)
        return [
            Verdict(judge(x), [level]) for judge, x, level in zip(self.judges, projected, maps, strict=True)
        ]
