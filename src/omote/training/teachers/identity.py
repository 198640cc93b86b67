"""Who is in the picture, differentiably: any identity network of the zoo as a teacher."""

import hashlib
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omote.errors import ModelError
from omote.faces.identity import ArcFaceSettings
from omote.training.data.crops import between, compose, resized, warp
from omote.training.data.shards import TEMPLATE
from omote.training.networks.onnx_module import OnnxModule
from omote.zoo import Network, Networks, Runtime, read_settings
from omote.zoo.networks import is_file

STAND_IN = "pixels"
"""The reference of a teacher that needs no file; for smoke runs and tests."""


class IdentityTeacher(Protocol):
    """What looks at faces and says who they are.

    Attributes:
        name: for cards and messages.
        digest: of what it is made of: embeddings may be kept under it.
        width: length of an embedding.
        network: the network of the zoo that it is, if it is one.
        from_file: whether that network is a user's file.
    """

    name: str
    digest: str
    width: int
    network: Network | None
    from_file: bool

    def __call__(self, pictures: Tensor, back: Tensor | None = None) -> Tensor:
        """(B, 3, S, S) RGB in -1..1 → raw embeddings (B, width), with gradient.

        Args:
            pictures: canonical crops, or others with
            back: (B, 2, 3) maps to the canonical crop, see `omote.training.data.crops`.
        """
        ...

    def embed(self, pictures: Tensor) -> Tensor:
        """The same of canonical crops, without gradient, as fast as it can be had."""
        ...


class NetworkIdentity(nn.Module):
    """An ArcFace-like network of the zoo.

    Raises:
        ModelError: it is none, or uses an operator that is not known here.
    """

    def __init__(self, network: Network, from_file: bool = False) -> None:
        super().__init__()
        self.from_file = from_file
        card = network.card
        if card.adapter != "arcface":
            raise ModelError(f"{card.name}: not a network that gives embeddings of pictures")
        self.network: Network | None = network
        look = read_settings(card, ArcFaceSettings)
        data = network.read()
        self.name, self.digest = card.name, hashlib.sha256(data).hexdigest()
        self.graph = OnnxModule(data)
        self.size, self.columns, self.bgr = look.height, look.width, look.bgr
        self.framing: Tensor
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("framing", between(TEMPLATE, look.template))
        self.register_buffer("mean", torch.tensor(look.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(look.std).view(1, 3, 1, 1))
        (embeddings, *_) = network.session.output_shapes.values()
        self.width = int(embeddings[-1] or 0)

    def forward(self, pictures: Tensor, back: Tensor | None = None) -> Tensor:
        """See `IdentityTeacher`."""
        (embeddings,) = self.graph(self.prepared(pictures, back))
        result: Tensor = embeddings.float().flatten(1)
        return result

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        """See `IdentityTeacher`. On a CPU the zoo's session is several times faster than torch."""
        if pictures.device.type != "cpu" or self.network is None:
            return self.forward(pictures)
        crops = self.prepared(pictures, None).contiguous().numpy()
        return torch.from_numpy(self.network.session.run_batch(crops)[0].reshape(len(crops), -1))

    def prepared(self, pictures: Tensor, back: Tensor | None = None) -> Tensor:
        """What the graph takes: crops in its own framing, size and scaling."""
        framing = self.framing.expand(len(pictures), 2, 3)
        theta = framing if back is None else compose(framing, back)
        while pictures.shape[-1] >= 2 * self.size:  # sampling much finer pictures would alias
            pictures = resized(pictures, pictures.shape[-1] // 2)
        crops = warp(pictures.float(), theta, self.size)
        margin = (self.size - self.columns) // 2
        crops = ((crops + 1) / 2 - self.mean) / self.std
        crops = crops[:, :, :, margin : margin + self.columns]
        return crops.flip(1) if self.bgr else crops


class PixelIdentity(nn.Module):
    """A stand-in that needs no file: who somebody is, by how the crop looks in 12 × 12 grey cells.

    Knows nothing of faces; it lets a recipe run from end to end in seconds.
    """

    network: Network | None = None
    from_file = False

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.name, self.width = STAND_IN, width
        projection = torch.randn(144, width, generator=torch.Generator().manual_seed(0)) / 12
        self.digest = hashlib.sha256(projection.numpy().tobytes()).hexdigest()
        self.projection: Tensor
        self.register_buffer("projection", projection)

    def forward(self, pictures: Tensor, back: Tensor | None = None) -> Tensor:
        """See `IdentityTeacher`."""
        crops = pictures.float() if back is None else warp(pictures.float(), back, pictures.shape[-1])
        cells = F.adaptive_avg_pool2d(crops.mean(1, keepdim=True), 12).flatten(1)
        cells = cells - cells.mean(1, keepdim=True)
        result: Tensor = cells / (cells.norm(dim=1, keepdim=True) + 0.1) @ self.projection
        return result

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        """See `IdentityTeacher`."""
        return self.forward(pictures)


def identity_teacher(reference: str) -> NetworkIdentity | PixelIdentity:
    """Open a teacher by the name of a network of the zoo, the path of a file, or `pixels`.

    Raises:
        ModelError: it is not on the machine, or is no identity network.
    """
    if reference == STAND_IN:
        return PixelIdentity().requires_grad_(False).eval()
    network = Networks(runtime=Runtime()).open(reference, "identity")
    return NetworkIdentity(network, is_file(reference)).requires_grad_(False).eval()
