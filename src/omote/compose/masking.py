"""Combine everything that says where the new face may show."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from omote.compose.adapting import NO_WIDER, ShapeFit, fitted
from omote.compose.areas import Area, area_mask
from omote.compose.mask_settings import MaskSettings
from omote.compose.masks import box_mask, soften_inside
from omote.compose.parsers.protocol import Masker
from omote.compose.paste import to_float
from omote.compose.tensors import resized
from omote.faces.align import Crop

Array = npt.NDArray[np.float32]

RIM = 0.02
"""Width of the soft rim of a crop without a box, as a fraction of its side: pasting must end at exactly 0."""
_WORK = 256
"""Largest side at which edges are moved and softened; more would take long and shows no difference."""


class Masking:
    """Makes the masks of a job. Stateless, safe to call from several threads.

    Args:
        settings: what is asked for.
        maskers: the networks that it asks for, as `omote.compose.parsers.open_maskers` gives them.
        fit: fits the engine's masks to the shapes of the new faces; they stay as they are unless given.

    Raises:
        ValueError: these are not as many networks as the settings ask for.
    """

    def __init__(
        self,
        settings: MaskSettings | None = None,
        maskers: Sequence[Masker] = (),
        fit: ShapeFit | None = None,
    ) -> None:
        self.settings = settings or MaskSettings()
        wanted = len(self.settings.occlusion) + (self.settings.regions is not None)
        if len(maskers) != wanted:
            raise ValueError(f"the mask settings ask for {wanted} networks, {len(maskers)} were given")
        self._maskers = tuple(maskers)
        self._fit = fit

    def looked_at(self, targets: Sequence[Crop]) -> list[Crop]:
        """The crops with what the networks say of the old faces, in `bare`; in one batch.

        Engines that match colours themselves want to know; `masks` then asks those networks no more.
        """
        looking = [masker for masker in self._maskers if masker.looks_at == "target"]
        if not looking or not targets:
            return list(targets)
        pixels = [to_float(crop.pixels) for crop in targets]
        found = zip(*(masker.mask(pixels) for masker in looking), strict=True)
        return [
            replace(crop, bare=np.minimum.reduce(masks)) for crop, masks in zip(targets, found, strict=True)
        ]

    def mask(self, target: Crop, swapped: Array, engine: Array) -> Array:
        """Return the mask of one crop; see `masks`."""
        return self.masks([target], [swapped], [engine])[0]

    def masks(
        self, targets: Sequence[Crop], swapped: Sequence[Array], engine: Sequence[Array]
    ) -> list[Array]:
        """Return where the new faces show.

        The minimum of the engine's mask, the box, and all that was asked for. The engine's mask is fitted to
        the shape of the new face; so is what networks take for the old face, as far as the new jaw is wider.
        `grow` and `blur` act on what was asked for alone: the engine knows its own edges, and growing its
        holes (eyes, mouth) would swallow the face. The networks see the crops in one batch, and none that
        would stay empty whatever they say.

        Args:
            targets: crops as they were cut.
            swapped: (N, N, 3) float32 RGB in 0..1 each, the crops with the new faces.
            engine: (N, N) float32 in 0..1 each, where the engine vouches for its pixels.

        Returns:
            (N, N) float32 in 0..1 each, exactly 0 at the crop's border and wherever the engine's mask, as
            it was fitted, is.

        Raises:
            UsageError: areas are asked for, and a face has no landmarks that tell them.
        """
        wider = self._wider(targets, swapped)
        engine = [
            fitted(mask, crop.face, more) for mask, crop, more in zip(engine, targets, wider, strict=True)
        ]
        fences = [np.minimum(mask, self._fence(crop)) for mask, crop in zip(engine, targets, strict=True)]
        shapes = [self._drawn(crop) for crop in targets]
        alive = [i for i, fence in enumerate(fences) if np.minimum(fence, shapes[i]).any()]
        for index, crop in zip(alive, self._looked_at(targets, alive), strict=True):
            if crop.bare is not None:
                found = fitted(crop.bare, crop.face, np.maximum(wider[index], 0))
                shapes[index] = np.minimum(shapes[index], found)
        for masker in self._maskers if alive else ():
            if masker.looks_at == "result":
                for index, found in zip(alive, masker.mask([swapped[i] for i in alive]), strict=True):
                    shapes[index] = np.minimum(shapes[index], found)
        return [np.minimum(fence, self._adjusted(mask)) for fence, mask in zip(fences, shapes, strict=True)]

    def _looked_at(self, targets: Sequence[Crop], alive: Sequence[int]) -> list[Crop]:
        crops = [targets[index] for index in alive]
        return crops if all(crop.bare is not None for crop in crops) else self.looked_at(crops)

    def _wider(self, targets: Sequence[Crop], swapped: Sequence[Array]) -> list[Array]:
        """How much wider the new faces are; not at all if nothing compares them."""
        if self._fit is None:
            return [NO_WIDER] * len(targets)
        return self._fit.wider(targets, swapped)

    def _fence(self, crop: Crop) -> Array:
        """The box, less what is kept of the target: nothing grows beyond."""
        settings = self.settings
        if settings.box:
            padding = [side / 100 for side in settings.padding]
            fence = box_mask(crop.size, blur=settings.edge / 100, padding=padding)
        else:
            fence = box_mask(crop.size, blur=RIM)
        if not settings.keep:
            return fence
        return np.minimum(fence, 1 - area_mask(crop.face, settings.keep, crop.size))

    def _drawn(self, crop: Crop) -> Array:
        """What is asked for of the landmarks."""
        drawn = np.ones((crop.size, crop.size), np.float32)
        face: tuple[Area, ...] = ("face",) if self.settings.face else ()
        for areas in (face, self.settings.areas):
            if areas:
                drawn = np.minimum(drawn, area_mask(crop.face, areas, crop.size))
        return drawn

    def _adjusted(self, mask: Array) -> Array:
        grow, blur = self.settings.grow / 100, self.settings.blur / 100
        if not grow and not blur:
            return mask
        size, work = len(mask), min(len(mask), _WORK)
        small = resized(mask, work)
        if radius := round(abs(grow) * work):
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
            small = np.asarray((cv2.dilate if grow > 0 else cv2.erode)(small, disc), np.float32)
        # soften_inside closes thin gaps, which may be fingers: what was left out stays so
        small = np.minimum(small, soften_inside(small, blur * work / 2))
        return resized(small, size)
