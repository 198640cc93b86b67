"""A parser that begins with what a classifier of photos knows; it teaches omote-parse, and does not ship.

Its encoder is SqueezeNet 1.1 (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters
and <0.5MB model size", arXiv 1602.07360) with the weights that ImageNet has given it: from a thousand faces
with masks nobody learns what a hat is. On its maps stands a pyramid (Lin et al., "Feature Pyramid Networks
for Object Detection", CVPR 2017).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from jaxtyping import Float
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import ModelError
from omote.training.networks.blocks import check_sides

_STAGES = (
    ((64, 16), (128, 16)),
    ((128, 32), (256, 32)),
    ((256, 48), (384, 48), (384, 64), (512, 64)),
)
"""Fire modules at 1/4, 1/8 and 1/16 of the picture: channels that they are given, and squeeze them to."""
_MEAN = (104.0, 117.0, 123.0)


class PretrainedParseNet(nn.Module):
    """Pixels to logits of regions, for any number of pictures.

    Args:
        classes: regions, background included.
        widths: channels of the pyramid at 1/2, 1/4, 1/8 and 1/16 of the picture.

    Attributes:
        multiple: of which the sides of pictures are.
    """

    mean: Tensor

    def __init__(self, classes: int, widths: Sequence[int] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.multiple = 16
        self.fine = _conv(12, widths[0])
        self.encoder = Encoder()
        channels = (self.encoder.channels[0] + widths[0], *self.encoder.channels[1:])
        self.sideways = nn.ModuleList(_conv(a, b, 1) for a, b in zip(channels, widths, strict=True))
        self.whole = nn.Conv2d(widths[-1], widths[-1], 1)
        self.deepest = nn.Sequential(_conv(widths[-1], widths[-1]), _conv(widths[-1], widths[-1]))
        pairs = list(zip(widths[1:], widths[:-1], strict=True))
        self.upwards = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in pairs)
        self.merge = nn.ModuleList(
            nn.Sequential(_conv(fine, fine), _conv(fine, fine)) if level == 0 else _conv(fine, fine)
            for level, (_, fine) in enumerate(pairs)
        )
        self.leave = nn.Conv2d(widths[0], 4 * classes, 3, padding=1)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))

    def forward(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        """(B, 3, H, W) RGB in -1..1 → (B, classes, H, W) logits.

        Raises:
            UsageError: a side is no multiple of 16.
        """
        check_sides(picture, self.multiple)
        maps = self.encoder((picture.flip(1) + 1) * 127.5 - self.mean)
        maps[0] = torch.cat([maps[0], self.fine(F.pixel_unshuffle(picture, 2))], 1)
        found = [layer(x) for layer, x in zip(self.sideways, maps, strict=True)]
        x = self.deepest(found[-1] + self.whole(found[-1].mean((2, 3), keepdim=True)))
        for level in reversed(range(len(self.merge))):
            coarse = F.interpolate(self.upwards[level](x), scale_factor=2, mode="bilinear")
            x = self.merge[level](found[level] + coarse)
        return F.pixel_shuffle(self.leave(x), 2)


class Encoder(nn.Module):
    """SqueezeNet 1.1 up to its last fire module, with a border, so that its maps halve exactly.

    Attributes:
        channels: of its maps at 1/2, 1/4, 1/8 and 1/16 of the picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, 2, 1)
        self.stages = nn.ModuleList(nn.Sequential(*(_Fire(*one) for one in stage)) for stage in _STAGES)
        self.channels = (64, *(8 * stage[-1][1] for stage in _STAGES))

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """(B, 3, H, W), blue first, 0..255 less ImageNet's mean → maps, see `channels`."""
        maps = [F.relu(self.first(pixels))]
        for stage in self.stages:
            maps.append(stage(F.max_pool2d(maps[-1], 3, 2, 1)))
        return maps

    @torch.no_grad()
    def load(self, file: Path) -> None:
        """Take the weights of SqueezeNet's ONNX file.

        Raises:
            ModelError: there is no such file, or it is another network.
        """
        try:
            constants = onnx.load(file).graph.initializer
        except Exception as error:  # protobuf raises kinds of its own
            raise ModelError(f"{file}: not an ONNX file") from error
        own = list(self.parameters())  # in the order of the file, which goes on to the classes
        stored = [numpy_helper.to_array(one).astype(np.float32) for one in constants[: len(own)]]
        if [value.shape for value in stored] != [tuple(value.shape) for value in own]:
            raise ModelError(f"{file}: not SqueezeNet 1.1")
        for parameter, value in zip(own, stored, strict=True):
            parameter.copy_(torch.from_numpy(value))


class _Fire(nn.Module):
    """Few channels, then many: by filters of one pixel and of nine."""

    def __init__(self, inputs: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.small = nn.Conv2d(squeezed, 4 * squeezed, 1)
        self.large = nn.Conv2d(squeezed, 4 * squeezed, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.small(x)), F.relu(self.large(x))], 1)


def _conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
