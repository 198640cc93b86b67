"""Blend the new face into its crop: feather, multi-band or Poisson."""

from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose.masks import shown_part

Array = npt.NDArray[np.float32]
BlendMethod = Literal["feather", "multiband", "poisson"]
BLEND_METHODS: tuple[BlendMethod, ...] = get_args(BlendMethod)


def blend(
    new: Array, target: Array, mask: Array, method: BlendMethod = "feather", opacity: float = 1.0
) -> Array:
    """Lay `new` over `target` through a mask. Where the mask is 0 the result is `target`, bit for bit.

    Args:
        new: (N, N, 3) float32 RGB in 0..1.
        target: (N, N, 3) float32 RGB in 0..1.
        mask: (N, N) float32 in 0..1.
        method: `feather` (weighted mean), `multiband` (each scale with an edge of its own softness),
            `poisson` (gradients of the new face, border colours of the target).
        opacity: 0 (nothing changes) to 1.
    """
    part = shown_part(mask)
    weight, old = cv2.merge([mask[part]] * 3), target[part]
    match method:
        case "feather":
            change = (new[part] - old) * weight
        case "multiband":
            change = _multiband(new - target, mask)[part]
        case "poisson":
            change = (_poisson(new, target, mask)[part] - old) * weight
    result = target.copy()
    result[part] = np.where(weight > 0, np.clip(old + change * np.float32(opacity), 0, 1), old)
    return result


def _multiband(difference: Array, mask: Array, levels: int = 5) -> Array:
    """Laplacian-pyramid blend (Burt & Adelson 1983): weight each band of the difference by a mask as soft
    as the band is coarse.
    """
    # Where the engine vouches for nothing it changes nothing; else its leavings there would seep in.
    weights, bands = (
        [np.clip(mask * 2 - 0.5, 0, 1)],
        [np.where(mask[..., None] > 0, difference, np.float32(0))],
    )
    while len(bands) <= levels and min(bands[-1].shape[:2]) >= 8:
        weights.append(np.asarray(cv2.pyrDown(weights[-1]), np.float32))
        bands.append(np.asarray(cv2.pyrDown(bands[-1]), np.float32))
    result = bands[-1] * weights[-1][..., None]
    for fine, coarse, weight in zip(bands[-2::-1], bands[:0:-1], weights[-2::-1], strict=True):
        size = (fine.shape[1], fine.shape[0])
        detail = fine - cv2.pyrUp(coarse, dstsize=size)
        result = cv2.pyrUp(result, dstsize=size) + detail * weight[..., None]
    # The coarse bands reach beyond the mask: end them softly where it ends.
    return np.asarray(result * np.minimum(mask * 4, 1)[..., None], np.float32)


def _poisson(new: Array, target: Array, mask: Array) -> Array:
    """Poisson image editing (Pérez et al. 2003) by OpenCV, as a correction to `new` at full bit depth."""
    inside = (mask > 0.5).astype(np.uint8)
    inside[[0, 1, -2, -1], :] = 0
    inside[:, [0, 1, -2, -1]] = 0
    x, y, width, height = cv2.boundingRect(inside)
    if width < 8 or height < 8:
        return new
    new8, target8 = (np.round(image * 255).astype(np.uint8) for image in (new, target))
    centre = (x + width // 2, y + height // 2)
    cloned = cv2.seamlessClone(new8, target8, inside * 255, centre, cv2.NORMAL_CLONE)
    correction = cv2.GaussianBlur((cloned.astype(np.float32) - new8) / 255, (0, 0), 2.0)
    return np.clip(new + correction * inside[..., None], 0, 1)
