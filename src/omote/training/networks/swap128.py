"""The swapper of omote-swap-128: the target's face in, the same face with another identity out.

An encoder, blocks that put the source's identity in by adaptive instance normalisation, a decoder, as in
SimSwap (Chen et al., ACM MM 2020, arXiv 2106.06340), but smaller, and with a soft mask as a fourth channel.
Two ways by which such networks learn to hand their target back are closed: nothing goes round the blocks but
fine detail, which hardly says who it is, and the mask is free in a ring about the face only.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.training.networks.blocks import check_sides
from omote.training.networks.modulated_norm import modulated_norm

STRIDE = 8
GROUPS = 8
DETAIL = 1.5
"""Standard deviation in pixels of the blur whose remainder is fine detail."""


class IdentityNorm(nn.Module):
    """Adaptive instance normalisation: x ← IN(x)·(1 + γ) + β, γ and β linear in the style."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.affine = nn.Linear(style, 2 * channels)
        nn.init.normal_(self.affine.weight, std=0.02)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Float[Tensor, "b c h w"], style: Float[Tensor, "b s"]) -> Float[Tensor, "b c h w"]:
        """(B, C, H, W), (B, S) → (B, C, H, W). The statistics are taken in at least float32."""
        gain, shift = self.affine(style).chunk(2, dim=1)
        return modulated_norm(x, gain, shift)


class IdentityBlock(nn.Module):
    """Twice a 3×3 convolution and `IdentityNorm`, LeakyReLU 0.2 between them, none after the sum.

    The shortcut is a 1×1 convolution where the channels change.
    """

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(inputs, outputs, 3, padding=1), IdentityNorm(outputs, style)
        self.second, self.second_norm = (
            nn.Conv2d(outputs, outputs, 3, padding=1),
            IdentityNorm(outputs, style),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Float[Tensor, "b c h w"], style: Float[Tensor, "b s"]) -> Float[Tensor, "b k h w"]:
        """(B, C, H, W), (B, S) → (B, K, H, W)."""
        inner = F.leaky_relu(self.first_norm(self.first(x), style), 0.2)
        result: Tensor = self.shortcut(x) + self.second_norm(self.second(inner), style)
        return result


