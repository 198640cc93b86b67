"""Colour and quality of pictures changed on the device, by parameters that were drawn beforehand.

Every picture is treated by itself, so a batch that is worked on in parts gives the same pictures.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from kornia import enhance
from kornia.color import rgb_to_grayscale
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional as F

from omote.training.data.augment import Colour, Parameters, Values


def recolour(pictures: Tensor, colour: Colour) -> Tensor:
    """Change contrast, saturation, hue and brightness of pictures (B, 3, H, W) in 0..1; clipped to 0..1."""
    if (colour.contrast != 1).any():
        # Row by row, then column by column: the order of the sum must not depend on the size of the batch.
        mean = rgb_to_grayscale(pictures).mean(-1, keepdim=True).mean(-2, keepdim=True)
        factor = _like(pictures, colour.contrast)[:, None, None, None]
        pictures = (pictures * factor + mean * (1 - factor)).clamp_(0, 1)
    saturation = colour.saturation * (1 - colour.grey)
    if (saturation != 1).any():
        pictures = enhance.adjust_saturation_with_gray_subtraction(pictures, _like(pictures, saturation))
    if colour.hue.any():
        pictures = enhance.adjust_hue(pictures, _like(pictures, colour.hue))
    if colour.brightness.any():
        pictures = enhance.adjust_brightness(pictures, _like(pictures, colour.brightness))
    return pictures


def degrade(pictures: Tensor, drawn: Parameters) -> Tensor:
    """Blur, reduce, add noise and JPEG's traces, in the order of a camera, to those pictures that are to be.

    Args:
        pictures: (B, 3, H, W) in 0..1.
        drawn: parameters of the B samples.
    """
    radius = np.ceil(2.5 * drawn.blur)
    for reach in np.unique(radius[radius > 0]):
        blur = partial(_blurred, radius=int(reach))
        pictures = _where(pictures, np.where(radius == reach, drawn.blur, 0), blur)
    for factor in np.unique(drawn.shrink[drawn.shrink > 0]):
        pictures = _where(pictures, np.where(drawn.shrink == factor, factor, 0), _shrunk)
    pictures = _where(pictures, drawn.noise, partial(_noisy, seeds=drawn.noise_seed[drawn.noise > 0]))
    return _where(pictures, drawn.jpeg, _compressed)


def _where(pictures: Tensor, values: Values, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Change those pictures whose value is not 0."""
    chosen = np.flatnonzero(values)
    if not len(chosen):
        return pictures
    index = torch.from_numpy(chosen).to(pictures.device)
    return pictures.index_copy(0, index, change(pictures[index], _like(pictures, values[chosen])))


def _blurred(pictures: Tensor, sigma: Tensor, radius: int) -> Tensor:
    return gaussian_blur2d(pictures, 2 * radius + 1, sigma[:, None].expand(-1, 2))


def _shrunk(pictures: Tensor, factor: Tensor) -> Tensor:
    height, width = pictures.shape[-2:]
    small = [max(round(side / float(factor[0])), 1) for side in (height, width)]
    reduced = F.interpolate(pictures, small, mode="area")
    return F.interpolate(reduced, (height, width), mode="bilinear", align_corners=False)


def _noisy(pictures: Tensor, level: Tensor, seeds: npt.NDArray[np.int64]) -> Tensor:
    sources = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    noise = torch.stack([torch.randn(pictures.shape[1:], generator=source) for source in sources])
    return (pictures + noise.to(pictures) * level[:, None, None, None]).clamp_(0, 1)


def _compressed(pictures: Tensor, quality: Tensor) -> Tensor:
    # One by one: the codec's matrix products may sum in another order for another number of pictures.
    codec = enhance.jpeg_codec_differentiable
    return torch.cat([codec(pictures[n : n + 1], quality[n : n + 1]) for n in range(len(pictures))])


def _like(pictures: Tensor, values: Values) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(pictures.device)
