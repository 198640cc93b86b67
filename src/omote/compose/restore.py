"""Make a face in a picture sharp again."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose.blend import blend as lay_over
from omote.compose.mask_settings import MaskSettings
from omote.compose.masking import Masking
from omote.compose.paste import paste, to_float
from omote.compose.restorers.protocol import Restorer
from omote.errors import UsageError
from omote.faces.align import align
from omote.faces.face import Face

Array = npt.NDArray[np.float32]

BLEND = 0.8
"""How much of the restored face is laid over the old one unless said; FaceFusion's default too."""
EDGE = 15.0
"""Percent of the crop over which a restored face fades; restorers change the background, too."""
_BOX = Masking(MaskSettings(edge=EDGE))


def restore_face(
    pixels: npt.NDArray[Any],
    face: Face,
    restorer: Restorer,
    blend: float = BLEND,
    masking: Masking | None = None,
) -> None:
    """Restore a face of a picture in place.

    Args:
        pixels: (H, W, 3) RGB, uint8 or uint16, changed in place; outside the mask bit-equal.
        face: a face of that picture.
        restorer: the network.
        blend: 0 (nothing changes) to 1 (the restored face in full).
        masking: where the restored face shows; a soft box unless said.

    Raises:
        UsageError: blend is out of its range.
    """
    if not 0 <= blend <= 1:
        raise UsageError(f"restore blend {blend:g} is outside 0..1")
    if blend == 0:
        return
    crop = align(pixels, face, restorer.template, restorer.size)
    target = to_float(crop.pixels)
    (restored,) = restorer.restore(target[None])
    restored = _as_coarse_as_picture(restored, crop.scale)
    mask = (masking or _BOX).mask(crop, restored, np.ones(target.shape[:2], np.float32))
    paste(pixels, crop, lay_over(restored, target, mask, opacity=blend))


def _as_coarse_as_picture(restored: Array, scale: float) -> Array:
    """Take out detail finer than the picture's own pixels: pasted into them it would alias.

    Args:
        restored: (N, N, 3).
        scale: crop pixels per picture pixel.
    """
    if scale <= 1:
        return restored
    # Half a pixel of the picture: the blur that a pixel of that size has by itself.
    sigma = 0.5 * np.sqrt(scale**2 - 1)
    return np.asarray(cv2.GaussianBlur(restored, (0, 0), float(sigma)), np.float32)
