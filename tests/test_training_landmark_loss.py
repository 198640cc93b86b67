"""Expression, gaze and kept regions: values by hand, what the losses see and what they leave free."""

import math

import pytest

from omote.errors import UsageError
from omote.faces import contours

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from omote.training.losses import (  # noqa: E402
    expression_loss,
    gaze_loss,
    region_feature_loss,
    region_loss,
)
from omote.training.losses.landmarks import WEIGHTS  # noqa: E402

EPS = 0.01
WATCHED = {i for group, _ in WEIGHTS for i in group}
IRISES = contours.LEFT_IRIS + contours.RIGHT_IRIS


def mesh(seed=0):
    return torch.randn(2, 478, 2, generator=torch.Generator().manual_seed(seed))


def moved(points, where, by):
    result = points.clone()
    result[:, list(where)] += torch.tensor(by)
    return result


def rounded(distance):
    return math.sqrt(distance**2 + EPS**2) - EPS


def test_a_shift_of_the_whole_face_counts_as_itself():
    wanted = mesh()
    made = expression_loss(wanted + torch.tensor([0.3, 0.4]), wanted, 2.0)
    torch.testing.assert_close(made, torch.full((2,), rounded(0.25)))


def test_expression_is_measured_in_eye_distances():
    wanted = mesh()
    near, far = (expression_loss(wanted * s + 0.2 * s, wanted * s, 0.5 * s) for s in (1.0, 100.0))
    torch.testing.assert_close(near, far)


def test_small_differences_hardly_count():
    wanted = mesh()
    noise, opening = (expression_loss(wanted + d, wanted, 1.0)[0].item() for d in (0.002, 0.2))
    assert noise < opening / 500  # 100 times smaller


@pytest.mark.parametrize(
    ("heavy", "light"),
    [
        (contours.INNER_LIPS, contours.OUTER_LIPS),
        (contours.LEFT_EYE, contours.LEFT_BROW),
        (contours.OUTER_LIPS, contours.RIGHT_BROW),
        (contours.RIGHT_BROW, (10, 151, 9, 8)),
    ],
)
def test_what_shows_expression_counts_more(heavy, light):
    wanted = mesh()
    first, second = (
        expression_loss(moved(wanted, group, (0.0, 0.1)), wanted, 1.0)[0].item() / len(group)
        for group in (heavy, light)
    )
    assert first > second > 0


def test_the_shape_of_the_face_is_free():
    wanted = mesh()
    free = sorted(set(range(468)) - WATCHED)
    assert len(free) > 300
    assert set(contours.FACE_OVAL) - WATCHED <= set(free)
    assert expression_loss(moved(wanted, free, (0.5, 0.5)), wanted, 1.0).abs().max() == 0


def test_depth_is_not_looked_at():
    wanted = torch.cat([mesh(), mesh(1)[..., :1]], 2)
    made = wanted + torch.tensor([0.0, 0.0, 1.0])
    assert expression_loss(made, wanted, 1.0).abs().max() == 0
    assert gaze_loss(made, wanted, 1.0).abs().max() == 0


def test_gaze_by_hand():
    wanted = mesh()
    made = gaze_loss(moved(wanted, contours.LEFT_IRIS, (0.06, 0.08)), wanted, 0.5)
    torch.testing.assert_close(made, torch.full((2,), rounded(0.2) / 2))


def test_gaze_does_not_care_where_the_eye_is():
    wanted = mesh()
    eye = contours.LEFT_EYE + contours.LEFT_IRIS
    torch.testing.assert_close(
        gaze_loss(moved(wanted, eye, (0.3, -0.2)), wanted, 1.0), torch.zeros(2), atol=1e-6, rtol=0
    )
    assert (gaze_loss(moved(wanted, contours.LEFT_EYE, (0.3, -0.2)), wanted, 1.0) > 0.1).all()


@pytest.mark.parametrize("loss", [expression_loss, gaze_loss])
def test_no_gradient_reaches_the_target(loss):
    fake, target = mesh().requires_grad_(), mesh(1).requires_grad_()
    loss(fake, target, 1.0).sum().backward()
    assert fake.grad.abs().sum() > 0
    assert target.grad is None


@pytest.mark.parametrize("loss", [expression_loss, gaze_loss])
@pytest.mark.parametrize("distance", [0.0, -1.0, math.nan])
def test_an_eye_distance_must_be_positive(loss, distance):
    with pytest.raises(UsageError, match="give a positive one"):
        loss(mesh(), mesh(), distance)


@pytest.mark.parametrize("loss", [expression_loss, gaze_loss])
def test_a_target_of_another_shape_is_refused(loss):
    with pytest.raises(ValueError, match="shapes differ"):
        loss(mesh(), mesh()[:1], 1.0)


# --- regions that the fake keeps from its target


def left_half(side=8):
    region = torch.zeros(1, 1, side, side)
    region[..., : side // 2] = 1
    return region


def test_a_region_loss_by_hand():
    target = torch.zeros(1, 3, 8, 8)
    fake = target.clone()
    fake[:, :2, :, :2] = 0.3  # two of three channels in half of the region
    torch.testing.assert_close(region_loss(fake, target, left_half()), torch.tensor([0.1]))


def test_outside_the_region_all_is_free():
    target = mesh().new_zeros(1, 3, 8, 8)
    fake = target.clone()
    fake[..., 4:] = 1
    assert region_loss(fake, target, left_half()).item() == 0
    assert region_loss(fake, target, 1 - left_half()).item() == pytest.approx(1)
    maps = torch.ones(1, 2, 8, 8)
    other = maps.clone()
    other[:, 1, :, 4:] = -1
    assert region_feature_loss([other], [maps], left_half()).item() == pytest.approx(0, abs=1e-6)
    assert region_feature_loss([other, other], [maps, maps], 1 - left_half()).item() == pytest.approx(4)


def test_a_region_of_another_size_is_brought_to_that_of_the_pictures():
    fake, target = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(
        region_loss(fake, target, torch.full((1, 1, 5, 5), 0.2)), (fake - target).abs().mean((1, 2, 3))
    )


def test_an_empty_region_has_no_loss():
    fake, target = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    assert region_loss(fake, target, torch.zeros(1, 1, 8, 8)).item() == 0


def test_features_count_by_their_direction():
    maps = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(4)) + 0.1
    assert region_feature_loss([maps * 9], [maps], left_half()).item() == pytest.approx(0, abs=1e-6)


def test_as_many_maps_are_wanted_on_both_sides():
    maps = torch.ones(1, 2, 8, 8)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        region_feature_loss([maps], [maps, maps], left_half())
