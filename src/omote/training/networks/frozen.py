"""Frozen teachers as torch modules: an identity, perceptual maps, a face mesh, each with its contract.

The graphs come from ONNX files (`OnnxModule`), so that a teacher in training is the very network that
ONNX Runtime runs; what each wants and gives is brought to the conventions of the training room here. None has
a trained parameter, and all let gradients through to the picture.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import UsageError
from omote.faces.align import similarity, template
from omote.faces.contours import POINTS
from omote.faces.mesh import native_settings
from omote.training.networks.blocks import PixelSpace
from omote.training.networks.onnx_module import OnnxModule
from omote.zoo import native_weights

SQUEEZENET_MEAN = (104.0, 117.0, 123.0)
SQUEEZENET_MAPS = ("fire3/concat", "fire5/concat", "fire7/concat", "fire9/concat_drop9")
MOBILEFACENET_EMBEDDING = "/conv3/Conv_output_0"


class FrozenIdentity(nn.Module):
    """MobileFaceNet (foamliu, trained on MS-Celeb-1M) from its ONNX file.

    Raises:
        ModelError: the file is not that network.
    """

    size = 112

    def __init__(self, file: Path) -> None:
        super().__init__()
        # The value before the last reshape, which is to a batch of one.
        self.graph = OnnxModule(file, [MOBILEFACENET_EMBEDDING])
        self.space = PixelSpace("normalised")

    def forward(self, faces: Float[Tensor, "b 3 112 112"]) -> Float[Tensor, "b 128"]:
        """Faces in the template `arcface_112_v2`, (B, 3, 112, 112) in -1..1 → (B, 128) unit, float32.

        Raises:
            UsageError: the faces are of another size.
        """
        height, width = faces.shape[2:]
        if (height, width) != (self.size, self.size):
            raise UsageError(f"faces of {width} × {height} px: this identity network wants {self.size}")
        (embedding,) = self.graph(self.space.enter(faces))
        return F.normalize(embedding.flatten(1).float(), dim=1)


class FrozenFeatures(nn.Module):
    """SqueezeNet 1.1 (trained on ImageNet) from its ONNX file, up to its fire modules 3, 5, 7 and 9.

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


class FrozenMesh(nn.Module):
    """omote-mesh: 478 points of a face.

    Args:
        file: its ONNX file; by default the one in this package.

    Attributes:
        size: side of the crops that it wants, in its own framing (`view`).
        distance: eye distance of the template in that framing, in the unit of the points.

    Raises:
        ModelError: the file is not that network.
    """

    def __init__(self, file: Path | None = None) -> None:
        super().__init__()
        settings = native_settings()
        self.graph = OnnxModule(file or native_weights("mesh"), ["points"])
        self.size = settings.size
        five = settings.template
        self.distance = float(((five[1] - five[0]) ** 2).sum() ** 0.5 * 2 / self.size)

    def forward(self, crops: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 478 2"]:
        """Crops in the mesh's framing, (B, 3, S, S) in -1..1, S = `size` → (B, 478, 2) float32.

        The points are x right and y down, -1..1 from edge to edge of the crop, as `grid_sample` has it.
        Computed in float32 whatever autocast says: bfloat16 rounds a point to a quarter of a pixel.

        Raises:
            UsageError: the crops are of another size.
        """
        height, width = crops.shape[2:]
        if (height, width) != (self.size, self.size):
            raise UsageError(f"crops of {width} × {height} px: the mesh network wants {self.size}")
        with torch.autocast(crops.device.type, enabled=False):
            (points,) = self.graph((crops.float() + 1) / 2)
        pixels: Tensor = points.reshape(-1, POINTS, 3)[..., :2]
        return (2 * pixels + 1) / self.size - 1

    def view(self, side: int, border: int) -> Float[Tensor, "2 3"]:
        """The map that cuts the mesh's framing out of a canonical face with border.

        In the coordinates of `grid_sample` (`omote.training.data.crops`).

        Args:
            side: of the canonical square without border, pixels.
            border: on each side, pixels.
        """
        whole = side + 2 * border
        have = template("arcface_112_v2") * side + border
        pixels = torch.from_numpy(similarity(native_settings().template, have))
        linear, shift = pixels[:, :2], pixels[:, 2]
        # From -1..1 over `size` pixels, centres at .0, to -1..1 over `whole`.
        half = (self.size - 1) / 2
        centre = linear @ torch.tensor([half, half], dtype=linear.dtype) + shift
        return torch.cat(
            [linear * (self.size / whole), ((2 * centre + 1) / whole - 1)[:, None]], dim=1
        ).float()


def laid_over(
    crops: Float[Tensor, "b 3 s s"], fake: Float[Tensor, "b 3 h w"], theta: Float[Tensor, "b 2 3"]
) -> Float[Tensor, "b 3 s s"]:
    """Lay a fake over crops in another framing, as it will be pasted back into its photo.

    The mesh network sees more of a face than the swapper makes. What lies outside the fake comes from the
    target's photo, as it does in use, and not from a reflected border.

    Args:
        crops: what the other framing shows of the target's photo, (B, 3, S, S).
        fake: (B, 3, H, W).
        theta: the map from a place in the crops to a place in the fake, (B, 2, 3), in the coordinates of
            `grid_sample`.
    """
    middle = torch.arange(crops.shape[-1], device=crops.device, dtype=torch.float32) * 2 + 1
    middle = middle / crops.shape[-1] - 1
    x, y = middle[None, None, :], middle[None, :, None]
    a = theta.float()[:, :, :, None, None]
    grid = torch.stack([a[:, row, 0] * x + a[:, row, 1] * y + a[:, row, 2] for row in (0, 1)], -1)
    # The share of each pixel that the fake covers comes along as a fourth channel.
    covering = torch.cat([fake.float(), torch.ones_like(fake[:, :1], dtype=torch.float32)], 1)
    sampled = F.grid_sample(covering, grid, "bilinear", "zeros", align_corners=False)
    return sampled[:, :3] + (1 - sampled[:, 3:]) * crops
