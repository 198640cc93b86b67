"""Hats, hoods and bobs drawn on heads, and hair made smooth: what tells a hat from hair is not where it ends.

Faces that lend their hats (`omote.training.data.lent`) wear them on the forehead for the most part. A network
that saw only those takes a beret or a hood that leaves hair free for hair, and a bob with a fringe for a hat.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.training.data.regions import REGIONS
from omote.training.data.seeds import generator
from omote.training.data.textures import lit, piece

Array = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.integer]
Random = np.random.Generator

_STREAM = 3000
"""Streams of numbers from here on belong to the rows of a batch."""
_BROW, _HAIR, _HAT = (REGIONS.index(name) for name in ("brow", "hair", "hat"))
_HEAD = [REGIONS.index(name) for name in ("skin", "brow", "eye", "glasses", "nose", "hair", "ear")]
_FREE = [REGIONS.index(name) for name in ("eye", "glasses", "nose", "lip", "mouth")]
"""What no hat and no hood hides."""
_LEAST = 0.02
"""Share of the picture that hair must have to be made smooth, and a drawn hat to count as one."""
_HOOD = 0.3
"""Share of drawn headwear that goes down beside the face."""
_WIGS = 0.5
"""Share of smooth hair that is drawn anew, with a fringe and long at the sides."""


def with_headwear(
    squares: Tensor, masks: Tensor, share: float, smooth: float, seed: int, step: int, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw hats or hoods on some of the heads without one, and make the hair of some others smooth.

    What a row gets follows from the seed, the step and its number in the whole batch alone, but for the other
    picture that a texture may be cut from: the row before it in what is given.

    Args:
        squares: (B, N, N, 3) uint8.
        masks: (B, N, N) uint8, numbers of `REGIONS`.
        share: of faces that get a hat, 0..1.
        smooth: of faces whose hair is made smooth or drawn as a bob, 0..1; with `share` at most 1.
        seed: of the run.
        step: number of the step.
        first: number of the first row in the whole batch.

    Returns:
        Squares and masks, new ones; where a hat was drawn the masks say `hat`.
    """
    clean = squares.numpy().transpose(0, 3, 1, 2).astype(np.float32) / 255
    pixels, labels = clean.copy(), masks.numpy().copy()
    for row in range(len(pixels)):
        random = generator(seed, step, _STREAM + first + row)
        chance = random.random()
        if chance >= share + smooth or (labels[row] == _HAT).any():
            continue
        if chance < share:
            _put_on(random, pixels[row], labels[row], clean[row - 1])
        elif chance < share + smooth * _WIGS:
            _wig(random, pixels[row], labels[row])
        else:
            _smooth(random, pixels[row], labels[row])
    as_bytes = np.round(pixels.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(as_bytes)), torch.from_numpy(labels)


def _put_on(random: Random, pixels: Array, labels: Labels, other: Array) -> None:
    """Draw a hat or a hood on a head, in place; nothing where brows are missing or no room is above them."""
    covered = _hat(random, labels)
    if covered is None:
        return
    edge = random.uniform(0.4, 1.2)
    cover = np.asarray(cv2.GaussianBlur(covered.astype(np.float32), (0, 0), edge), np.float32)
    shadow = cv2.GaussianBlur(cover, (0, 0), random.uniform(2, 8)) * random.uniform(0, 0.5)
    coloured = lit(random, _material(random, pixels, labels, other), cover)
    pixels[:] = pixels * (1 - shadow) * (1 - cover) + coloured * cover
    labels[cover > 0.5] = _HAT


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    """A head, measured by its brows, in pixels.

    Attributes:
        there: (N, N), where it is.
        x, y: (N, N), places of the pixels: aside of its middle, and from the top of the picture.
        width: of the face.
        crown: its highest row.
        brows: the highest row of the brows.
    """

    there: Flags
    x: Array
    y: Array
    width: float
    crown: int
    brows: int

    @property
    def forehead(self) -> int:
        """From the crown to the brows."""
        return self.brows - self.crown


