"""Where the parts of the face are, differentiably: omote-mesh as a teacher."""

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from omote.faces.align import similarity, template
from omote.faces.mesh import native_settings
from omote.training.data.crops import compose, resized, warp
from omote.training.data.shards import TEMPLATE
from omote.training.networks.onnx_module import OnnxModule
from omote.zoo import native_weights


class MeshTeacher(nn.Module):
    """The native 478-point network, looking at canonical crops.

    Attributes:
        size: side of what it looks at, pixels.
        framing: (2, 3), the map that cuts this out of a canonical crop; it reaches beyond it on all sides.
        digest: of the network: points may be kept under it.
    """

    def __init__(self) -> None:
        super().__init__()
        settings = native_settings()
        self.size = settings.size
        data = native_weights("mesh")
        self.digest = hashlib.sha256(data).hexdigest()
        self.graph = OnnxModule(data)
        # Fractions of the mesh crop to fractions of the canonical crop.
        fractions = (settings.template + 0.5) / settings.size
        matrix = similarity(fractions.astype(np.float64), template(TEMPLATE))
        linear, shift = torch.from_numpy(matrix[:, :2]), torch.from_numpy(matrix[:, 2:])
        ones = torch.ones(2, 1, dtype=torch.float64)
        framing = torch.cat([linear, linear @ ones + 2 * shift - ones], 1).float()
        self.framing: Tensor
        self.register_buffer("framing", framing)

    def forward(self, pictures: Tensor, back: Tensor | None = None) -> Tensor:
        """Points of the face, with gradient.

        Args:
            pictures: (B, 3, S, S) RGB in -1..1: canonical crops, or others with
            back: (B, 2, 3) maps to the canonical crop, see `omote.training.data.crops`.

        Returns:
            (B, 478, 3) in pixels of an S × S canonical crop; x right, y down, pixel centres at .0.
        """
        side = pictures.shape[-1]
        framing = self.framing.expand(len(pictures), 2, 3)
        theta = framing if back is None else compose(framing, back)
        while pictures.shape[-1] >= 2 * self.size:  # sampling much finer pictures would alias
            pictures = resized(pictures, pictures.shape[-1] // 2)
        points = self.look(warp(pictures.float(), theta, self.size), framing)
        scale = self.framing[:, :2].det().sqrt() * side / 2
        return torch.cat([((points[..., :2] + 1) * side - 1) / 2, points[..., 2:] * scale], -1)

    def look(self, crops: Tensor, framing: Tensor) -> Tensor:
        """Points of faces that are cut out already, with gradient; always computed in float32.

        Args:
            crops: (B, 3, size, size) RGB in -1..1.
            framing: (B, 2, 3) the maps by which they were cut out of canonical crops.

        Returns:
            (B, 478, 3): x and y in canonical crops, -1..1 from edge to edge; depth in half sides of `crops`.
        """
        with torch.autocast(crops.device.type, enabled=False):  # bf16 knows but every second pixel
            pictures = ((crops.float() + 1) / 2).contiguous(memory_format=torch.channels_last)
            points: Tensor = self.graph(pictures)[0].float()
        place = (2 * points[..., :2] + 1) / self.size - 1
        flat = place @ framing[:, :, :2].transpose(1, 2) + framing[:, None, :, 2]
        return torch.cat([flat, points[..., 2:] * (2 / self.size)], -1)
