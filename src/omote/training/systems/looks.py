"""How omote-swap-128 has its swaps looked at: framed for the mesh, softened, shifted, and part by part."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from omote.engines.oneshot.mask import face_mask
from omote.faces.contours import LEFT_IRIS, RIGHT_IRIS
from omote.faces.face import Face
from omote.training.data.crops import compose, resized, warp
from omote.training.data.framed import FramedBatch
from omote.training.draws import Draws
from omote.training.parts import EYES, MOUTH, Points, cut, moved, patch_map, soft_regions
from omote.training.teachers.mesh import MeshTeacher

_ZOOM, _SHIFT = 0.04, 0.0375
"""How far the framing of the mesh is varied, either way: in size, and in half sides of the crop."""

_SOFT, _SHARES = 0.8, (0.25, 0.36, 0.5, 0.7)
"""Share of steps in which the identity network sees reduced fakes, and the parts of their side."""

_GRAIN = 0.04
"""Standard deviation of the noise that it sees them under."""

_REGION = 31
"""Side of soft regions in pixels: that of the finest perceptual map."""

Array = npt.NDArray[np.float32]


def in_mesh_frame(swapped: Tensor, batch: FramedBatch, framing: Tensor, size: int) -> Tensor:
    """Lay crops back into their photos, and cut out what a mesh network looks at, which is more.

    Args:
        swapped: (B, 3, S, S) in the framing of the targets.
        batch: the targets, and their photos.
        framing: (B, 2, 3) maps that cut what is looked at out of canonical crops.
        size: of the result in pixels.

    Returns:
        (B, 3, size, size), softly joined within a pixel of the crop's edge.
    """
    theta = compose(framing, batch.back)
    photo = warp(batch.square, compose(framing, batch.into), size)
    grid = F.affine_grid(theta, [len(swapped), 1, size, size], align_corners=False)
    ones = swapped.new_ones(len(swapped), 1, *swapped.shape[2:])
    both = torch.cat([swapped, ones], 1).float()
    # Zeros outside, so that the fourth channel says how much of a pixel is the crop's.
    laid = F.grid_sample(both, grid, "bilinear", "zeros", align_corners=False)
    return laid[:, :3] + (1 - laid[:, 3:]) * photo


def varied(framing: Tensor, count: int, draws: Draws) -> Tensor:
    """Framings (B, 2, 3) about a given one, so that no network always sees the same pixels."""
    zoom = 1 + draws.uniform(1, low=-_ZOOM, high=_ZOOM)
    shift = draws.uniform(2, low=-_SHIFT, high=_SHIFT)
    linear = framing[None, :, :2] * zoom[:, :, None]
    return torch.cat([linear, (framing[None, :, 2] + shift)[:, :, None]], 2)


def found_points(teacher: MeshTeacher, swapped: Tensor, batch: FramedBatch, framing: Tensor) -> Points:
    """The mesh of swapped crops, (B, 478, 2) in the canonical crop, with gradient; see `in_mesh_frame`."""
    return teacher.look(in_mesh_frame(swapped, batch, framing, teacher.size), framing)[..., :2]


def face_masks(points: Points, back: Tensor, side: int) -> Tensor:
    """Where the engine shows what the network makes: soft masks (B, 1, side, side) of augmented targets.

    Args:
        points: (B, 478, 2), their meshes in the canonical crop.
        back: of the batch.
        side: of the crops in pixels.
    """
    meshes = ((moved(points, back).cpu().numpy() + 1) * side - 1) / 2
    masks = [face_mask(_face(mesh, side), side) for mesh in meshes]
    return torch.from_numpy(np.stack(masks)[:, None]).to(points.device)


def _face(mesh: Array, side: int) -> Face:
    """A face of which little is known but its flat mesh, (478, 2): enough for masks."""
    five = np.zeros((5, 2), np.float32)
    five[0], five[1] = mesh[list(LEFT_IRIS)].mean(0), mesh[list(RIGHT_IRIS)].mean(0)
    flat = np.pad(mesh, ((0, 0), (0, 1)))
    return Face(np.array([0, 0, side, side], np.float32), 1.0, five, flat)


def softened(pictures: Tensor, draws: Draws) -> Tensor:
    """Pictures (B, 3, S, S) as a bad camera gives them: what only one network would see does not survive."""
    side = pictures.shape[-1]
    share = _SHARES[draws.choice(len(_SHARES))]
    if draws.choice(100) < 100 * _SOFT:
        small = resized(pictures, round(side * share))
        pictures = F.interpolate(small, (side, side), mode="bilinear", align_corners=False)
    return pictures + _GRAIN * draws.noise(*pictures.shape[1:])


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A change of light and place, drawn once and applied to several pictures.

    Discriminators that always see the photos as they are learn them by heart (Zhao et al., "Differentiable
    Augmentation for Data-Efficient GAN Training", NeurIPS 2020).

    Attributes:
        brightness: (B, 1, 1, 1), added.
        contrast: (B, 1, 1, 1), factor on the distance to the mean.
        theta: (B, 2, 3) map.
    """

    brightness: Tensor
    contrast: Tensor
    theta: Tensor

    @classmethod
    def of(cls, draws: Draws) -> "Look":
        """Draw one for each sample."""
        brightness = draws.uniform(1, 1, 1, low=-0.15, high=0.15)
        contrast = draws.uniform(1, 1, 1, low=0.8, high=1.2)
        shift = draws.uniform(2, 1, low=-0.1, high=0.1)
        eye = torch.eye(2, device=shift.device).expand(len(shift), 2, 2)
        return cls(brightness, contrast, torch.cat([eye, shift], 2))

    def __call__(self, pictures: Tensor) -> Tensor:
        """Apply it to (B, 3, S, S)."""
        mean = pictures.mean((1, 2, 3), keepdim=True)
        changed = (pictures - mean) * self.contrast + mean + self.brightness
        return warp(changed, self.theta, pictures.shape[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Where eyes and mouth are in augmented targets: there the expression is.

    Attributes:
        eyes, mouth: (B, 2, 3) maps that cut level patches out.
        region: (B, 1, 31, 31) soft regions of both.
    """

    eyes: Tensor
    mouth: Tensor
    region: Tensor

    @classmethod
    def of(cls, points: Points, back: Tensor) -> "Parts":
        """Take them from the targets' meshes in the canonical crop."""
        eyes, mouth = (compose(patch_map(points, part), back) for part in (EYES, MOUTH))
        return cls(eyes, mouth, soft_regions(moved(points, back), _REGION))

    def patches(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Eyes (B, 3, 32, 96) and mouth (B, 3, 48, 64) of pictures in the targets' framing."""
        return cut(pictures, self.eyes, EYES), cut(pictures, self.mouth, MOUTH)
