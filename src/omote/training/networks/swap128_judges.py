"""The discriminators of omote-swap-128: of the whole crop, of eyes and mouth, and of perceptual maps.

Patch discriminators see texture. That of the whole crop is small and steadied by spectral normalisation;
those of eyes and mouth, where strangers look first, are free and want a gradient penalty
(`omote.training.losses.approximate_r1_penalty`). The heads on frozen perceptual maps are a projected
discriminator (Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021) without its random projection:
the maps are there anyway, for the perceptual loss, and small heads learn within few samples.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from omote.training.networks.discriminators import Verdict


class PatchJudge(nn.Module):
    """Three 4×4 convolutions with stride 2, a 3×3, and one that gives the logits; LeakyReLU 0.2 between.

    Args:
        width: channels of the first; doubled at the second and the third.
        last: channels of the 3×3.
        head: kernel of the one that gives the logits.
        spectral: spectral normalisation of all (Miyato et al., ICLR 2018).
    """

    def __init__(self, width: int, last: int, head: int, spectral: bool) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width]
        layers = [nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(widths)]
        layers += [nn.Conv2d(widths[-1], last, 3, 1, 1), nn.Conv2d(last, 1, head, 1, head // 2)]
        if not spectral:
            _initialise(layers)
        self.layers = nn.ModuleList(spectral_norm(layer) if spectral else layer for layer in layers)

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Verdict:
        """(B, 3, H, W) in -1..1 → logits (B, 1, H / 8, W / 8), higher is more real, and four feature maps."""
        features: list[Tensor] = []
        x = pictures
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return Verdict(self.layers[-1](x), features)


class CropJudge(nn.Module):
    """Spectrally normalised patch judges of a crop and of its half.

    Args:
        width: channels of the first layer of each.
        scales: how many.
    """

    def __init__(self, width: int = 16, scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchJudge(width, 8 * width, 3, spectral=True) for _ in range(scales))

    def forward(self, crops: Float[Tensor, "b 3 h w"]) -> list[Verdict]:
        """(B, 3, H, W) in -1..1 → a verdict for each scale, the full one first."""
        verdicts: list[Verdict] = []
        for index, scale in enumerate(self.scales):
            crops = F.avg_pool2d(crops, 2) if index else crops
            verdicts.append(scale(crops))
        return verdicts


def part_judge(width: int = 24) -> PatchJudge:
    """Return the judge of one kind of patch: eyes, or mouth."""
    return PatchJudge(width, 4 * width, 1, spectral=False)


class FeatureJudge(nn.Module):
    """A small head for each map of a frozen network.

    Each map is brought to unit length over its channels, times √C: entries of about 1. Then 1×1, 3×3 (with
    stride 2 on the finest map), 1×1 to a logit for each place; LeakyReLU 0.2 between.

    Args:
        channels: of the maps, the finest first.
        width: channels of the heads.
    """

    def __init__(self, channels: Sequence[int] = (128, 256, 384, 512), width: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList()
        for level, inputs in enumerate(channels):
            layers = [
                nn.Conv2d(inputs, width, 1),
                nn.Conv2d(width, width, 3, 1 if level else 2, 1),
                nn.Conv2d(width, 1, 1),
            ]
            _initialise(layers)
            act = nn.LeakyReLU(0.2)
            self.heads.append(nn.Sequential(layers[0], act, layers[1], act, layers[2]))

    def forward(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b 1 _ _"]]:
        """Maps, the finest first → logits (B, 1, H, W) for each, higher is more real."""
        return [head(unit_maps(level)) for head, level in zip(self.heads, maps, strict=True)]


class FaceJudges(nn.Module):
    """All of them.

    Args:
        crop_width, part_width, feature_width: see `CropJudge`, `part_judge`, `FeatureJudge`.
        channels: of the perceptual maps.
    """

    def __init__(
        self,
        crop_width: int = 16,
        part_width: int = 24,
        feature_width: int = 64,
        channels: Sequence[int] = (128, 256, 384, 512),
    ) -> None:
        super().__init__()
        self.crop = CropJudge(crop_width)
        self.eyes, self.mouth = part_judge(part_width), part_judge(part_width)
        self.features = FeatureJudge(channels, feature_width)


def unit_maps(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Maps of unit length over their channels, times √C: entries of about 1."""
    length: Tensor = maps.norm(dim=1, keepdim=True) + 1e-6
    return maps / length * math.sqrt(maps.shape[1])


def _initialise(layers: list[nn.Conv2d]) -> None:
    """He's for LeakyReLU, and logits near 0: torch's own lets the signal die within four layers."""
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, 0.2)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    nn.init.kaiming_normal_(layers[-1].weight, 5.0)
