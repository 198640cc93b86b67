"""The network of omote-identity: plain 3×3 convolutions, quick to run and to train on a CPU."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.training.networks.identity import SMALLEST


class Residual(nn.Module):
    """Basic residual block (He et al., CVPR 2016, arXiv 1512.03385): 3×3, BN, ReLU, 3×3, BN, sum, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _conv(channels, channels), _conv(channels, channels)
        for value in self.second[1].parameters():
            nn.init.zeros_(value)  # the block begins as nothing at all

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """(B, C, H, W) → the same shape."""
        return F.relu(x + self.second(F.relu(self.first(x))))


class SlimIdentity(nn.Module):
    """An identity encoder without depthwise convolutions, but for its last.

    Depthwise convolutions save arithmetic and not time: in training on a CPU MobileFaceNet, with as much
    arithmetic, takes five times as long. Its end is kept: each place of the last map has weights of its own
    (global depthwise convolution), then one linear layer makes the embedding.

    Args:
        embedding: length of the embedding.
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the picture.
        blocks: residual blocks at each of these scales.
        last: channels of the last map.
        size: side of the faces, a multiple of 16.

    Attributes:
        channels: of the maps that `maps` gives.

    Raises:
        UsageError: `size` is none, or there are not four widths and blocks.
    """

    def __init__(
        self,
        embedding: int = 128,
        widths: tuple[int, ...] = (24, 40, 96, 112),
        blocks: tuple[int, ...] = (0, 2, 3, 1),
        last: int = 512,
        size: int = 112,
    ) -> None:
        super().__init__()
        if size < SMALLEST or size % SMALLEST:
            raise UsageError(f"no identity network for faces of {size} px: choose a multiple of {SMALLEST}")
        if len(widths) != 4 or len(blocks) != 4:
            raise UsageError(f"widths {widths}, blocks {blocks}: an identity network has four scales")
        self.size, self.channels = size, (*widths[1:], last)
        stages: list[nn.Module] = []
        inputs = 3
        for width, number in zip(widths, blocks, strict=True):
            entry = nn.Sequential(_conv(inputs, width, stride=2), nn.ReLU(inplace=True))
            stages.append(nn.Sequential(entry, *(Residual(width) for _ in range(number))))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.widen = nn.Sequential(_conv(inputs, last, kernel=1), nn.ReLU(inplace=True))
        self.head = nn.Sequential(
            nn.Conv2d(last, last, size // SMALLEST, groups=last, bias=False),
            nn.BatchNorm2d(last),
            nn.Flatten(),
            nn.Linear(last, embedding),
        )

    def maps(self, face: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b _ _ _"]]:
        """(B, 3, S, S) in -1..1 → maps of `channels` at 1/4, 1/8, 1/16 and, wide, again 1/16 of it."""
        found: list[Tensor] = []
        x: Tensor = self.stages[0](face)
        for stage in self.stages[1:]:
            x = stage(x)
            found.append(x)
        return [*found, self.widen(x)]

    def embed(self, wide: Float[Tensor, "b k h w"]) -> Float[Tensor, "b d"]:
        """The last of the maps → embeddings (B, D) of unit length, float32."""
        return F.normalize(self.head(wide).float(), dim=1)

    @property
    def linear(self) -> nn.Linear:
        """The last layer: features to the embedding, before it is brought to unit length."""
        layer = self.head[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def features(self, face: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b k"]:
        """(B, 3, S, S) in -1..1 → (B, last), what the last layer is given."""
        found: Tensor = self.head[:-1](self.maps(face)[-1])
        return found

    def forward(self, face: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """(B, 3, S, S) in -1..1, S = `size` → (B, D) of unit length, float32."""
        return self.embed(self.maps(face)[-1])


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))
