"""The network of omote-detect: a depthwise-separable pyramid with YuNet's output contract."""

from torch import Tensor, nn

STRIDES = (8, 16, 32)
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
CHANNELS = sum(HEADS.values())


def unit(inside: int, outside: int, kernel: int = 3) -> nn.Sequential:
    """Pointwise, then depthwise convolution, batch norm, ReLU: (B, inside, h, w) to (B, outside, h, w)."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, 1, bias=False),
        nn.Conv2d(outside, outside, kernel, padding=kernel // 2, groups=outside, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


def halve(inside: int, outside: int) -> nn.Sequential:
    """Depthwise convolution with stride 2, then pointwise: (B, inside, h, w) to (B, outside, h/2, w/2)."""
    return nn.Sequential(
        nn.Conv2d(inside, inside, 3, stride=2, padding=1, groups=inside, bias=False),
        nn.BatchNorm2d(inside),
        nn.Conv2d(inside, outside, 1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


def head(width: int) -> nn.Sequential:
    """The last layers of a level: (B, width, h, w) to (B, 16, h, w)."""
    last = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
    assert last.bias is not None
    nn.init.constant_(last.bias[:2], -4.0)  # faces are rare: start from "no face here"
    return nn.Sequential(unit(width, width), nn.Conv2d(width, CHANNELS, 1), last)


class Residual(nn.Module):
    """ReLU(x + a unit without its ReLU): keeps the deeper stages easy to train."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.branch = unit(channels, channels, kernel)[:-1]
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same."""
        return self.relu(x + self.branch(x))  # type: ignore[no-any-return]


class DetectNet(nn.Module):
    """Three pyramid levels, each with one map of 16 channels: cls, obj (logits), box (4), points (10).

    The idea of the head and its decoding: Wu et al., YuNet, 2023. The trunk differs: it leaves the finest
    resolution at once, and its deep levels look further, so that a face may fill the picture.

    Args:
        stem: channels at strides 2 and 4 (the second is twice the first).
        width: channels at strides 8, 16 and of the pyramid.
        deep: channels at stride 32.
    """

    def __init__(self, stem: int = 16, width: int = 64, deep: int = 88) -> None:
        super().__init__()
        self.settings = {"stem": stem, "width": width, "deep": deep}
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
            halve(stem, 2 * stem),
            Residual(2 * stem, 3),
            Residual(2 * stem, 3),
        )
        self.level8 = nn.Sequential(halve(2 * stem, width), *(Residual(width, 3) for _ in range(3)))
        self.level16 = nn.Sequential(halve(width, width), *(Residual(width, 5) for _ in range(3)))
        self.level32 = nn.Sequential(halve(width, deep), *(Residual(deep, 5) for _ in range(3)))
        self.lateral = nn.ModuleList([unit(width, width), unit(width, width), unit(deep, width)])
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.heads = nn.ModuleList(head(width) for _ in STRIDES)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Look at pictures.

        Args:
            x: (B, 3, H, W) RGB in 0..255, H and W multiples of 32.

        Returns:
            For strides 8, 16, 32: (B, 16, H/s, W/s), logits of cls and obj, then box, then points.
        """
        x = self.stem((x - 127.5) / 64.0)
        c8 = self.level8(x)
        c16 = self.level16(c8)
        c32 = self.level32(c16)
        p32 = self.lateral[2](c32)
        p16 = self.lateral[1](c16 + self.up(p32))
        p8 = self.lateral[0](c8 + self.up(p16))
        return [last(level) for last, level in zip(self.heads, (p8, p16, p32), strict=True)]


class ExportNet(nn.Module):
    """DetectNet with the outputs of the runtime contract: cls_8 .. kps_32, flattened, scores in 0..1."""

    names = tuple(f"{kind}_{stride}" for kind in HEADS for stride in STRIDES)

    def __init__(self, net: DetectNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) RGB 0..255 to twelve tensors (B, H/s * W/s, 1 | 1 | 4 | 10), named as `names`."""
        levels = [level.flatten(2).transpose(1, 2) for level in self.net(rgb)]
        parts = [level.split(list(HEADS.values()), dim=2) for level in levels]
        outputs = [[part[kind] for part in parts] for kind in range(len(HEADS))]
        scores = [part.sigmoid() for kind in outputs[:2] for part in kind]
        return (*scores, *(part for kind in outputs[2:] for part in kind))