def _measured(labels: Labels) -> _Head | None:
    """The head of these regions; None where no brows are to measure by, or hardly anything is above them."""
    brow = labels == _BROW
    if not brow.any():
        return None
    columns, brows = np.flatnonzero(brow.any(0)), int(np.flatnonzero(brow.any(1))[0])
    width = 1.5 * float(np.ptp(columns))
    x, y = np.meshgrid(np.arange(len(labels)) - columns[[0, -1]].mean(), np.arange(len(labels)))
    head = np.isin(labels, _HEAD) & (abs(x) < 0.75 * width)
    # Heads narrow to their crown; what widens again above it is a mirror's image beyond the photo's rim.
    highest = max(brows - round(width), 0)
    spans = head[highest:brows].sum(1)
    if not spans.any():
        return None
    crown = highest + int(np.flatnonzero(spans <= spans.min() + 2)[-1])
    head[:crown] = False
    return _Head(head, x, y, width, crown, brows) if brows - crown >= 0.2 * width else None


def _hat(random: Random, labels: Labels) -> Flags | None:
    """Where something worn on the head would be, (N, N)."""
    head = _measured(labels)
    if head is None:
        return None
    outline = _grown(
        head.there, random.uniform(0.0, 0.12) * head.width, random.uniform(0.02, 0.06) * head.width
    )
    wave = _noise(random, len(labels), 16) * random.uniform(0, 0.03) * head.width
    tilt, bend = random.uniform(-0.35, 0.35), random.uniform(-0.15, 0.5)
    if random.random() < _HOOD:
        covered = _hood(random, head, tilt, wave)
    else:
        covered = _cap(random, head, outline, tilt, bend, wave)
    covered = covered & ~np.isin(labels, _FREE)
    return covered if covered.mean() > _LEAST else None


def _hood(random: Random, head: _Head, tilt: float, wave: Array) -> Flags:
    """A hood or a scarf: round the head, with an opening for the face and perhaps its hair."""
    width, aside = head.width, abs(head.x)
    wide = random.uniform(0.45, 0.8) * width
    high = random.uniform(0.6, 1.1) * head.forehead + 0.4 * width
    opening = (head.x / wide) ** 2 + ((head.y - head.brows - 0.4 * width + wave) / high) ** 2 < 1
    below = head.brows + random.uniform(0.4, 1.8) * width + tilt * head.x
    outline = _grown(head.there, random.uniform(0.05, 0.25) * width, 0.06 * width)
    chin = (head.y >= head.brows + 0.3 * width) & (aside <= 0.4 * width)
    return np.asarray(outline & ~opening & ~chin & (head.y < below))


def _cap(random: Random, head: _Head, outline: Flags, tilt: float, bend: float, wave: Array) -> Flags:
    """A cap, a beret or a hat: the top of the head, down to a line that may lie anywhere above the brows."""
    width = head.width
    rim = head.crown + random.uniform(0.15, 1.0) * head.forehead
    line = rim + tilt * head.x - bend * (0.5 * width) * (1 - (2 * head.x / width) ** 2) + wave
    if random.random() < 0.4:  # a beret hangs over
        outline = outline | _ellipse(random, head, (0.35, rim - 0.2 * width), (0.6, 0.95), (0.25, 0.5))
    covered = outline & (head.y < line)
    if random.random() < 0.35:  # a brim
        covered = covered | _ellipse(random, head, (0.1, line), (0.5, 0.95), (0.05, 0.14))
    return np.asarray(covered)


def _ellipse(
    random: Random,
    head: _Head,
    middle: tuple[float, Array | float],
    across: tuple[float, float],
    down: tuple[float, float],
) -> Flags:
    """An ellipse: how far aside it may lie, at which height, and its radii, in widths of the face."""
    aside = random.uniform(-middle[0], middle[0]) * head.width
    wide, high = random.uniform(*across) * head.width, random.uniform(*down) * head.width
    return np.asarray(((head.x - aside) / wide) ** 2 + ((head.y - middle[1]) / high) ** 2 < 1)


def _material(random: Random, pixels: Array, labels: Labels, other: Array) -> Array:
    """Colours (3, N, N): dark, of the hair, any, or a piece of another picture; perhaps knitted."""
    side = pixels.shape[-1]
    kind, hair = random.random(), labels == _HAIR
    if kind < 0.25:
        colour = random.uniform(0.02, 0.25) * random.uniform(0.8, 1.2, 3)
    elif kind < 0.4 and hair.any():
        colour = pixels[:, hair].mean(1) * random.uniform(0.6, 1.4)
    elif kind < 0.75:
        colour = random.uniform(0.05, 1) * random.uniform(0.3, 1, 3)
    else:
        return piece(random, other)
    along = np.linspace(0, 1, side)
    y = along[:, None] * random.uniform(-1, 1) + along[None] * random.uniform(-1, 1)
    ribs = random.choice([0, 0.15, 0.35]) * np.sin(y * random.uniform(80, 260)) ** 2
    grain = _noise(random, side, int(random.choice([2, 3, 5]))) * random.uniform(0, 0.2)
    return np.asarray(colour[:, None, None] * (1 - ribs) * (1 + grain), np.float32)


