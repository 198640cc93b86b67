"""Things drawn before a face, with their masks: hands, microphones, bars, discs, worn masks, leaves of cloth.

Masks of what hides a face are rare, so such things are drawn on faces whose regions are known (Nirkin et al.,
"On Face Segmentation, Face Swapping, and Face Perception", FG 2018; Voo et al., "Delving into High-Quality
Synthetic Face Occlusion Segmentation Datasets", CVPRW 2022, who paste photos of things).
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omote.training.data.regions import OCCLUDER
from omote.training.data.seeds import generator
from omote.training.data.textures import any_stuff, cloth, grille

Array = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Random = np.random.Generator
Shape = Callable[[Random, Bytes], None]
"""Draws a thing, 255, on a square canvas of zeros."""

_STREAM = 1000
"""Streams of numbers from here on belong to the rows of a batch."""
_FINE = 4
"""Shapes are drawn so many times larger, for soft edges."""


def occluded(
    pictures: Tensor, masks: Tensor, share: float, seed: int, step: int, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw something before some of the faces.

    What a row gets follows from the seed, the step and its number in the whole batch alone, but for the other
    picture that a texture may be cut from: the row before it in what is given.

    Args:
        pictures: (B, 3, S, S) in 0..1.
        masks: (B, S, S) integers, numbers of `REGIONS`.
        share: of faces that get something, 0..1.
        seed: of the run.
        step: number of the step.
        first: number of the first row in the whole batch.

    Returns:
        Pictures and masks, new where anything was drawn; there the masks say `occluder`.
    """
    pixels, labels = pictures.cpu().numpy().copy(), masks.cpu().numpy().copy()
    clean = pictures.cpu().numpy()
    for row in range(len(pixels)):
        random = generator(seed, step, _STREAM + first + row)
        if random.random() < share:
            kind, side = random.random(), pixels.shape[-1]
            if kind < _WORN:
                cover = draw_shape(random, side, (_worn,))
                stuff = cloth(random, cover, clean[row - 1])
            elif kind < _WORN + _MICROPHONES:
                cover = draw_shape(random, side, (_microphone,))
                stuff = grille(random, cover)
            else:
                cover = draw_shape(random, side, _SHAPES)
                stuff = any_stuff(random, cover, clean[row], labels[row], clean[row - 1])
            pixels[row] = pixels[row] * (1 - cover) + stuff * cover
            labels[row][cover > 0.5] = OCCLUDER
    return torch.from_numpy(pixels).to(pictures), torch.from_numpy(labels).to(masks)


def draw_shape(random: Random, side: int, shapes: Sequence[Shape] | None = None) -> Array:
    """Cover of one thing, (side, side) in 0..1; never empty, and never most of the picture.

    Args:
        random: where all chance comes from.
        side: of the picture in pixels.
        shapes: what it may be; anything unless given.
    """
    chosen = _SHAPES if shapes is None else shapes
    for _ in range(8):
        cover = _drawn(random, side, chosen[int(random.integers(len(chosen)))])
        if 0.004 < cover.mean() < 0.4:
            break
    return cover


def _drawn(random: Random, side: int, shape: Shape) -> Array:
    fine = side * _FINE
    canvas = np.zeros((fine, fine), np.uint8)
    shape(random, canvas)
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(small, (0, 0), random.uniform(0.3, 0.9)), np.float32)


# ---------------------------------------------------------------- shapes, on a canvas; lengths in its sides


def _hand(random: Random, canvas: Bytes) -> None:
    """A palm and three to five fingers, spread or together, from any side."""
    angle = random.uniform(0, 2 * np.pi)
    middle = 0.5 + random.uniform(0.1, 0.42) * np.array([np.cos(angle), np.sin(angle)])
    towards = angle + np.pi + random.uniform(-0.9, 0.9)
    palm = random.uniform(0.08, 0.15)
    _blob(canvas, middle, (palm, palm * random.uniform(0.8, 1.2)), towards)
    _stroke(canvas, middle, middle - 0.8 * _step(towards), 1.3 * palm)  # the arm
    spread = random.uniform(0.1, 0.35)
    count = int(random.integers(3, 6))
    for finger in range(count):
        turn = towards + spread * (finger - (count - 1) / 2)
        root = middle + palm * 0.8 * _step(turn)
        length = palm * random.uniform(0.9, 2.0)
        _stroke(canvas, root, root + length * _step(turn), palm * random.uniform(0.32, 0.5))


