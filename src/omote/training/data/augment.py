"""Augmentation: what is drawn for each sample of a step, and where its crop lies in the square.

Drawn are numbers only, for the whole batch of a step at once, from (seed, step); `photometric` applies those
of colour and quality on the device. Default strengths are those of Omote's first swapper recipe.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.errors import UsageError
from omote.training.data.crops import compose, inverse
from omote.training.data.seeds import AUGMENTATION, generator

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly targets are varied. 0 leaves a thing as it is; shares are probabilities, 0..1.

    Attributes:
        rotation: up to so many degrees either way.
        scale: natural logarithm of the largest factor, either way.
        shift: along x and y, up to this part of the crop's side either way.
        flip: share of crops that are mirrored.
        brightness: added, up to this either way, to pixels in 0..1.
        contrast: factor on the distance to the picture's mean grey, 1 ± this.
        saturation: factor on the distance to grey, 1 ± this.
        hue: turn of the hue, in parts of a full turn either way, at most 0.5.
        grey: share of crops without colour.
        source_colour: how much of the four strengths of colour sources get, 0..1, drawn on their own.
        blur: share of crops that are blurred.
        blur_sigma: least and greatest standard deviation in pixels.
        shrink: share of crops that are reduced and enlarged again.
        shrink_factors: the factors to choose from, each > 1.
        noise: share of crops with Gaussian noise.
        noise_level: greatest standard deviation, of pixels in 0..1.
        jpeg: share of crops with the traces of JPEG.
        jpeg_quality: lowest and highest quality, 1..100.

    Raises:
        UsageError: a value is out of its range.
    """

    rotation: float = 9.0
    scale: float = 0.09
    shift: float = 0.044
    flip: float = 0.5
    brightness: float = 0.075
    contrast: float = 0.2
    saturation: float = 0.25
    hue: float = 0.0
    grey: float = 0.0
    source_colour: float = 0.0
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.3, 2.0)
    shrink: float = 0.0
    shrink_factors: tuple[float, ...] = (1.5, 2.0, 3.0, 4.0)
    noise: float = 0.0
    noise_level: float = 0.06
    jpeg: float = 0.0
    jpeg_quality: tuple[float, float] = (30.0, 90.0)

    def __post_init__(self) -> None:
        for name in ("flip", "grey", "source_colour", "blur", "shrink", "noise", "jpeg"):
            self._require(name, 0, 1)
        for name, top in (("rotation", 180), ("scale", 1), ("shift", 0.5), ("brightness", 1), ("hue", 0.5)):
            self._require(name, 0, top)
        for name in ("contrast", "saturation", "noise_level"):
            self._require(name, 0, 1)
        low, high = self.jpeg_quality
        if not 1 <= low <= high <= 100:
            raise UsageError(
                f"augmentation jpeg_quality {low:g}, {high:g}: give lowest and highest, 1 to 100"
            )
        low, high = self.blur_sigma
        if not 0 < low <= high <= 16:
            raise UsageError(f"augmentation blur_sigma {low:g}, {high:g}: give least and greatest, up to 16")
        if not self.shrink_factors or min(self.shrink_factors) <= 1:
            raise UsageError("augmentation shrink_factors must be greater than 1")

    def _require(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise UsageError(f"augmentation {name} {value:g} is out of range: give {low:g} to {high:g}")


NONE = Augmentation(
    rotation=0, scale=0, shift=0, flip=0, brightness=0, contrast=0, saturation=0
)  # fmt: skip
"""No augmentation: targets are canonical crops."""


class _Sliced:
    """A dataclass of arrays (n, ...) and of dataclasses like itself that can be sliced along n."""

    def __getitem__(self, part: slice) -> Self:
        return replace(self, **{f.name: getattr(self, f.name)[part] for f in fields(self)})  # type: ignore[type-var, arg-type]


@dataclass(frozen=True, eq=False)
class Colour(_Sliced):
    """Changes of colour, (n,) float32 each: see `Augmentation`; `grey` is 0 or 1."""

    brightness: Values
    contrast: Values
    saturation: Values
    hue: Values
    grey: Values


@dataclass(frozen=True, eq=False)
class Parameters(_Sliced):
    """What is done to n samples; degradations that a sample does not get are 0.

    Attributes:
        rotation: (n,) radians.
        scale: (n,) factor.
        shift: (n, 2) x and y in parts of the crop's side.
        mirrored: (n,) 1 or -1.
        colour: of targets.
        source_colour: of sources.
        blur: (n,) standard deviation in pixels.
        shrink: (n,) factor.
        noise: (n,) standard deviation, of pixels in 0..1.
        noise_seed: (n,) int64.
        jpeg: (n,) quality.
    """

    rotation: Values
    scale: Values
    shift: Values
    mirrored: Values
    colour: Colour
    source_colour: Colour
    blur: Values
    shrink: Values
    noise: Values
    noise_seed: npt.NDArray[np.int64]
    jpeg: Values

    def __len__(self) -> int:
        return len(self.rotation)

    def theta(self, crop: float) -> Tensor:
        """Maps (n, 2, 3) from augmented crops into their squares, of which the crop is this part, 0..1."""
        cosine = np.cos(self.rotation) * self.scale * crop
        sine = np.sin(self.rotation) * self.scale * crop
        shift = 2 * crop * self.shift
        rows = [
            np.stack([cosine * self.mirrored, -sine, shift[:, 0]], 1),
            np.stack([sine * self.mirrored, cosine, shift[:, 1]], 1),
        ]
        return torch.from_numpy(np.stack(rows, 1).astype(np.float32))

    def back(self, crop: float) -> Tensor:
        """Maps (n, 2, 3) from canonical crops into augmented ones: warping by them undoes the geometry."""
        middle = torch.tensor([[crop, 0, 0], [0, crop, 0]], dtype=torch.float64)
        return compose(middle.expand(len(self), 2, 3), inverse(self.theta(crop).double())).float()


def draw(settings: Augmentation, seed: int, step: int, n: int) -> Parameters:
    """Draw the parameters of all n samples of a step; the same ones whenever asked."""
    random = generator(seed, step, AUGMENTATION)

    def either_way(strength: float, *shape: int) -> Values:
        return np.asarray((random.random((n, *shape)) * 2 - 1) * strength, np.float32)

    def sometimes(share: float, values: npt.NDArray[np.float64]) -> Values:
        return np.where(random.random(n) < share, values, 0).astype(np.float32)

    def colour(share: float) -> Colour:
        return Colour(
            either_way(settings.brightness * share),
            1 + either_way(settings.contrast * share),
            1 + either_way(settings.saturation * share),
            either_way(settings.hue * share * math.tau),
            sometimes(settings.grey * (share > 0), np.ones(n)),
        )

    return Parameters(
        rotation=either_way(math.radians(settings.rotation)),
        scale=np.exp(either_way(settings.scale)),
        shift=either_way(settings.shift, 2),
        mirrored=1 - 2 * sometimes(settings.flip, np.ones(n)),
        colour=colour(1),
        source_colour=colour(settings.source_colour),
        blur=sometimes(settings.blur, random.uniform(*settings.blur_sigma, n)),
        shrink=sometimes(settings.shrink, random.choice(settings.shrink_factors, n)),
        noise=sometimes(settings.noise, random.uniform(0, settings.noise_level, n)),
        noise_seed=random.integers(0, 2**62, n),
        jpeg=sometimes(settings.jpeg, random.uniform(*settings.jpeg_quality, n)),
    )
