"""Drawn faces: what a smoke run learns, without any data."""

import cv2
import numpy as np
import numpy.typing as npt
import torch

from omote.training.data.faces import FaceSet
from omote.training.data.regions import REGIONS, RegionFaces

Bytes = npt.NDArray[np.uint8]

FACES = 8
_SQUARE, _BORDER = 160, 16


def drawn_faces() -> FaceSet:
    """Eight drawn faces of eight people, in the canonical framing."""
    return drawn_regions()


def drawn_regions() -> RegionFaces:
    """The same with their masks."""
    random = np.random.default_rng(7)
    pixels, masks = map(np.stack, zip(*(_drawn(random) for _ in range(FACES)), strict=True))
    names = np.array([f"drawn_{index}" for index in range(FACES)], object)
    empty = np.full(FACES, "", object)
    points = np.tile(
        np.array([[60, 76], [100, 76], [80, 99], [64, 120], [96, 120]], np.float32), (FACES, 1, 1)
    )
    columns = {
        "name": names,
        "identity": names,
        "person": np.arange(FACES),
        "split": np.full(FACES, "train", object),
        "source": np.full(FACES, "drawn", object),
        "sex": empty,
        "licence": empty,
        "valid": np.ones(FACES, np.float32),
        "points": points,
        "bytes": np.zeros(FACES, np.int64),
    }
    return RegionFaces(
        torch.from_numpy(pixels), _BORDER, columns, label="drawn faces", masks=torch.from_numpy(masks)
    )


def _drawn(random: np.random.Generator) -> tuple[Bytes, Bytes]:
    """One (160, 160, 3) face: skin, hair, brows, eyes, nose and mouth of a colour and shape of its own.

    And its (160, 160) mask.
    """

    def colour(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(value) for value in random.integers(low, high, 3))

    picture = np.full((_SQUARE, _SQUARE, 3), colour(40, 220), np.uint8)
    mask = np.zeros((_SQUARE, _SQUARE), np.uint8)

    def ellipse(
        region: str,
        middle: tuple[int, int],
        radii: tuple[int, int],
        fill: tuple[int, ...],
        begin: int = 0,
    ) -> None:
        cv2.ellipse(picture, middle, radii, 0, begin, 360, fill, -1, cv2.LINE_AA)
        cv2.ellipse(mask, middle, radii, 0, begin, 360, REGIONS.index(region), -1)

    def line(
        region: str, begin: tuple[int, int], end: tuple[int, int], fill: tuple[int, ...], width: int
    ) -> None:
        cv2.line(picture, begin, end, fill, width, cv2.LINE_AA)
        cv2.line(mask, begin, end, REGIONS.index(region), width)

    skin = tuple(int(v) for v in np.array([225, 180, 150]) * random.uniform(0.35, 1.1))
    width, height = int(random.integers(40, 54)), int(random.integers(58, 70))
    ellipse("hair", (80, 88), (width + 6, height + 8), colour(10, 120), 180)
    ellipse("skin", (80, 94), (width, height), skin)
    iris = colour(20, 140)
    lift = int(random.integers(-4, 5))
    for x in (60, 100):
        ellipse("eye", (x, 76), (9, int(random.integers(3, 7))), (240,) * 3)
        ellipse("eye", (x, 76), (4, 4), iris)
        line("brow", (x - 10, 64 + lift), (x + 10, 64 - lift), colour(10, 90), 3)
    line("nose", (80, 80), (80 + int(random.integers(-6, 7)), 99), colour(60, 160), 2)
    opening = int(random.integers(2, 9))
    ellipse("lip", (80, 120), (16, opening), (190, 60, 70))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8), mask
