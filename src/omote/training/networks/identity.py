"""Identity encoders that can be trained here: MobileFaceNet and the IR networks of ArcFace.

Both take aligned faces and give embeddings at their own length; bring them to unit length to compare them.
Both also give the maps of their four scales, for a discriminator or a perceptual loss (`ScaleMaps`).
"""

from jaxtyping import Float
from torch import Tensor, nn

from omote.errors import UsageError

SMALLEST = 16
"""Both networks halve the picture four times."""


class MobileFaceNet(nn.Module):
    """A million parameters, made for faces.

    Chen et al., "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices",
    CCBR 2018, arXiv 1804.07573: inverted residuals with PReLU; each place of the last map has weights of its
    own (global depthwise convolution) instead of an average over all.

    Args:
        embedding: length of the embedding; 128 in the paper.
        width: channels of the stem; 64 in the paper.
        size: side of the faces, a multiple of 16.

    Raises:
        UsageError: `size` is none.
    """

    def __init__(self, embedding: int = 128, width: int = 64, size: int = 112) -> None:
        super().__init__()
        self.size = _checked(size)
        self.channels = (width, width, 2 * width, 2 * width)
        self.stages = nn.ModuleList(
            [
                nn.Sequential(_conv(3, width, 3, 2), _conv(width, width, 3, groups=width)),
                _inverted(width, width, expansions=(2, 2, 2, 2, 2)),
                _inverted(width, 2 * width, expansions=(4, 2, 2, 2, 2, 2, 2)),
                _inverted(2 * width, 2 * width, expansions=(4, 2, 2)),
            ]
        )
        last = 8 * width
        self.head = nn.Sequential(
            _conv(2 * width, last, 1),
            nn.Conv2d(last, last, size // SMALLEST, groups=last, bias=False),
            nn.BatchNorm2d(last),
            nn.Conv2d(last, embedding, 1, bias=False),
            nn.BatchNorm2d(embedding),
            nn.Flatten(),
        )

    def maps(self, face: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """(B, 3, H, W) in -1..1 of any size → maps of `channels` at 1/2, 1/4, 1/8 and 1/16 of it."""
        return _maps(self.stages, face)

    def forward(self, face: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """(B, 3, S, S) in -1..1, S = `size` → (B, D) at its own length.

        Raises:
            UsageError: the faces are of another size.
        """
        _check_face(face, self.size)
        embedding: Tensor = self.head(self.maps(face)[-1])
        return embedding


class Inverted(nn.Module):
    """Inverted residual (Sandler et al., MobileNetV2): widen 1×1, depthwise 3×3, narrow 1×1 without PReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.body = nn.Sequential(
            _conv(inputs, inner, 1),
            _conv(inner, inner, 3, stride, groups=inner),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h2 w2"]:
        """(B, C, H, W) → (B, K, H / stride, W / stride)."""
        made: Tensor = self.body(x)
        return x + made if self.same else made


class IRBlock(nn.Module):
    """Improved residual unit of ArcFace: BN, 3×3, BN, PReLU, 3×3 (which has the stride), BN, shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h2 w2"]:
        """(B, C, H, W) → (B, K, H / stride, W / stride)."""
        result: Tensor = self.body(x) + self.shortcut(x)
        return result


class IRNet(nn.Module):
    """The residual network of ArcFace in 18, 34, 50 or 100 layers.

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, arXiv
    1801.07698.

    Args:
        depth: layers.
        embedding: length of the embedding.
        width: channels at 1/2 of the picture; doubled at each of the three next scales.
        size: side of the faces, a multiple of 16.
        dropout: share of the last map that is left out in training.

    Raises:
        UsageError: there is no such depth, or the size is no multiple of 16.
    """

    def __init__(
        self, depth: int = 18, embedding: int = 512, width: int = 64, size: int = 112, dropout: float = 0.0
    ) -> None:
        super().__init__()
        depths = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
        if depth not in depths:
            raise UsageError(f"there is no IR network of {depth} layers: choose 18, 34, 50 or 100")
        self.size = _checked(size)
        self.channels = (width, 2 * width, 4 * width, 8 * width)
        stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        stages = [stem]
        inputs = width
        for outputs, blocks in zip(self.channels, depths[depth], strict=True):
            stage = [IRBlock(inputs, outputs, 2), *(IRBlock(outputs, outputs, 1) for _ in range(blocks - 1))]
            stages.append(nn.Sequential(*stage))
            inputs = outputs
        # The stem keeps the size of the picture; its map is not one of the four.
        self.stages = nn.ModuleList([nn.Sequential(*stages[:2]), *stages[2:]])
        self.head = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(inputs * (size // SMALLEST) ** 2, embedding),
            nn.BatchNorm1d(embedding),
        )
        self.apply(_initialise)
        self.head[-1].weight.requires_grad_(False)  # the embedding is brought to unit length anyway

    def maps(self, face: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """(B, 3, H, W) in -1..1 of any size → maps of `channels` at 1/2, 1/4, 1/8 and 1/16 of it."""
        return _maps(self.stages, face)

    def forward(self, face: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """(B, 3, S, S) in -1..1, S = `size` → (B, D) at its own length.

        Raises:
            UsageError: the faces are of another size.
        """
        _check_face(face, self.size)
        embedding: Tensor = self.head(self.maps(face)[-1])
        return embedding


class ScaleMaps(nn.Module):
    """An identity encoder as a module whose output are its maps.

    Attributes:
        channels: of each map, from the finest to the coarsest.
    """

    def __init__(self, network: MobileFaceNet | IRNet) -> None:
        super().__init__()
        self.network = network
        self.channels = network.channels

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """(B, 3, H, W) in -1..1 → maps at 1/2, 1/4, 1/8 and 1/16 of it."""
        return self.network.maps(picture)


def _maps(stages: nn.ModuleList, x: Tensor) -> list[Tensor]:
    maps: list[Tensor] = []
    for stage in stages:
        x = stage(x)
        maps.append(x)
    return maps


def _checked(size: int) -> int:
    if size < SMALLEST or size % SMALLEST:
        raise UsageError(f"identity networks have no faces of {size} px: choose a multiple of {SMALLEST}")
    return size


def _check_face(face: Tensor, size: int) -> None:
    height, width = face.shape[2:]
    if (height, width) != (size, size):
        raise UsageError(f"faces of {width} × {height} px: this identity network was made for {size}")


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.PReLU(outputs),
    )


def _inverted(inputs: int, outputs: int, expansions: tuple[int, ...]) -> nn.Sequential:
    """Inverted residuals, the first of which halves the map."""
    first, *others = expansions
    return nn.Sequential(
        Inverted(inputs, outputs, 2, first), *(Inverted(outputs, outputs, 1, other) for other in others)
    )


def _initialise(module: nn.Module) -> None:
    """As ArcFace publishes it."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.1)
