"""Smoke runs: a recipe made small learns eight drawn faces by heart, in a minute, without any data."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from omote.errors import OmoteError
from omote.training.data.crops import canonical
from omote.training.data.faces import FaceSet
from omote.training.journal import read_log
from omote.training.loop import Trainer
from omote.training.system import Learnt

FACES = 8
_SQUARE, _BORDER = 160, 16
_FALLEN = 0.8
"""A loss has fallen if its last values are at most this part of its first."""


class SmokeError(OmoteError):
    """A recipe's smoke run did not learn (exit 1)."""


@dataclass(frozen=True, slots=True)
class Smoke:
    """What a smoke run has shown.

    Attributes:
        losses: loss → (mean of its first values, mean of its last).
        learnt: how well the faces are learnt by heart.
    """

    losses: dict[str, tuple[float, float]]
    learnt: Learnt


def drawn_faces() -> FaceSet:
    """Eight drawn faces of eight people, in the canonical framing."""
    random = np.random.default_rng(7)
    pixels = np.stack([_drawn(random) for _ in range(FACES)])
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
    return FaceSet(torch.from_numpy(pixels), _BORDER, columns, label="drawn faces")


def _drawn(random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One (160, 160, 3) face: skin, hair, brows, eyes, nose and mouth of a colour and shape of its own."""

    def colour(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(value) for value in random.integers(low, high, 3))

    picture = np.full((_SQUARE, _SQUARE, 3), colour(40, 220), np.uint8)
    skin = tuple(int(v) for v in np.array([225, 180, 150]) * random.uniform(0.35, 1.1))
    width, height = int(random.integers(40, 54)), int(random.integers(58, 70))
    cv2.ellipse(picture, (80, 88), (width + 6, height + 8), 0, 180, 360, colour(10, 120), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (80, 94), (width, height), 0, 0, 360, skin, -1, cv2.LINE_AA)
    iris = colour(20, 140)
    lift = int(random.integers(-4, 5))
    for x in (60, 100):
        cv2.ellipse(picture, (x, 76), (9, int(random.integers(3, 7))), 0, 0, 360, (240,) * 3, -1, cv2.LINE_AA)
        cv2.circle(picture, (x, 76), 4, iris, -1, cv2.LINE_AA)
        cv2.line(picture, (x - 10, 64 + lift), (x + 10, 64 - lift), colour(10, 90), 3, cv2.LINE_AA)
    cv2.line(picture, (80, 80), (80 + int(random.integers(-6, 7)), 99), colour(60, 160), 2, cv2.LINE_AA)
    opening = int(random.integers(2, 9))
    cv2.ellipse(picture, (80, 120), (16, opening), 0, 0, 360, (190, 60, 70), -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8)


def judge(trainer: Trainer) -> Smoke:
    """Check a smoke run that has ended: its losses have fallen, and its faces are learnt by heart.

    Raises:
        SmokeError: a loss has not fallen, or the faces are not learnt.
    """
    lines = read_log(trainer.folder)
    few = max(len(lines) // 10, 1)

    def mean(name: str, part: list[dict[str, float]]) -> float:
        return float(np.mean([line[name] for line in part]))

    names = trainer.system.falling
    fallen = {name: (mean(name, lines[:few]), mean(name, lines[-few:])) for name in names}
    found = Smoke(fallen, _learnt(trainer))
    for name, (first, last) in fallen.items():
        if last > _FALLEN * first:
            raise SmokeError(
                f"smoke run of {trainer.recipe.name}: {name} went from {first:.3g} to {last:.3g}"
            )
    if found.learnt.value < found.learnt.least:
        raise SmokeError(
            f"smoke run of {trainer.recipe.name}: {found.learnt.what} is {found.learnt.value:.3g}, "
            f"{found.learnt.least:g} expected"
        )
    return found


def _learnt(trainer: Trainer) -> Learnt:
    faces = trainer.batches.faces
    index = torch.arange(min(len(faces), FACES))
    crops = canonical(faces.gather(index), faces.border, trainer.recipe.data.size)
    return trainer.system.learnt(crops.to(trainer.fabric.device), index.to(trainer.fabric.device))