def _smooth(random: Random, pixels: Array, labels: Labels) -> None:
    """Make hair smooth and perhaps darker, in place: a bob, a helmet of lacquer."""
    hair = (labels == _HAIR).astype(np.float32)
    if hair.mean() < _LEAST:
        return
    spread, kept = random.uniform(2, 8), random.uniform(0, 0.4)
    weight = cv2.GaussianBlur(hair, (0, 0), spread) + 1e-3
    gain = random.uniform(0.2, 1.1)
    cover = cv2.GaussianBlur(hair, (0, 0), 0.8)
    for channel in pixels:
        flat = cv2.GaussianBlur(channel * hair, (0, 0), spread) / weight
        channel[:] = channel * (1 - cover) + gain * (flat + kept * (channel - flat)) * cover
    np.clip(pixels, 0, 1, out=pixels)


def _wig(random: Random, pixels: Array, labels: Labels) -> None:
    """Draw a bob in place: smooth hair with a straight fringe, down to the ears or the shoulders."""
    head = _measured(labels)
    if head is None:
        return
    width, aside = head.width, abs(head.x)
    outline = _grown(head.there, random.uniform(0.03, 0.2) * width, random.uniform(0.02, 0.08) * width)
    fringe = head.brows + random.uniform(-0.6, 0.1) * head.forehead + random.uniform(-0.15, 0.15) * head.x
    wave = _noise(random, len(labels), 8) * random.uniform(0, 0.02) * width
    sides = aside + wave > random.uniform(0.36, 0.5) * width
    ends = head.brows + random.uniform(0.5, 1.6) * width + random.uniform(-0.2, 0.2) * aside
    covered = outline & ((head.y < fringe + wave) | (sides & (head.y < ends))) & ~np.isin(labels, _FREE)
    cover = np.asarray(
        cv2.GaussianBlur(covered.astype(np.float32), (0, 0), random.uniform(0.4, 1.0)), np.float32
    )
    coloured = lit(random, _strands(random, pixels, labels, head), cover)
    pixels[:] = pixels * (1 - cover) + coloured * cover
    labels[cover > 0.5] = _HAIR


def _strands(random: Random, pixels: Array, labels: Labels, head: _Head) -> Array:
    """Colours (3, N, N) of combed hair: that of the head, black, or a natural one, with a band of gloss."""
    side, hair, kind = pixels.shape[-1], labels == _HAIR, random.random()
    if kind < 0.4 and hair.any():
        colour = pixels[:, hair].mean(1) * random.uniform(0.5, 1.2)
    elif kind < 0.8:
        colour = random.uniform(0.02, 0.15) * random.uniform(0.8, 1.2, 3)
    else:
        colour = random.uniform(0.2, 0.9) * np.array([1, random.uniform(0.6, 0.95), random.uniform(0.3, 0.9)])
    combed = cv2.resize(_noise(random, side, 2)[: side // 16], (side, side), interpolation=cv2.INTER_LINEAR)
    height = head.brows - random.uniform(0.2, 0.9) * head.forehead
    gloss = random.uniform(0, 0.25) * np.exp(-(((head.y - height) / (0.15 * head.width)) ** 2))
    strands = 1 + random.uniform(0, 0.35) * combed
    return np.asarray(colour[:, None, None] * strands + gloss * np.maximum(strands, 0), np.float32)


def _grown(flags: Flags, by: float, roundness: float) -> Flags:
    """A region made larger by so many pixels, its outline rounded."""
    far = cv2.distanceTransform((~flags).astype(np.uint8), cv2.DIST_L2, 5) - by
    return np.asarray(cv2.GaussianBlur(np.clip(far, -8, 30), (0, 0), max(roundness, 0.5)) < 0)


def _noise(random: Random, side: int, coarse: int) -> Array:
    """Smooth noise (side, side) of about unit deviation, `coarse` pixels a bump."""
    few = random.standard_normal((side // coarse + 1, side // coarse + 1)).astype(np.float32)
    return np.asarray(cv2.resize(few, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
