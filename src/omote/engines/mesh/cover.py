"""What covers the skin in a source photo: glasses, hats, masks and hands are nobody's skin."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose.mask_settings import PARSER
from omote.compose.masks import soften_inside
from omote.compose.parsers import PARSERS, Masker
from omote.compose.tensors import resized
from omote.zoo import Network, Networks

Array = npt.NDArray[np.float32]

_BARE = ("skin", "brow", "eye", "nose", "lip", "mouth", "ear", "neck")
"""What may lie under the mesh of a face and is carried over. Where the mesh errs it lies beside the face.
Strands of hair are not: cut off at the oval they would be dark streaks on the skin."""
_SIDE = 256
_BORDER = 1 / 16
"""Width of the border of a texture that is not looked at: it is the larger face that is seen better."""
_SPECK = 0.03
"""Bare places narrower than this lie within what covers the skin: letters on a mask, glints on lenses."""
_SPREAD = 0.02
"""How far what is found grows, as a fraction of the side: frames lie at the edge of what is seen of them."""


def open_cover_parser(networks: Networks) -> Masker:
    """Open the network that tells bare skin (1) from what covers it (0); see `cover_parser`.

    Raises:
        ModelError: the network is not on this machine, or does not meet its contract.
    """
    return cover_parser(networks.open(PARSER, "mask"))


def cover_parser(network: Network) -> Masker:
    """The same from a network that is open already.

    Raises:
        ModelError: it does not meet its contract.
    """
    return PARSERS[network.card.adapter](network, _BARE)


def bare_and_covered(texture: Array, parser: Masker) -> tuple[Array, Array]:
    """Where the skin is surely bare, and where it is surely covered; between them nothing is sure.

    The face is looked at as it is and mirrored. What one look finds is not bare, what both find is covered.

    Args:
        texture: (N, N, 3) float32 RGB in 0..1, the face upright in its middle.
        parser: as `open_cover_parser` gives it.

    Returns:
        Both (256, 256) float32 in 0..1 over the same square, with soft edges on their inner sides.
    """
    border = round(_BORDER * _SIDE)
    middle = np.ascontiguousarray(resized(texture, _SIDE)[border:-border, border:-border])
    here, mirrored = parser.mask([middle, np.ascontiguousarray(middle[:, ::-1])])
    looks = np.pad(
        np.stack([here, mirrored[:, ::-1]]), ((0, 0), (border,) * 2, (border,) * 2), constant_values=1
    )
    opened = cv2.morphologyEx(looks.min(0), cv2.MORPH_OPEN, _disc(_SPECK))
    bare = np.asarray(cv2.erode(opened, _disc(_SPREAD)), np.float32)
    deep = 1 - np.asarray(cv2.dilate(looks.max(0), _disc(_SPREAD)), np.float32)
    return bare, soften_inside(deep, _SPREAD * _SIDE / 2)


def _disc(radius: float) -> npt.NDArray[np.uint8]:
    pixels = round(radius * _SIDE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(disc, np.uint8)
