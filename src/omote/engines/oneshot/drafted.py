"""omote-swap-128: the mesh engine drafts, a network makes the draft the person.

The draft has the source's skin in the target's light, at the picture's own resolution, but shapes only as
far as a mesh tells them, and the seams of a collage. The network corrects it at 128 pixels, by what it knows
of the person. What it changes is brightness, and smooth, so it is enlarged and added to the draft, which
keeps its hue, and its fine detail as far as the network lets it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose import ColourMethod, blend, smooth_step, to_float
from omote.engines.mesh import MeshSwapper, cover_parser
from omote.engines.mesh.mask import openings
from omote.engines.mesh.shape import reshaped
from omote.engines.mesh.texture import MeshIdentity
from omote.engines.oneshot.embedding import EmbeddingIdentity, EmbeddingSettings, EmbeddingSwapper
from omote.engines.oneshot.identity import STRONGEST
from omote.engines.swapper import Source, SwappedCrop
from omote.errors import ModelError, UsageError
from omote.faces.align import Crop, align, invert
from omote.faces.face import Face
from omote.faces.topology import LEFT_EYE, RIGHT_EYE
from omote.zoo.card import read_settings
from omote.zoo.networks import Network

Array = npt.NDArray[np.float32]

_TURNED = (25.0, 45.0)
"""Degrees of yaw between which the correction ends: in profile it comes to lie beside the nose."""
_DARK = 0.15
"""Brightness, 0..1, from which on colours grow with brightness; far below it they are noise, and are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class DraftedIdentity:
    """A person: skin for the draft, embedding for the network."""

    skin: MeshIdentity
    person: EmbeddingIdentity


class DraftedSwapper:
    """A network that is given the target as the mesh engine draws it, with the source's skin.

    Args:
        network: with an identity network in the role `identity`, a parser in the role `mask`, and an output
            `detail`.
        strength: 0 (the target stays who it is) to 1 (the source), up to 1.5 (exaggerated, and all that the
            network changes is shown, where its card says less).
        boost: must be None: the draft has the picture's resolution anyway.

    Raises:
        ModelError: a network does not meet its contract.
        UsageError: an option is out of its range.
    """

    template = MeshSwapper.template
    colour: ColourMethod = "none"  # the draft has the target's already

    def __init__(self, network: Network, *, strength: float = 1.0, boost: int | None = None) -> None:
        if boost is not None:
            raise UsageError(
                f"{network.card.name} takes no --boost: it works at the size of the face; leave it out"
            )
        self._network = EmbeddingSwapper(network, strength=strength)
        shown = read_settings(network.card, EmbeddingSettings).shown
        if not 0 < shown <= 1:
            raise ModelError(f"{network.card.name}: shown is {shown:g}; wanted above 0 to 1")
        # Beyond the source, what the card holds back is shown as well.
        self._shown = shown + (1 - shown) * max(strength - 1, 0) / (STRONGEST - 1)
        parser = network.needs.get("mask")
        if parser is None:
            raise ModelError(f"{network.card.name}: its card names no parser (needs.mask)")
        self._mesh = MeshSwapper(parser=cover_parser(parser))
        self._opacity = min(strength, 1.0)

    def crop_size(self, face: Face) -> int:
        """About one crop pixel per picture pixel, as for the mesh engine."""
        return self._mesh.crop_size(face)

    def identity(self, sources: Sequence[Source]) -> DraftedIdentity:
        """Take skin and embedding from all photos.

        Raises:
            UsageError: there is no source.
            ModelError: the networks do not fit together.
        """
        return DraftedIdentity(self._mesh.identity(sources), self._network.identity(sources))

    def swap(self, crops: Sequence[Crop], identity: DraftedIdentity) -> list[SwappedCrop]:
        """Draft each crop, and have the network correct all drafts in one batch."""
        drafts = [
            SwappedCrop(blend(new.pixels, to_float(crop.pixels), new.mask, opacity=self._opacity), new.mask)
            for crop, new in zip(crops, self._mesh.swap(crops, identity.skin), strict=True)
        ]
        side = self._network.crop_size(crops[0].face) if crops else 0
        small = [
            align(draft.pixels, crop.face, self._network.template, side)
            for draft, crop in zip(drafts, crops, strict=True)
        ]
        made = [
            _trusted(new, crop, draft, identity.skin)
            for new, crop, draft in zip(self._network.swap(small, identity.person), crops, small, strict=True)
        ]
        return [corrected(*each, self._shown) for each in zip(drafts, small, made, strict=True)]


