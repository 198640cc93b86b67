"""What makes faces hard to know: poor light, glasses, something before them; and faces mixed of two.

All take aligned faces (B, 3, S, S) and draw one row of numbers per sample.
"""

import math

import torch
from torch import Tensor

from omote.training.draws import Draws

EYES = ((0.342, 0.462), (0.656, 0.46))
"""The eyes of the canonical crop, x and y in parts of its side."""


def blend_masks(draws: Draws, side: int, share: float) -> Tensor:
    """Masks (B, 1, S, S) in 0..1 for mixing each face with another; 1 where a face stays as it is.

    A mask is a ramp across the face in any direction, between an even blend and a cut.

    Args:
        draws: of the step.
        side: S.
        share: of faces that are mixed, 0..1.
    """
    drawn = draws.uniform(4)
    x, y = _axes(side, drawn.device)
    angle = _broad(drawn[:, 0]) * math.tau
    steepness = torch.exp(_broad(drawn[:, 1]) * 6 - 3)  # 0.05 .. 20: from even to a cut
    offset = _broad(drawn[:, 2]) - 0.5
    ramp = 0.5 + steepness * (x * torch.cos(angle) + y * torch.sin(angle) - offset) + 0.4 * offset
    return torch.where(_broad(drawn[:, 3]) < share, ramp.clamp(0, 1), 1.0)


def blend(pictures: Tensor, masks: Tensor) -> Tensor:
    """Mix pictures (B, C, S, S) with the ones before them: where the mask is 0, the other is seen."""
    return masks * pictures + (1 - masks) * pictures.roll(1, 0)


def relit(pictures: Tensor, draws: Draws, share: float, darkest: float) -> Tensor:
    """Pictures in -1..1 in less light, from one side: values 0..1 are multiplied by a ramp, then clipped.

    Args:
        pictures: (B, 3, S, S).
        draws: of the step.
        share: of pictures that are relit.
        darkest: the least light in the middle, a factor; it is drawn evenly on a logarithmic scale.
    """
    drawn = draws.uniform(4)
    x, y = _axes(pictures.shape[-1], pictures.device)
    middle = torch.exp(_broad(drawn[:, 0]) * math.log(darkest))
    angle = _broad(drawn[:, 1]) * math.tau
    slope = 0.7 * _broad(drawn[:, 2])
    gain = (middle * (1 + slope * (x * torch.cos(angle) + y * torch.sin(angle)))).clamp(min=0.05)
    gain = torch.where(_broad(drawn[:, 3]) < share, gain, 1.0)
    return ((pictures + 1) * gain - 1).clamp(-1, 1)


def with_glasses(pictures: Tensor, draws: Draws, share: float) -> Tensor:
    """Put glasses on some faces: two lenses, more or less dark, frames and a bridge of one colour.

    Args:
        pictures: (B, 3, S, S), the eyes about where they are in the canonical crop.
        draws: of the step.
        share: of faces that get some.
    """
    drawn = draws.uniform(10)
    x, y = _axes(pictures.shape[-1], pictures.device)
    (left, top), (right, _) = EYES
    middle = 2 * top - 1 + 0.1 * (_broad(drawn[:, 0]) - 0.3)
    apart = (right - left) * (1 + 0.15 * (_broad(drawn[:, 1]) - 0.5))
    width, height = 0.2 + 0.12 * _broad(drawn[:, 2]), 0.14 + 0.14 * _broad(drawn[:, 3])
    roundness = 2 + 4 * _broad(drawn[:, 4])  # of a superellipse: 2 is an ellipse, 6 nearly a box
    across = (x.abs() - apart) / width
    down = (y - middle) / height
    reach = (across.abs() ** roundness + down.abs() ** roundness) ** (1 / roundness)
    thickness = 0.06 + 0.14 * _broad(drawn[:, 5])
    soft = 0.05
    lens = ((1 - reach) / soft).clamp(0, 1)
    frame = ((thickness - (reach - 1).abs()) / soft).clamp(0, 1)
    bridge = (x.abs() < apart - width) & ((y - middle + 0.03).abs() < 0.15 * thickness + 0.015)
    frame = torch.maximum(frame, bridge.float())
    colour = drawn[:, 6:9, None, None] * 1.4 - 1
    dark = _broad(drawn[:, 9])
    wears = _broad(draws.uniform()) < share
    tint = torch.where(dark < 0.4, 0.97 * (1 - dark), 0.1 * dark) * lens * wears
    seen = pictures * (1 - tint) + tint * torch.minimum(colour, torch.tensor(-0.6, device=colour.device))
    return seen * (1 - frame * wears) + colour * frame * wears


def covered(pictures: Tensor, draws: Draws, share: float) -> Tensor:
    """Lay something over part of some faces: a soft-edged ellipse at the rim or below, of one colour or, as
    often, cut from another face.

    Args:
        pictures: (B, 3, S, S).
        draws: of the step.
        share: of faces that are covered.
    """
    drawn = draws.uniform(10)
    x, y = _axes(pictures.shape[-1], pictures.device)
    angle, turn = _broad(drawn[:, 0]) * math.tau, _broad(drawn[:, 1]) * math.pi
    far = 0.5 + 0.5 * _broad(drawn[:, 2])
    dx, dy = x - far * torch.cos(angle), y - far * torch.sin(angle)
    u = (dx * torch.cos(turn) + dy * torch.sin(turn)) / (0.2 + 0.4 * _broad(drawn[:, 3]))
    v = (dy * torch.cos(turn) - dx * torch.sin(turn)) / (0.1 + 0.3 * _broad(drawn[:, 4]))
    cover = ((1 - (u.square() + v.square()).sqrt()) / 0.1).clamp(0, 1)
    cover = cover * (_broad(drawn[:, 5]) < share)
    plain = (drawn[:, 6:9, None, None] * 2 - 1).expand_as(pictures)
    stuff = torch.where(_broad(drawn[:, 9]) < 0.5, plain, pictures.roll(1, 0).flip(2))
    return pictures * (1 - cover) + stuff * cover


def _axes(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """X and y of pixels, -1..1, as (1, 1, 1, S) and (1, 1, S, 1)."""
    middle = (torch.arange(side, device=device, dtype=torch.float32) * 2 + 1) / side - 1
    return middle[None, None, None, :], middle[None, None, :, None]


def _broad(values: Tensor) -> Tensor:
    return values[:, None, None, None]
