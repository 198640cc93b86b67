"""SqueezeNet as a frozen perceptual network. Identities and the mesh are in `omote.training.teachers`."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omote.training.networks.onnx_module import OnnxModule

SQUEEZENET_MEAN = (104.0, 117.0, 123.0)
SQUEEZENET_MAPS = ("fire3/concat", "fire5/concat", "fire7/concat", "fire9/concat_drop9")


class FrozenFeatures(nn.Module):
    """SqueezeNet 1.1 (trained on ImageNet) from its ONNX file, up to its fire modules 3, 5, 7 and 9.

    Gradients reach the picture; there are no trained parameters.

    Attributes:
        channels: of the four maps.

    Raises:
        ModelError: the file is not that network.
    """

    channels = (128, 256, 384, 512)
    mean: Tensor

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.graph = OnnxModule(file, SQUEEZENET_MAPS)
        self.register_buffer("mean", torch.tensor(SQUEEZENET_MEAN).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """(B, 3, H, W) in -1..1, RGB → maps at about 1/4, 1/8, 1/16 and 1/16 of it, after ReLU."""
        blue_first = (pictures.flip(1) + 1) * 127.5 - self.mean
        return list(self.graph(blue_first))
