"""Patches of eyes and mouth, soft regions, and the discriminators of omote-swap-128."""

import math

import pytest

from tests.module_checks import assert_gradients_reach

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from omote.training.data.crops import compose, inverse, warp  # noqa: E402
from omote.training.networks.swap128_judges import CropJudge, FeatureJudge, part_judge  # noqa: E402
from omote.training.parts import EXPRESSIVE, EYES, MOUTH, cut, moved, patch_map, soft_regions  # noqa: E402


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def face(mouth=(0.0, 0.6), eyes=((-0.3, -0.1), (0.3, -0.1))):
    """A mesh whose parts stand where they are said to."""
    points = torch.zeros(1, 478, 2)
    points[:, list(MOUTH.points + EXPRESSIVE[0].points)] = torch.tensor(mouth)
    for place, blob, corners in zip(eyes, EXPRESSIVE[1:], ((33, 133), (362, 263)), strict=True):
        points[:, list(blob.points + corners)] = torch.tensor(place)
    return points


def ramp(side=128):
    """A crop whose first two channels say where a pixel is, -1..1."""
    axis = (torch.arange(side) * 2 + 1) / side - 1
    return torch.stack([axis.expand(side, side), axis[:, None].expand(side, side)])[None]


# --- patches


@pytest.mark.parametrize(("part", "place"), [(EYES, (0.0, -0.1)), (MOUTH, (0.0, 0.6))])
def test_a_patch_shows_its_part_pixel_by_pixel(part, place):
    patch = cut(ramp(), patch_map(face(), part), part)
    assert patch.shape == (1, 2, part.height, part.width)
    assert patch.mean((2, 3))[0].tolist() == pytest.approx(place, abs=0.02)
    steps = patch[0, 0, :, 1:] - patch[0, 0, :, :-1]
    torch.testing.assert_close(steps.median(), torch.tensor(2 / 128), atol=1e-4, rtol=0)


def test_patches_follow_the_augmentation():
    turn = torch.tensor([[[1.1, -0.2, 0.05], [0.2, 1.1, -0.03]]])
    crop = torch.nn.functional.interpolate(noise(1, 3, 12, 12), 128, mode="bicubic")
    back = inverse(turn)  # brings what was warped by `turn` back
    straight = cut(crop, patch_map(face(), MOUTH), MOUTH)
    turned = cut(warp(crop, turn, 128), compose(patch_map(face(), MOUTH), back), MOUTH)
    torch.testing.assert_close(turned, straight, atol=0.1, rtol=0)
    middle = cut(ramp(), compose(patch_map(face(), MOUTH), back), MOUTH).mean((2, 3))
    torch.testing.assert_close(middle, moved(face(), back)[:, 13], atol=0.02, rtol=0)


def test_patches_are_differentiable():
    crops = noise(2, 3, 128, 128).requires_grad_()
    points = face().expand(2, -1, -1)
    cut(crops, patch_map(points, EYES), EYES)[0].square().sum().backward()
    assert crops.grad[0].abs().sum() > 0
    assert crops.grad[1].abs().sum() == 0


# --- regions


def test_regions_peak_at_mouth_and_eyes():
    spots = soft_regions(face(), 64)
    assert spots.shape == (1, 1, 64, 64)

    def at(x, y):
        return spots[0, 0, int((y + 1) * 32), int((x + 1) * 32)].item()

    assert at(0.0, 0.6) == pytest.approx(1, abs=0.01)
    assert at(-0.3, -0.1) == at(0.3, -0.1) == pytest.approx(0.5, abs=0.01)
    assert at(0.0, 0.2) < 0.05
    assert spots[0, 0, 0].max() < 1e-6


def test_regions_are_wider_than_high():
    spots = soft_regions(face(), 64)[0, 0] > 0.3
    mouth = spots[40:]
    assert mouth.any(0).sum() > 1.3 * mouth.any(1).sum()


# --- discriminators


def test_the_crop_judge_gives_two_verdicts_and_is_spectrally_normalised():
    judge = CropJudge(width=8)
    fine, coarse = judge(noise(2, 3, 64, 64))
    assert fine.logits.shape == (2, 1, 8, 8)
    assert coarse.logits.shape == (2, 1, 4, 4)
    assert len(fine.features) == 4
    for _ in range(30):  # power iterations
        judge(noise(2, 3, 64, 64))
    weight = judge.eval().scales[0].layers[1].weight.flatten(1)
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("part", [EYES, MOUTH])
def test_a_part_judge_takes_its_patches(part):
    verdict = part_judge(8)(noise(2, 3, part.height, part.width))
    assert verdict.logits.shape == (2, 1, part.height // 8, part.width // 8)


def test_logits_begin_small_and_features_do_not_die():
    torch.manual_seed(1)
    verdict = part_judge()(noise(4, 3, 48, 64))
    assert verdict.logits.abs().mean() < 0.6
    assert all(0.3 < f.square().mean().sqrt() < 3 for f in verdict.features)


def test_the_feature_judge_does_not_care_how_long_features_are():
    judge = FeatureJudge((4, 8), width=6)
    maps = [noise(2, 4, 9, 9).relu(), noise(2, 8, 5, 5).relu()]
    logits = judge(maps)
    assert [tuple(v.shape) for v in logits] == [(2, 1, 5, 5), (2, 1, 5, 5)]
    for a, b in zip(logits, judge([m * 7 for m in maps]), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["crop", "part", "feature"])
def test_gradients_reach_all_of_every_judge(name):
    torch.manual_seed(2)
    made = {
        "crop": (CropJudge(8), lambda j: torch.cat([v.logits.flatten() for v in j(noise(2, 3, 64, 64))])),
        "part": (part_judge(8), lambda j: j(noise(2, 3, 48, 64)).logits),
        "feature": (
            FeatureJudge((4, 8), 6),
            lambda j: torch.cat([v.flatten() for v in j([noise(2, 4, 9, 9), noise(2, 8, 5, 5)])]),
        ),
    }
    judge, call = made[name]
    assert_gradients_reach(judge, lambda: call(judge))


def test_a_unit_map_has_entries_of_about_one():
    judge = FeatureJudge((64,), width=6)
    seen = []
    judge.heads[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    judge([noise(1, 64, 5, 5)])
    assert seen[0].square().mean().sqrt().item() == pytest.approx(1, abs=1e-3)
    assert math.isfinite(judge([torch.zeros(1, 64, 5, 5)])[0].sum().item())
