"""What drawn things are made of: skin, cloth, one colour, pieces of other pictures, and light on them."""

import cv2
import numpy as np
import numpy.typing as npt

from omote.training.data.regions import REGIONS

Array = npt.NDArray[np.float32]
Random = np.random.Generator

_SKIN = REGIONS.index("skin")


def any_stuff(
    random: Random, cover: Array, own: Array, labels: npt.NDArray[np.integer], other: Array
) -> Array:
    """Colours (3, S, S) in 0..1: skin, one colour, or a piece of another picture."""
    kind = random.random()
    if kind < 0.4 and (labels == _SKIN).any():  # hands are mostly the person's own
        skin = own[:, labels == _SKIN]
        colour = skin[:, random.integers(skin.shape[1], size=16)].mean(1) * random.uniform(0.75, 1.15)
        stuff = np.broadcast_to(colour[:, None, None], own.shape).copy()
    elif kind < 0.65:
        stuff = np.broadcast_to(random.uniform(0, 1, (3, 1, 1)), own.shape).copy()
    else:
        stuff = piece(random, other)
    return lit(random, stuff, cover)


def cloth(random: Random, cover: Array, other: Array) -> Array:
    """Colours (3, S, S) in 0..1 of a worn mask: white, light blue, dark or any, with pleats, or a pattern."""
    side = cover.shape[0]
    kind = random.random()
    if kind < 0.15:
        return lit(random, piece(random, other), cover)
    if kind < 0.45:
        colour = random.uniform(0.8, 1.0) * random.uniform(0.94, 1.0, 3)
    elif kind < 0.65:
        colour = np.array([0.5, 0.72, 0.88]) + random.uniform(-0.12, 0.12, 3)
    elif kind < 0.85:
        colour = random.uniform(0.02, 0.2) * random.uniform(0.8, 1.2, 3)
    else:
        colour = random.uniform(0, 1, 3)
    y = np.linspace(0, 1, side)[:, None] + random.uniform(-0.1, 0.1) * np.linspace(0, 1, side)[None]
    pleats = 1 - random.choice([0, 0.12, 0.25]) * np.maximum(np.sin(y * random.uniform(40, 110)), 0) ** 4
    return lit(random, np.asarray(colour[:, None, None] * pleats, np.float32), cover)


def grille(random: Random, cover: Array) -> Array:
    """Colours (3, S, S) in 0..1 of a microphone: metal with the mesh of its ball, or coloured foam."""
    side = cover.shape[0]
    foam = random.random() < 0.3
    colour = random.uniform(0, 1, 3) if foam else random.uniform(0.03, 0.65) * random.uniform(0.9, 1.1, 3)
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    turn, period = random.uniform(0, np.pi), random.uniform(0.012, 0.035) * side
    across, along = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    holes = abs(np.sin(np.pi * across / period) * np.sin(np.pi * along / period))
    depth = 0 if foam else random.choice([0, 0.3, 0.6])
    top = int(np.flatnonzero((cover > 0.5).any(1))[0])
    middle = np.flatnonzero(cover[top] > 0.5).mean() + random.uniform(-0.05, 0.05) * side
    far = np.hypot(x - middle, y - top - random.uniform(0.02, 0.12) * side)
    shine = random.uniform(0, 0.5) * np.exp(-((far / (random.uniform(0.02, 0.06) * side)) ** 2))
    return lit(random, np.asarray(colour[:, None, None] * (1 - depth * holes) + shine, np.float32), cover)


def lit(random: Random, stuff: Array, cover: Array) -> Array:
    """Colours with some grain, lit from one side, and darker where the thing turns away."""
    side = cover.shape[0]
    grain = cv2.resize(
        random.standard_normal((side // 8, side // 8)).astype(np.float32),
        (side, side),
        interpolation=cv2.INTER_CUBIC,
    )
    stuff = stuff * (1 + random.uniform(0, 0.12) * grain)
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    turn = random.uniform(0, 2 * np.pi)
    stuff = stuff * (1 + random.uniform(0, 0.35) * (np.cos(turn) * x + np.sin(turn) * y))
    inside = cv2.distanceTransform((cover > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    rounded = np.minimum(inside / (0.06 * side), 1)  # edges that turn away from the light
    shaded = stuff * (1 - random.uniform(0, 0.5) * (1 - rounded))
    return np.asarray(np.clip(shaded, 0, 1), np.float32)


def piece(random: Random, other: Array) -> Array:
    """Part of another picture's rim, where its background, hair and clothes are, turned and enlarged."""
    side = other.shape[-1]
    part = max(int(side * random.uniform(0.2, 0.45)), 4)
    along = int(random.integers(side - part + 1))
    row, column = random.permutation([along, int(random.choice([0, side - part]))])
    cut = np.ascontiguousarray(other[:, row : row + part, column : column + part].transpose(1, 2, 0))
    cut = np.rot90(cut, int(random.integers(4)))
    return np.asarray(cv2.resize(np.ascontiguousarray(cut), (side, side)).transpose(2, 0, 1), np.float32)
