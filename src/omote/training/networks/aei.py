"""AEI-Net, the first stage of FaceShifter, with the changes of GHOST.

Li et al., "FaceShifter: Towards High Fidelity And Occlusion Aware Face Swapping", 2019, arXiv 1912.13457.
GHOST (Groshev et al., IEEE Access 2022) keeps the network and adds the choice of the attribute encoder and of
the number of AAD layers in a block: 1, 2 or 3.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.training.networks.attributes import EncoderKind, Maps, attribute_encoder, halvings
from omote.training.networks.blocks import Norm, instance_norm


class AAD(nn.Module):
    """Adaptive attentional denormalisation: each place takes its statistics from attributes or from identity.

    With h = IN(x): A = γₐ·h + βₐ, γₐ and βₐ 1×1 convolutions of the attributes; I = γᵢ·h + βᵢ, linear in the
    identity; M = σ(conv1×1(h)), one channel; the result is (1 - M)·A + M·I: where M is 1, identity rules.
    """

    def __init__(self, channels: int, attributes: int, identity: int) -> None:
        super().__init__()
        self.attributes = nn.Conv2d(attributes, 2 * channels, 1)
        self.identity = nn.Linear(identity, 2 * channels)
        self.mask = nn.Conv2d(channels, 1, 1)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        attributes: Float[Tensor, "b k h w"],
        identity: Float[Tensor, "b d"],
    ) -> Float[Tensor, "b c h w"]:
        """(B, C, H, W), (B, K, H, W), (B, D) → (B, C, H, W)."""
        h = instance_norm(x)
        scale, shift = self.attributes(attributes).chunk(2, dim=1)
        of_attributes = scale * h + shift
        scale, shift = self.identity(identity)[:, :, None, None].chunk(2, dim=1)
        of_identity = scale * h + shift
        mask: Tensor = self.mask(h).sigmoid()
        result: Tensor = (1 - mask) * of_attributes + mask * of_identity
        return result


class AADUnit(nn.Module):
    """AAD, ReLU, 3×3 convolution without bias."""

    def __init__(self, inputs: int, outputs: int, attributes: int, identity: int) -> None:
        super().__init__()
        self.aad = AAD(inputs, attributes, identity)
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        attributes: Float[Tensor, "b a h w"],
        identity: Float[Tensor, "b d"],
    ) -> Float[Tensor, "b k h w"]:
        """(B, C, H, W), (B, A, H, W), (B, D) → (B, K, H, W)."""
        result: Tensor = self.conv(self.aad(x, attributes, identity).relu())
        return result


class AADBlock(nn.Module):
    """AAD residual block: `layers` units, and one more as the shortcut where the channels change."""

    def __init__(self, inputs: int, outputs: int, attributes: int, identity: int, layers: int) -> None:
        super().__init__()
        widths = [inputs] * layers + [outputs]
        self.units = nn.ModuleList(AADUnit(*pair, attributes, identity) for pair in pairwise(widths))
        self.shortcut = AADUnit(inputs, outputs, attributes, identity) if inputs != outputs else None

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        attributes: Float[Tensor, "b a h w"],
        identity: Float[Tensor, "b d"],
    ) -> Float[Tensor, "b k h w"]:
        """(B, C, H, W), (B, A, H, W), (B, D) → (B, K, H, W)."""
        inner = x
        for unit in self.units:
            inner = unit(inner, attributes, identity)
        return inner + (x if self.shortcut is None else self.shortcut(x, attributes, identity))


class AADGenerator(nn.Module):
    """The identity, enlarged from 2 × 2 to the picture; attributes and identity enter at every scale.

    Args:
        widths: channels at 2 × 2, 4 × 4, … and at the size of the picture.
        attributes: channels of the attribute map at each of these.
        identity: length of the identity vector.
        layers: AAD layers in a block.
    """

    def __init__(
        self, widths: Sequence[int], attributes: Sequence[int], identity: int = 512, layers: int = 2
    ) -> None:
        super().__init__()
        self.seed = nn.ConvTranspose2d(identity, widths[0], 2)
        self.blocks = nn.ModuleList(
            AADBlock(inputs, outputs, maps, identity, layers)
            for inputs, outputs, maps in zip(widths, [*widths[1:], 3], attributes, strict=True)
        )

    def forward(self, maps: Maps, identity: Float[Tensor, "b d"]) -> Float[Tensor, "b 3 s s"]:
        """(B, C, S, S) for each scale from 2 × 2, (B, D) → (B, 3, S, S) in -1..1."""
        x: Tensor = self.seed(identity[:, :, None, None])
        for index, (block, attributes) in enumerate(zip(self.blocks, maps, strict=True)):
            if index:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = block(x, attributes, identity)
        return x.tanh()


class AEINet(nn.Module):
    """AEI-Net: attribute encoder and AAD generator. Pictures in -1..1; GHOST's files have this graph.

    The identity is taken as it comes: GHOST feeds ArcFace's embedding at its own length (about 20), not at
    unit length. The layers that read it start at 0.001·N(0, 1), so that a unit vector is heard late.

    Args:
        size: side of the pictures, a power of two; 256 as published.
        identity: length of the identity vector.
        layers: AAD layers in a block; 1, 2 and 3 are GHOST's three released networks.
        encoder: `unet` as published, `linknet` or `resnet`.
        width: channels of the encoder's first halving; doubled at each, up to `limit`. The generator has
            twice as many at the size of the picture, and again at most `limit`.
        limit: most channels.
        norm: normalisation of the encoder.

    Raises:
        UsageError: an argument has no such value.
    """

    def __init__(
        self,
        size: int = 256,
        identity: int = 512,
        layers: int = 2,
        encoder: EncoderKind = "unet",
        width: int = 32,
        limit: int = 1024,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.size = size
        sides = [2 ** (scale + 1) for scale in range(halvings(size) + 1)]
        widths = [min(2 * width * (size // side), limit) for side in sides]
        self.encoder = attribute_encoder(encoder, size, width, limit, norm)
        self.generator = AADGenerator(widths, self.encoder.channels, identity, layers)
        self.apply(_initialise)

    def attributes(self, picture: Float[Tensor, "b 3 s s"]) -> Maps:
        """(B, 3, S, S) in -1..1 → attribute maps from 2 × 2 to S × S.

        Raises:
            UsageError: S is not the size that the network was made for.
        """
        if picture.shape[2:] != (self.size, self.size):
            height, width = picture.shape[2:]
            raise UsageError(f"pictures of {width} × {height} px: this network was made for {self.size}")
        maps: Maps = self.encoder(picture)
        return maps

    def render(self, maps: Maps, identity: Float[Tensor, "b d"]) -> Float[Tensor, "b 3 s s"]:
        """Attribute maps, (B, D) → (B, 3, S, S) in -1..1."""
        picture: Tensor = self.generator(maps, identity)
        return picture

    def forward(
        self, target: Float[Tensor, "b 3 s s"], identity: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b 3 s s"]:
        """Give the target the identity: (B, 3, S, S) in -1..1, (B, D) → (B, 3, S, S) in -1..1."""
        return self.render(self.attributes(target), identity)


def _initialise(module: nn.Module) -> None:
    """As published: Xavier for convolutions, almost zero for what is linear in the identity."""
    if isinstance(module, AAD):
        for half in module.attributes.weight.data.chunk(2):  # scale and shift are two layers in the paper
            nn.init.xavier_normal_(half)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.001)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_normal_(module.weight)