def _microphone(random: Random, canvas: Bytes) -> None:
    """A ball on a stick, about the mouth, from below."""
    head = np.array([random.uniform(0.25, 0.75), random.uniform(0.62, 0.95)])
    radius = random.uniform(0.05, 0.12)
    _blob(canvas, head, (radius, radius * random.uniform(1, 1.4)), random.uniform(0, np.pi))
    down = np.pi / 2 + random.uniform(-0.9, 0.9)
    _stroke(canvas, head, head + _step(down), radius * random.uniform(0.7, 1.4))


def _bar(random: Random, canvas: Bytes) -> None:
    """A straight thing across the face: a pole, a cigarette, a straw, the edge of a book."""
    middle, turn = random.uniform(0.2, 0.8, 2), random.uniform(0, np.pi)
    reach = random.choice([0.15, 0.3, 1.0]) * _step(turn)
    begin = middle - reach if random.random() < 0.5 else middle
    _stroke(canvas, begin, middle + reach, random.uniform(0.025, 0.14), capped=random.random() < 0.5)


def _disc(random: Random, canvas: Bytes) -> None:
    """A round thing: food, a ball, a cup."""
    middle = np.array([random.uniform(0.1, 0.9), random.uniform(0.3, 1.0)])
    radius = random.uniform(0.06, 0.22)
    _blob(canvas, middle, (radius, radius * random.uniform(0.6, 1)), random.uniform(0, np.pi))


def _worn(random: Random, canvas: Bytes) -> None:
    """A mask with straps, from the nose to the jaw or below."""
    top = random.uniform(0.5, 0.66)
    width = random.uniform(0.26, 0.44)
    x, sag = 0.5 + random.uniform(-0.06, 0.06), random.uniform(0.0, 0.08)
    chin = random.uniform(0.9, 1.1)
    outline = [
        (x - width, top + 0.06), (x - 0.5 * width, top + sag / 2), (x, top - sag),
        (x + 0.5 * width, top + sag / 2), (x + width, top + 0.06),
        (x + 0.85 * width, chin - 0.1), (x, chin), (x - 0.85 * width, chin - 0.1),
    ]  # fmt: skip
    _polygon(canvas, np.array(outline))
    for sign in (-1, 1):
        ear = np.array([x + sign * 0.4, top - random.uniform(0, 0.1)])
        _stroke(canvas, np.array([x + sign * width * 0.95, top + 0.08]), ear, 0.012)


def _leaf(random: Random, canvas: Bytes) -> None:
    """Any roundish or jagged thing that comes in from the rim: cloth, a plant, a shoulder."""
    angle = random.uniform(0, 2 * np.pi)
    middle = 0.5 + random.uniform(0.3, 0.6) * np.array([np.cos(angle), np.sin(angle)])
    turns = np.linspace(0, 2 * np.pi, int(random.integers(5, 14)), endpoint=False)
    far = random.uniform(0.12, 0.4) * random.uniform(0.5, 1.3, len(turns))
    _polygon(canvas, middle + far[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1))


_SHAPES: tuple[Shape, ...] = (_hand, _hand, _hand, _bar, _disc, _leaf)
_WORN, _MICROPHONES = 0.2, 0.15
"""Share of things that are worn masks, and of microphones, which are made of stuff of their own."""


def _step(angle: float) -> npt.NDArray[np.float64]:
    return np.array([np.cos(angle), np.sin(angle)])


def _at(canvas: Bytes, place: npt.NDArray[np.float64]) -> tuple[int, int]:
    x, y = np.round(place * len(canvas)).astype(int)
    return int(x), int(y)


def _blob(canvas: Bytes, middle: npt.NDArray[np.float64], radii: tuple[float, float], turn: float) -> None:
    sides = [max(round(radius * len(canvas)), 1) for radius in radii]
    cv2.ellipse(canvas, _at(canvas, middle), sides, float(np.degrees(turn)), 0, 360, 255, -1)


def _stroke(
    canvas: Bytes,
    begin: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    width: float,
    capped: bool = True,
) -> None:
    if capped:
        cv2.line(canvas, _at(canvas, begin), _at(canvas, end), 255, max(round(width * len(canvas)), 1))
        return
    along = end - begin
    across = width / 2 * np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
    _polygon(canvas, np.array([begin + across, end + across, end - across, begin - across]))


def _polygon(canvas: Bytes, points: npt.NDArray[np.float64]) -> None:
    cv2.fillPoly(canvas, [np.round(points * len(canvas)).astype(np.int32)], 255)
