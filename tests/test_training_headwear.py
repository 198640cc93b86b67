"""Hats drawn on heads, and hair made smooth."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.training.data import headwear  # noqa: E402
from omote.training.data.headwear import with_headwear  # noqa: E402
from omote.training.data.regions import REGIONS  # noqa: E402

SIDE = 128
BROW, EYE, HAIR, HAT, SKIN = (REGIONS.index(name) for name in ("brow", "eye", "hair", "hat", "skin"))
CROWN, BROWS = 20, 60
"""Rows of them."""


def heads(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey photos of round heads with striped hair, a mirror's image of each above its photo's rim."""
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[(x - 64) ** 2 + (y - 64) ** 2 < 44**2] = HAIR
    mask[(x - 64) ** 2 / 30**2 + (y - 70) ** 2 / 34**2 < 1] = SKIN
    mask[BROWS : BROWS + 3, 42:87], mask[BROWS + 3 : BROWS + 8, 42:87] = BROW, EYE
    mask[:CROWN] = mask[CROWN : 2 * CROWN][::-1]
    picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    picture[mask == HAIR] = np.where(x[mask == HAIR] % 4 < 2, 40, 120)[:, None]
    return torch.from_numpy(picture).repeat(count, 1, 1, 1), torch.from_numpy(mask).repeat(count, 1, 1)


def test_a_hat_lies_over_the_head_and_hides_no_feature():
    squares, masks = heads(32)
    pictures, labels = with_headwear(squares, masks, 1.0, 0.0, 5, 0)
    changed = labels != masks
    assert changed.flatten(1).any(1).float().mean() > 0.9, "but where it came out too small to be one"
    assert (labels[changed] == HAT).all()
    assert (labels[masks == EYE] == EYE).all()
    assert (labels[:, : CROWN - 12] != HAT).float().mean() > 0.85, "hardly any on the mirror's image"
    assert ((labels == HAT) & (masks == HAIR)).flatten(1).any(1).float().mean() > 0.9
    assert ((labels == HAIR)[:, CROWN:].flatten(1).sum(1) > 200).float().mean() > 0.6, "hair shows under most"
    far = (labels != HAT) & (torch.arange(SIDE) > 122)[None, :, None]
    assert (pictures[far].int() - squares[far].int()).abs().max() <= 4, "but for shadow, all stays"
    drawn = pictures[labels == HAT].int() - squares[labels == HAT].int()
    assert drawn.abs().float().mean() > 20


def test_who_wears_a_hat_keeps_it():
    squares, masks = heads(4)
    masks[:, CROWN : CROWN + 10, 50:80] = HAT
    pictures, labels = with_headwear(squares, masks, 0.5, 0.5, 5, 0)
    assert torch.equal(pictures, squares)
    assert torch.equal(labels, masks)


def test_a_face_without_brows_or_room_above_them_gets_none():
    squares, masks = heads(6)
    masks[:4][masks[:4] == BROW] = SKIN
    masks[2:4, BROWS, 64] = BROW  # a speck
    masks[4:, : BROWS - 4] = 0
    pictures, labels = with_headwear(squares, masks, 1.0, 0.0, 5, 0)
    assert torch.equal(pictures, squares)
    assert torch.equal(labels, masks)


def test_smooth_hair_is_hair(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(headwear, "_WIGS", 0.0)
    squares, masks = heads(8)
    pictures, labels = with_headwear(squares, masks, 0.0, 1.0, 5, 0)
    assert torch.equal(labels, masks)
    hair = (masks == HAIR) & (masks.roll(1, 2) == HAIR) & (masks.roll(-1, 2) == HAIR)

    def roughness(photos: torch.Tensor) -> float:
        luma = photos.float().mean(3)
        return float((luma - luma.roll(1, 2)).abs()[hair].mean())

    assert roughness(pictures) < 0.5 * roughness(squares)
    assert (pictures[masks == EYE].int() - squares[masks == EYE].int()).abs().max() <= 1


def test_a_bob_is_hair_down_to_the_brows_and_the_ears(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(headwear, "_WIGS", 1.0)
    squares, masks = heads(16)
    pictures, labels = with_headwear(squares, masks, 0.0, 1.0, 5, 0)
    changed = labels != masks
    assert changed.flatten(1).any(1).all()
    assert (labels[changed] == HAIR).all()
    assert (labels[masks == EYE] == EYE).all()
    forehead = masks == SKIN
    forehead[:, BROWS - 8 :] = False
    assert (labels[forehead] == HAIR).float().mean() > 0.4
    beside = torch.arange(SIDE) < 40
    assert (changed[:, BROWS + 10 :] & beside).flatten(1).any(1).float().mean() > 0.9
    drawn = pictures[changed].int() - squares[changed].int()
    assert drawn.abs().float().mean() > 20


def test_what_is_drawn_follows_from_seed_step_and_row():
    squares, masks = heads(8)
    whole = with_headwear(squares, masks, 0.5, 0.3, 5, 0)
    part = with_headwear(squares[3:], masks[3:], 0.5, 0.3, 5, 0, first=3)
    assert torch.equal(whole[0][3:], part[0])
    assert torch.equal(whole[1][3:], part[1])
    hats = (whole[1] == HAT).flatten(1).any(1)
    assert 0 < hats.sum() < 8
    assert not torch.equal(whole[1], with_headwear(squares, masks, 0.5, 0.3, 5, 1)[1])
