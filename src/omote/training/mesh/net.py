"""The mesh network: a small residual network that regresses 478 points and a presence logit."""

import torch
from torch import Tensor, nn

POINTS = 478


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    """Two 3×3 convolutions around a shortcut: (N, C, H, W) → the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), _conv(width, width)
        self.act = nn.LeakyReLU(0.1, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        result: Tensor = self.act(x + self.second(self.act(self.first(x))))
        return result


class Inverted(nn.Module):
    """Inverted residual (MobileNetV2): widen 1×1, depthwise 5×5, narrow 1×1 around a shortcut."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        inner = width * expansion
        self.body = nn.Sequential(
            _conv(width, inner, 1),
            nn.LeakyReLU(0.1, inplace=True),
            _conv(inner, inner, 5, groups=inner),
            nn.LeakyReLU(0.1, inplace=True),
            _conv(inner, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        result: Tensor = x + self.body(x)
        return result


class MeshNet(nn.Module):
    """Upright face crop → 478 points in crop pixels and a presence logit.

    The points are a linear map of `modes` coefficients; `set_basis` starts that map from the principal
    components of the training meshes, so that training begins with shapes that are faces.

    Args:
        size: side of the input crop in pixels, a multiple of 32.
        widths: channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input.
        depths: residual blocks at 1/4, 1/8 and 1/16.
        modes: number of shape coefficients.
    """

    def __init__(
        self,
        size: int = 128,
        widths: tuple[int, int, int, int, int] = (16, 32, 64, 96, 64),
        depths: tuple[int, int, int] = (1, 3, 4),
        modes: int = 128,
    ) -> None:
        super().__init__()
        self.size = size
        act = nn.LeakyReLU(0.1, inplace=True)
        w = widths
        self.trunk = nn.Sequential(
            _conv(3, w[0], 3, 2),
            act,
            _conv(w[0], w[1], 3, 2),
            act,
            *(Residual(w[1]) for _ in range(depths[0])),
            _conv(w[1], w[2], 3, 2),
            act,
            *(Residual(w[2]) for _ in range(depths[1])),
            _conv(w[2], w[3], 3, 2),
            act,
            *(Inverted(w[3], 2) for _ in range(depths[2])),
            _conv(w[3], w[4], 3, 2),
            act,
            nn.Flatten(),
        )
        features = w[4] * (size // 32) ** 2
        self.hidden = nn.Sequential(nn.Linear(features, 192), nn.LeakyReLU(0.1))
        self.modes = nn.Linear(192, modes)
        self.points = nn.Linear(modes, POINTS * 3)
        self.presence = nn.Linear(192, 1)

    def set_basis(self, meshes: Tensor) -> None:
        """Start the last layer from mean and principal components of meshes, (N, 478, 3) in crop pixels."""
        flat = meshes.reshape(len(meshes), -1).float() / self.size
        mean = flat.mean(0)
        _, values, axes = torch.pca_lowrank(flat - mean, q=self.modes.out_features, center=False, niter=4)
        scale = values / len(flat) ** 0.5
        with torch.no_grad():
            self.points.bias.copy_(mean)
            self.points.weight.copy_(axes * scale)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, S, S) RGB 0..1 → points (N, 478, 3) in crop pixels, presence logits (N,)."""
        hidden = self.hidden(self.trunk(crops * 2 - 1))
        points = self.points(self.modes(hidden)).reshape(-1, POINTS, 3) * self.size
        return points, self.presence(hidden).reshape(-1)
