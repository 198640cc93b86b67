"""Patch discriminators, at one scale and at several.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017; Wang et al.,
"High-Resolution Image Synthesis with Conditional GANs" (pix2pixHD), CVPR 2018, whose kind SimSwap and GHOST
use.
"""

from itertools import pairwise
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from omote.training.networks.blocks import Norm, norm_layer


class Verdict(NamedTuple):
    """What a discriminator says at one scale.

    Attributes:
        logits: (B, 1, H, W), higher is more real.
        features: what comes out of each layer before, from the finest map to the coarsest.
    """

    logits: Float[Tensor, "b 1 h w"]
    features: list[Float[Tensor, "b _ _ _"]]


class PatchDiscriminator(nn.Module):
    """PatchGAN: judges overlapping patches of a picture.

    `halvings` convolutions 4×4 with stride 2, one with stride 1, and one that gives the logits; LeakyReLU 0.2
    after all but the last, normalisation in all but the first and the last.

    Args:
        width: channels of the first layer; doubled at each, up to `limit`.
        halvings: layers with stride 2. 3 is the "70 × 70" of the first paper.
        padding: 1 (SimSwap) or 2 (GHOST).
        norm: normalisation; no bias is taken away for it, as published.
        spectral: spectral normalisation of every convolution (Miyato et al., ICLR 2018).
        inputs: channels of the picture.
    """

    def __init__(
        self,
        width: int = 64,
        halvings: int = 4,
        padding: int = 1,
        norm: Norm = "batch",
        spectral: bool = False,
        limit: int = 512,
        inputs: int = 3,
    ) -> None:
        super().__init__()
        widths = [min(width * 2**level, limit) for level in range(halvings + 1)]

        def conv(inputs: int, outputs: int, stride: int) -> nn.Module:
            layer = nn.Conv2d(inputs, outputs, 4, stride, padding)
            return spectral_norm(layer) if spectral else layer

        first = nn.Sequential(conv(inputs, width, 2), nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.ModuleList([first])
        for level, (before, after) in enumerate(pairwise(widths), 1):
            stride = 2 if level < halvings else 1
            self.layers.append(
                nn.Sequential(
                    conv(before, after, stride), norm_layer(norm, after), nn.LeakyReLU(0.2, inplace=True)
                )
            )
        self.head = conv(widths[-1], 1, 1)

    def forward(self, picture: Float[Tensor, "b c h w"]) -> Verdict:
        """(B, 3, H, W) in -1..1 → logits and features."""
        features: list[Tensor] = []
        x = picture
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return Verdict(self.head(x), features)


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators on the picture, on its half, and so on (pix2pixHD).

    Args:
        scales: how many.
        width, halvings, padding, norm, spectral, limit, inputs: of each, see `PatchDiscriminator`.
    """

    def __init__(
        self,
        scales: int = 2,
        width: int = 64,
        halvings: int = 4,
        padding: int = 1,
        norm: Norm = "batch",
        spectral: bool = False,
        limit: int = 512,
        inputs: int = 3,
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(width, halvings, padding, norm, spectral, limit, inputs) for _ in range(scales)
        )

    def forward(self, picture: Float[Tensor, "b c h w"]) -> list[Verdict]:
        """(B, 3, H, W) in -1..1 → a verdict for each scale, the full one first."""
        verdicts: list[Verdict] = []
        for index, scale in enumerate(self.scales):
            if index:
                picture = F.avg_pool2d(picture, 3, stride=2, padding=1, count_include_pad=False)
            verdicts.append(scale(picture))
        return verdicts


def simswap_discriminator(width: int = 64) -> MultiScaleDiscriminator:
    """Return SimSwap's: two scales, four halvings, batch normalisation."""
    return MultiScaleDiscriminator(2, width, halvings=4, padding=1, norm="batch", limit=8 * width)


def ghost_discriminator(width: int = 64) -> MultiScaleDiscriminator:
    """Return GHOST's and FaceShifter's: three scales, five halvings, instance normalisation."""
    return MultiScaleDiscriminator(3, width, halvings=5, padding=2, norm="instance", limit=8 * width)


def spectral_discriminator(width: int = 64, scales: int = 2, halvings: int = 3) -> MultiScaleDiscriminator:
    """Return one that is steadied by spectral normalisation alone, so that samples are judged one by one."""
    return MultiScaleDiscriminator(scales, width, halvings, norm="none", spectral=True, limit=8 * width)