def _trusted(made: SwappedCrop, crop: Crop, small: Crop, skin: MeshIdentity) -> SwappedCrop:
    """What a network made, as far as it is to be trusted with the face.

    Eyes and inner mouth are the target's own. Of a face that is turned away, or wears dark glasses, the
    network sees too little.
    """
    assert small.face.mesh is not None
    mesh = reshaped(small.face.mesh, skin.shape)
    kept = openings(mesh, small.size, small.face.eye_distance)
    return replace(made, mask=made.mask * (1 - kept) * _bareness(crop) * _frontality(crop.face))


def _bareness(crop: Crop) -> float:
    """How much of the eyes is to be seen, 0..1; 1 if nobody has looked."""
    if crop.bare is None or crop.face.mesh is None:
        return 1.0
    places = crop.face.mesh[np.concatenate([LEFT_EYE, RIGHT_EYE]), :2].round().astype(int)
    x, y = np.clip(places, 0, crop.size - 1).T
    return float(crop.bare[y, x].mean())


def _frontality(face: Face) -> float:
    """1 for a face that looks at the camera, falling to 0 for one that is turned away."""
    start, end = _TURNED
    return 1.0 if face.pose is None else 1 - float(smooth_step((abs(face.pose[0]) - start) / (end - start)))


def corrected(draft: SwappedCrop, small: Crop, made: SwappedCrop, shown: float = 1.0) -> SwappedCrop:
    """Add to a draft what a network has changed of it.

    Args:
        draft: of any size.
        small: the draft as the network was given it, in 0..1; its matrix leads there.
        made: what the network made of that, with `detail`.
        shown: how much of the change is shown, 0..1.

    Returns:
        The pixels of the draft where nothing was changed; the mask is 1 where draft or network differ from
        the target and 0 elsewhere, as both end softly by themselves.
    """
    back, size = invert(small.matrix), len(draft.pixels)

    def enlarged(field: Array, border: int) -> Array:
        return np.asarray(cv2.warpAffine(field, back, (size, size), borderMode=border), np.float32)

    # All but the fine detail that the network lets through is smooth; the detail comes from the draft itself.
    share = np.ones_like(made.mask) if made.detail is None else made.detail
    smooth = enlarged(_mean(made.pixels) - share * _mean(small.pixels), cv2.BORDER_REPLICATE)
    share, mask = enlarged(share, cv2.BORDER_REPLICATE), enlarged(made.mask, cv2.BORDER_CONSTANT)
    before = _mean(draft.pixels)
    # Where a brow gives way to skin, the brow's faint colour grows to that of skin, which else would be grey.
    brighter = (smooth + share * before + _DARK) / (before + _DARK)
    change = cv2.merge([shown * mask * (brighter - 1)] * 3) * (draft.pixels + _DARK)
    pixels = np.clip(draft.pixels + change, 0, 1)
    changed = (mask > 0) | (draft.mask > 0)
    return SwappedCrop(np.asarray(pixels, np.float32), changed.astype(np.float32))


def _mean(pixels: Array) -> Array:
    """(N, N, 3) → (N, N), the mean of the colours."""
    return np.asarray(cv2.transform(pixels, np.full((1, 3), 1 / 3, np.float32)), np.float32)
