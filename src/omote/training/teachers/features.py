"""How a picture looks, in depth: frozen maps for perceptual losses and a projected discriminator."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.training.networks.onnx_module import OnnxModule

SQUEEZENET_MEAN = (104.0, 117.0, 123.0)
SQUEEZENET_MAPS = ("fire3/concat", "fire5/concat", "fire7/concat", "fire9/concat_drop9")
CHANNELS = (128, 256, 384, 512)
"""Of the four maps that every teacher here gives, at about 1/4, 1/8, 1/16 and 1/16 of the picture."""

STAND_IN = "random"
"""The reference of a teacher that needs no file; for smoke runs and tests."""


class FrozenFeatures(nn.Module):
    """SqueezeNet 1.1 (trained on ImageNet) from its ONNX file, up to its fire modules 3, 5, 7 and 9.

    Gradients reach the picture; there are no trained parameters.

    Raises:
        ModelError: the file is not that network.
    """

    mean: Tensor

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.graph = OnnxModule(file, SQUEEZENET_MAPS)
        self.register_buffer("mean", torch.tensor(SQUEEZENET_MEAN).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """(B, 3, H, W) in -1..1, RGB → four maps after ReLU, see `CHANNELS`."""
        blue_first = (pictures.flip(1) + 1) * 127.5 - self.mean
        # On a CPU half as slow as planes, and in bf16 above all.
        return list(self.graph(blue_first.contiguous(memory_format=torch.channels_last)))


class RandomFeatures(nn.Module):
    """A stand-in that needs no file: fixed random filters on a picture that is halved again and again."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        for level, channels in enumerate(CHANNELS):
            filters = torch.randn(channels, 3, 4, 4, generator=random) / 48**0.5
            self.register_buffer(f"level{level}", filters, persistent=False)

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """See `FrozenFeatures`."""
        maps = []
        for level in range(len(CHANNELS)):
            maps.append(F.relu(F.conv2d(pictures, getattr(self, f"level{level}"), stride=4)))
            pictures = F.avg_pool2d(pictures, 2) if level < 2 else pictures
        return maps


def feature_teacher(reference: str) -> FrozenFeatures | RandomFeatures:
    """Open a teacher by the path of SqueezeNet's ONNX file, or `random`.

    Raises:
        ModelError: there is no such file, or it is another network.
    """
    made = RandomFeatures() if reference == STAND_IN else FrozenFeatures(Path(reference))
    return made.requires_grad_(False).eval()
