"""SimSwap: an encoder, blocks that put the source's identity in, a decoder.

Chen et al., "SimSwap: An Efficient Framework For High Fidelity Face Swapping", ACM MM 2020, arXiv 2106.06340,
and the published files, from which the layers, their padding and the two conventions of the output are taken.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from omote.training.networks.blocks import Norm, PixelSpace, Space, check_sides, instance_norm, norm_layer

EPS = 1e-8


class AdaIN(nn.Module):
    """Adaptive instance normalisation: x ← IN(x)·(1 + γ) + β, γ and β linear in the identity (eps 1e-8)."""

    def __init__(self, channels: int, identity: int) -> None:
        super().__init__()
        self.style = nn.Linear(identity, 2 * channels)

    def forward(
        self, x: Float[Tensor, "b c h w"], identity: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c h w"]:
        """(B, C, H, W), (B, D) → (B, C, H, W)."""
        style: Tensor = self.style(identity)[:, :, None, None]
        scale, shift = style.chunk(2, dim=1)
        return instance_norm(x, EPS) * (1 + scale) + shift


class IdentityBlock(nn.Module):
    """ID-block: twice a reflecting 3×3 convolution and AdaIN, ReLU between them, none after the sum."""

    def __init__(self, channels: int, identity: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.first_style = AdaIN(channels, identity)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.second_style = AdaIN(channels, identity)

    def forward(
        self, x: Float[Tensor, "b c h w"], identity: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c h w"]:
        """(B, C, H, W), (B, D) → (B, C, H, W)."""
        inner: Tensor = self.first_style(self.first(x), identity).relu()
        inner = self.second_style(self.second(inner), identity)
        return x + inner


class SimSwap(nn.Module):
    """SimSwap's generator. Nothing goes round the identity blocks: there are no skips.

    `forward` is the published network, `swap` the same on pictures in -1..1.

    Args:
        width: channels of the stem; doubled at each of `levels` halvings. 64 and 3 in the 224/256 px network,
            32 and 4 in the 512 px file, which both have 512 channels where the identity enters.
        levels: halvings that double the channels.
        blocks: identity blocks.
        deep: one more halving, which keeps the channels (the training code's variant for 512 px).
        identity: length of the identity vector.
        entrance: space of the target; `normalised` at 224/256 px, `unit` in the 512 px file.
        output: `unit`, as the released networks (tanh, then (x + 1) / 2), or `normalised`, as the public
            training code (no activation).
        norm: normalisation of the encoder and the decoder.
    """

    def __init__(
        self,
        width: int = 64,
        levels: int = 3,
        blocks: int = 9,
        deep: bool = False,
        identity: int = 512,
        entrance: Space = "normalised",
        output: Space = "unit",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels + 1)]
        widths += widths[-1:] if deep else []
        self.multiple = 2 ** (len(widths) - 1)
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 7, padding=3, padding_mode="reflect"),
            norm_layer(norm, width),
            nn.ReLU(inplace=True),
            *(_halving(*pair, norm) for pair in pairwise(widths)),
        )
        self.blocks = nn.ModuleList(IdentityBlock(widths[-1], identity) for _ in range(blocks))
        self.decoder = nn.Sequential(
            *(_doubling(*pair, norm) for pair in pairwise(widths[::-1])),
            nn.Conv2d(width, 3, 7, padding=3, padding_mode="reflect"),
        )
        self.bounded = output != "normalised"
        self.entrance = PixelSpace(entrance)
        self.exit = PixelSpace(output)

    def forward(
        self, target: Float[Tensor, "b 3 s s"], identity: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b 3 s s"]:
        """Give the target the identity.

        Args:
            target: (B, 3, S, S) RGB in the space `entrance`; S a multiple of 8, 16 with a fourth halving.
            identity: (B, D), of unit length.

        Returns:
            (B, 3, S, S) RGB in the space `output`.

        Raises:
            UsageError: S is no such multiple.
        """
        check_sides(target, self.multiple)
        x: Tensor = self.encoder(target)
        for block in self.blocks:
            x = block(x, identity)
        picture: Tensor = self.decoder(x)
        return self.exit.enter(picture.tanh()) if self.bounded else picture

    def swap(
        self, target: Float[Tensor, "b 3 s s"], identity: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b 3 s s"]:
        """As `forward`, with target and result in -1..1 (a `normalised` result may leave that range)."""
        result: Tensor = self(self.entrance.enter(target), identity)
        return self.exit.leave(result)


def _halving(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), norm_layer(norm, outputs), nn.ReLU(inplace=True)
    )


def _doubling(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        nn.Conv2d(inputs, outputs, 3, padding=1),
        norm_layer(norm, outputs),
        nn.ReLU(inplace=True),
    )


def simswap_512(identity: int = 512) -> SimSwap:
    """Return the network of the 512 px file: 32 channels at both ends, four halvings, pictures in 0..1."""
    return SimSwap(width=32, levels=4, identity=identity, entrance="unit")