class Swap128(nn.Module):
    """One-shot swapper for crops in the canonical framing.

    Three halvings (3×3 stride 2, group normalisation, LeakyReLU), `blocks` identity blocks at an eighth of
    the size, three doublings (bilinear, identity block), 3×3 to colours, mask, and the share of the target's
    fine detail that is laid over the colours. Of the colours only the brightness is used: what makes up a
    person lies there, and tints cannot arise. Group and not instance normalisation in the encoder: the latter
    takes the colours out.

    Cost at 128 px: 7.1 M parameters and 3.0 GMAC with the defaults; 1.75 M and 0.68 GMAC with width 16, deep
    128, blocks 3.

    Args:
        width: channels at full size; 2 × and 4 × that at 1/2 and 1/4. A multiple of 4.
        deep: channels at 1/8.
        blocks: identity blocks at 1/8.
        style: length of the style that the identity is mapped to.
        identity: length of the embedding.
        size: side of the crop, a multiple of 8.
    """

    core: Tensor
    ring: Tensor
    blur: Tensor

    def __init__(
        self,
        width: int = 32,
        deep: int = 256,
        blocks: int = 4,
        style: int = 256,
        identity: int = 128,
        size: int = 128,
    ) -> None:
        super().__init__()
        self.size = size
        self.style = nn.Sequential(
            nn.Linear(identity, style), nn.LeakyReLU(0.2), nn.Linear(style, style), nn.LeakyReLU(0.2)
        )
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 5, padding=2),
            nn.LeakyReLU(0.2),
            _halving(width, 2 * width),
            _halving(2 * width, 4 * width),
            _halving(4 * width, deep),
        )
        self.blocks = nn.ModuleList(IdentityBlock(deep, deep, style) for _ in range(blocks))
        self.decoder = nn.ModuleList(
            [
                IdentityBlock(deep, 4 * width, style),
                IdentityBlock(4 * width, 2 * width, style),
                IdentityBlock(2 * width, width, style),
            ]
        )
        self.head = nn.Conv2d(width, 5, 3, padding=1)
        with torch.no_grad():
            self.head.weight.mul_(0.5)
        core, corner = mask_prior(size)
        self.register_buffer("core", core, persistent=False)
        self.register_buffer("ring", 1 - core - corner, persistent=False)
        self.register_buffer("blur", _gaussian(DETAIL), persistent=False)

    def forward(
        self, target: Float[Tensor, "b 3 h w"], identity: Float[Tensor, "b d"]
    ) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
        """Target crop (B, 3, S, S) in -1..1 and unit embedding (B, D) → colours, mask and detail, float32.

        The colours are (B, 3, S, S), about -1..1; the mask is (B, 1, S, S) in 0..1: 1 in the core of the
        face, 0 in the corners, in the ring between what the network thinks best. The detail is (B, 1, S, S)
        in 0..1: how much of the target's fine detail the colours contain.

        Raises:
            UsageError: the crop is no multiple of 8 px wide and high.
        """
        check_sides(target, STRIDE)
        # A unit vector has entries of about 1/√D; the linear layers want about 1.
        style = self.style(identity * math.sqrt(identity.shape[1]))
        x = self.encoder(target)
        for block in self.blocks:
            x = block(x, style)
        for block in self.decoder:
            x = block(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), style)
        made = self.head(F.leaky_relu(x, 0.2))
        made = made if made.dtype == torch.float64 else made.float()
        mask = self.core + self.ring * torch.sigmoid(made[:, 3:4] + 1)
        detail = torch.sigmoid(made[:, 4:])
        colours = torch.tanh(made[:, :3]) + detail * (target - blurred(target, self.blur))
        brighter = (colours - target).mean(1, keepdim=True)
        return target + brighter, mask, detail

    def swap(
        self, target: Float[Tensor, "b 3 h w"], identity: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b 3 h w"]:
        """Target crop in -1..1 and unit embedding → the swapped crop; the target where the mask is 0."""
        colours, mask, _ = self(target, identity)
        return paste(target, colours, mask)

    def filled(
        self, target: Float[Tensor, "b 3 h w"], colours: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """The colours pasted with the largest mask that the network may choose.

        Reconstruction is judged on this: judged on the swapped crop, it makes the mask withdraw, since the
        target's own pixels are the easiest reconstruction.
        """
        return paste(target, colours, self.core + self.ring)


def paste(
    target: Float[Tensor, "b 3 h w"], colours: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 3 h w"]:
    """Return mask · colours + (1 - mask) · target."""
    return mask * colours + (1 - mask) * target


def blurred(x: Float[Tensor, "b c h w"], weights: Float[Tensor, " k"]) -> Float[Tensor, "b c h w"]:
    """Pictures (B, C, H, W) blurred by the same weights (k,), k odd, along both axes."""
    channels, reach = x.shape[1], len(weights) // 2
    rows = weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    padded = F.pad(x, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, rows, groups=channels), rows.transpose(2, 3), groups=channels)


def mask_prior(size: int) -> tuple[Float[Tensor, "1 1 s s"], Float[Tensor, "1 1 s s"]]:
    """Return where the face surely is and where it surely is not, in a crop in the canonical framing.

    Both are (1, 1, S, S) in 0..1, soft at the edge and never overlap: the core is an ellipse of 0.62 × 0.74
    half sides, the corner is what lies outside one of 0.90 × 1.00.
    """
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    inner = (x / 0.62) ** 2 + ((y - 0.08) / 0.74) ** 2
    outer = (x / 0.90) ** 2 + ((y - 0.02) / 1.00) ** 2
    core = ((1.15 - inner) / 0.3).clamp(0, 1)
    corner = ((outer - 1.0) / 0.3).clamp(0, 1) * (1 - core)
    return core[None, None], corner[None, None]


def _gaussian(sigma: float) -> Float[Tensor, " k"]:
    """Weights of a blur, (k,), reaching three standard deviations to either side."""
    reach = math.ceil(3 * sigma)
    weights = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.GroupNorm(GROUPS, outputs), nn.LeakyReLU(0.2)
    )
