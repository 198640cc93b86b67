"""The losses of the training room: properties that hold for each, and values worked out by hand."""

import importlib
import inspect
import math
import pkgutil

import pytest

torch = pytest.importorskip("torch", reason="the training room needs PyTorch")

from kornia.metrics import ssim  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from omote.training import losses  # noqa: E402
from tests.loss_table import TABLE, Case  # noqa: E402

LN2 = math.log(2)
HELPERS = {"cycle_triplet", "point_heatmaps"}  # public, but no losses; tested below
every_loss = pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# ---------------------------------------------------------------- the table is complete


def public_functions() -> dict[str, object]:
    """Functions and modules of all public files of the package, by name."""
    found = {}
    for file in pkgutil.iter_modules(losses.__path__):
        if not file.name.startswith("_"):
            module = importlib.import_module(f"{losses.__name__}.{file.name}")
            for name, value in vars(module).items():
                callable_here = inspect.isfunction(value) or (
                    inspect.isclass(value) and issubclass(value, nn.Module)
                )
                if callable_here and value.__module__ == module.__name__ and not name.startswith("_"):
                    found[name] = value
    return found


def test_every_public_loss_is_in_the_table():
    missing = set(public_functions()) - {case.name for case in TABLE} - HELPERS
    assert not missing, f"add to tests/loss_table.py: {sorted(missing)}"


def test_every_public_function_is_exported():
    assert set(public_functions()) <= set(losses.__all__)


def test_only_the_plain_hinge_has_no_optimum():
    assert [case.name for case in TABLE if case.best is None] == ["hinge_generator_loss"]


# ---------------------------------------------------------------- properties of every loss


@every_loss
def test_values_are_one_float32_per_sample(case: Case):
    values = case.call(*case.inputs)
    assert values.shape == (len(case.inputs[0]),)
    assert values.dtype == torch.float32
    assert values.isfinite().all()


@every_loss
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
def test_gradient_reaches_every_sample_of_every_fake(case: Case, half: bool):
    inputs = case.trained()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        case.call(*inputs).sum().backward()
    for fake in inputs[: case.fakes]:
        assert fake.grad.isfinite().all()
        assert (fake.grad.flatten(1).abs().amax(1) > 0).all()


@every_loss
def test_zero_at_the_optimum_and_only_there(case: Case):
    if case.best is None:
        with torch.no_grad():
            step = case.call(*(t + 100 for t in case.inputs[: case.fakes]), *case.inputs[case.fakes :])
        torch.testing.assert_close(step, case.call(*case.inputs) - 100, rtol=0, atol=1e-3)
        return
    best = (*case.best(*case.inputs), *case.inputs[case.fakes :])
    torch.testing.assert_close(case.call(*best), torch.zeros(len(best[0])), rtol=0, atol=1e-6)
    assert (case.call(*case.inputs) > 1e-5).all()


@every_loss
def test_a_step_down_the_gradient_lowers_the_loss(case: Case):
    inputs = case.trained()
    before = case.call(*inputs)
    before.sum().backward()
    with torch.no_grad():
        moved = []
        for t in inputs[: case.fakes]:
            length = t.grad.flatten(1).norm(dim=1).reshape(-1, *[1] * (t.dim() - 1))
            moved.append(t - 1e-2 * t.grad / length)
    assert (case.call(*moved, *inputs[case.fakes :]) < before).all()


@every_loss
def test_a_sample_knows_nothing_of_the_others(case: Case):
    together = case.call(*case.inputs)
    alone = torch.cat([case.call(*(t[i : i + 1] for t in case.inputs)) for i in range(len(together))])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-6)


@every_loss
def test_half_precision_inputs_are_reduced_in_float32(case: Case):
    halves = [t.bfloat16() for t in case.inputs]
    with torch.autocast("cpu", torch.bfloat16):
        values = case.call(*halves)
        expected = case.call(*(t.float() for t in halves))
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-6)
    if not case.network:
        torch.testing.assert_close(values, case.call(*(t.float() for t in halves)), rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- values by hand


def row(*values: float) -> Tensor:
    """One sample with these values."""
    return torch.tensor([values])


def maps(*values: float, shape: tuple[int, ...] = (2, 3, 3)) -> list[Tensor]:
    """Feature maps of one sample, each of one value, each smaller than the last."""
    return [torch.full((1, *(max(1, s - i) for s in shape)), v) for i, v in enumerate(values)]


def grid(*rows: tuple[float, ...]) -> Tensor:
    """A picture of one channel."""
    return torch.tensor([[rows]])


def spread(places: Tensor) -> Tensor:
    """A picture whose corner holds these points (K, 3), for a point network that reads them there."""
    pictures = torch.zeros(1, len(places), 8, 8)
    pictures[0, :, 0, :3] = places
    return pictures


def checkerboard(side: int, amplitude: float) -> Tensor:
    signs = 1 - 2 * ((torch.arange(side)[:, None] + torch.arange(side)) % 2)
    return amplitude * signs.expand(1, 3, side, side).float()


THREE_FOUR, FOUR_THREE = row(3, 4), row(8, 6)  # cosine 24/25
SCALES_A = [row(1, -3), row(2)]
SCALES_B = [row(2, 0), row(-1)]
READ_POINTS = lambda pictures: pictures[:, :, 0, :3]  # noqa: E731
FLAT = torch.zeros(1, 3, 96, 96)
DARK_BY_BRIGHT = (2 * 0.5 * 1 + 1e-4) / (0.5**2 + 1 + 1e-4)  # luminance of 0 beside 1, in 0..1 0.5 beside 1

BY_HAND = {
    "identity": (lambda: losses.identity_loss(THREE_FOUR, FOUR_THREE), 0.04),
    "identity opposed": (lambda: losses.identity_loss(row(1, 0), row(-5, 0)), 2.0),
    "capped": (lambda: losses.capped_identity_loss(THREE_FOUR, FOUR_THREE, 0.98), 0.02),
    "capped per sample": (
        lambda: losses.capped_identity_loss(THREE_FOUR, FOUR_THREE, torch.tensor([0.97])),
        0.01,
    ),
    "capped beyond": (lambda: losses.capped_identity_loss(THREE_FOUR, FOUR_THREE, 0.95), 0.0),
    "margin": (lambda: losses.target_margin_loss(THREE_FOUR, FOUR_THREE), 0.81),
    "margin kept": (lambda: losses.target_margin_loss(row(0, 1), row(1, 0.1)), 0.0),
    "l1": (lambda: losses.l1_reconstruction_loss(grid((0, 0), (0, 1)), grid((1, -1), (2, 1))), 1.0),
    "l2": (lambda: losses.l2_reconstruction_loss(grid((0, 0), (0, 1)), grid((1, -1), (2, 1))), 1.5),
    "half l2": (
        lambda: losses.half_l2_reconstruction_loss(grid((0, 0), (0, 1)), grid((1, -1), (2, 1))),
        0.75,
    ),
    "hinge G": (lambda: losses.hinge_generator_loss(SCALES_A), -0.5),
    "hinge G sum": (lambda: losses.hinge_generator_loss(SCALES_A, scales="sum"), -1.0),
    "clipped hinge G": (lambda: losses.clipped_hinge_generator_loss(SCALES_A), 1.0),
    "clipped hinge G sum": (lambda: losses.clipped_hinge_generator_loss(SCALES_A, scales="sum"), 2.0),
    "hinge D": (lambda: losses.hinge_discriminator_loss(real=SCALES_B, fake=SCALES_A), 1.25 + 2.0),
    "hinge D sum": (lambda: losses.hinge_discriminator_loss(real=SCALES_B, fake=SCALES_A, scales="sum"), 6.5),
    "non-saturating G": (
        lambda: losses.non_saturating_generator_loss([row(0.0), row(math.log(3))]),
        math.log(8 / 3) / 2,
    ),
    "non-saturating D": (
        lambda: losses.non_saturating_discriminator_loss(real=[row(math.log(3))], fake=[row(0.0)]),
        math.log(4 / 3) + LN2,
    ),
    "least squares G": (lambda: losses.least_squares_generator_loss([row(3, 1), row(0.0)]), 0.75),
    "least squares D": (
        lambda: losses.least_squares_discriminator_loss(real=[row(3, 1)], fake=[row(1, 1)]),
        1.5,
    ),
    "features": (
        lambda: losses.feature_matching_loss([maps(1, -2), maps(3, 4)], [maps(0, 0), maps(0, 0)]),
        5.0,
    ),
    "features sum": (
        lambda: losses.feature_matching_loss(
            [maps(1, -2), maps(3, 4)], [maps(0, 0), maps(0, 0)], scales="sum"
        ),
        10.0,
    ),
    "weak features": (
        lambda: losses.weak_feature_matching_loss(
            [maps(9, 1, -2), maps(9, 3, 4)], [maps(0, 0, 0)] * 2, last=2
        ),
        5.0,
    ),
    "weak features, deepest": (
        lambda: losses.weak_feature_matching_loss(
            [maps(9, 1, -2), maps(9, 3, 4)], [maps(0, 0, 0)] * 2, 1, scales="sum"
        ),
        6.0,
    ),
    "attributes": (lambda: losses.attribute_loss(maps(1, 3), maps(0, 0)), 5.0),
    "gradient penalty": (
        lambda: losses.gradient_penalty(
            lambda x: [x.square().sum((1, 2, 3)) / 2],
            real=grid((4.0, 0.0)),
            fake=grid((0.0, 0.0)),
            mix=torch.tensor([0.75]),
        ),
        4.0,
    ),
    "r1": (
        lambda: losses.r1_penalty(
            lambda x: [(x * grid((1.0, 2.0, 2.0))).sum((1, 2, 3))], grid((5.0, 5.0, 5.0))
        ),
        4.5,
    ),
    "r1 of two scales with patches": (
        lambda: losses.r1_penalty(
            lambda x: [x * grid((1.0, 2.0, 2.0)), (3 * x)[..., :1]], grid((5.0, 5.0, 5.0))
        ),
        ((1 / 3 + 3) ** 2 + 2 * (2 / 3) ** 2) / 8,
    ),
    "approximate r1": (
        lambda: losses.approximate_r1_penalty(
            lambda x: [(x * grid((1.0, 2.0, 2.0))).sum((1, 2, 3))],
            grid((0.0, 0.0, 0.0)),
            grid((1.0, 1.0, 1.0)),
            0.5,
        ),
        12.5,
    ),
    "heat-maps": (
        lambda: losses.heatmap_loss(
            torch.cat([grid((2, 0), (0, 0)), grid((1, 1), (1, 1))], 1), torch.zeros(1, 2, 2, 2)
        ),
        2.0,
    ),
    "eye heat-maps": (
        lambda: losses.eye_heatmap_loss(
            lambda x: x, torch.arange(4.0).reshape(1, 4, 1, 1), torch.zeros(1, 4, 1, 1), points=(1, 3)
        ),
        10.0,
    ),
    "eye heat-maps of WFLW": (
        lambda: losses.eye_heatmap_loss(
            lambda x: x, torch.arange(98.0).reshape(1, 98, 1, 1), torch.zeros(1, 98, 1, 1)
        ),
        96.0**2 + 97.0**2,
    ),
    "eye points far apart": (
        lambda: losses.eye_point_loss(
            READ_POINTS,
            spread(torch.tensor([[99.0, 0.0, 0.0], [2.5, 0.5, 7.0]])),
            spread(torch.tensor([[0.0, 0.0, 0.0], [6.5, 6.5, 0.0]])),
            points=(1,),
            cells=4,
            sigma=0.05,
        ),
        2 / 16,
    ),
    "perceptual": (
        lambda: losses.perceptual_loss(
            lambda x: [x, x[..., :1]],
            torch.tensor([[[[3.0, 5.0]], [[0.0, 0.0]]]]),
            torch.tensor([[[[0.0, 2.0]], [[4.0, 0.0]]]]),
            weights=(1.0, 0.25),
        ),
        1.0 + 0.5,
    ),
    "perceptual, unweighted": (
        lambda: losses.perceptual_loss(
            lambda x: [x, x], row(1.0, 0.0)[..., None, None], row(-2.0, 0.0)[..., None, None]
        ),
        8.0,
    ),
    "ms-ssim of light": (lambda: losses.ms_ssim_loss(FLAT, FLAT + 1), 1 - DARK_BY_BRIGHT**0.1333),
    "ms-ssim of fine texture": (
        lambda: losses.ms_ssim_loss(checkerboard(96, 0.1), FLAT, (0.3, 0.7)),
        1 - (9e-4 / (0.05**2 + 9e-4)) ** 0.3,
    ),
    "parsing": (lambda: losses.parsing_loss(grid((0.5, 0.0)), grid((1.0, 1.0))), 0.625),
    "area": (lambda: losses.area_loss(grid((0.5, 0.25), (0.0, 0.25))), 0.25),
    "variation": (lambda: losses.mask_variation_loss(grid((0.0, 0.5, 1.0), (0.0, 0.5, 0.7))), 0.425 + 0.1),
    "ring": (lambda: losses.ring_loss(grid((0.25, 0), (0, 0)), grid((1, 0), (0.5, 0))), 0.3125),
    "cycle": (
        lambda: losses.cycle_triplet_loss(
            grid((1.0, 2.0)), losses.CycleTriplet(grid((9.0, 9.0)), row(1.0), grid((0.0, 4.0)))
        ),
        1.5,
    ),
    "colour of cells": (
        lambda: losses.low_frequency_colour_loss(
            grid((1, 1, -1, -1), (1, 1, -3, 1)), torch.zeros(1, 1, 2, 4), cells=2
        ),
        1.0,
    ),
    "colour, detail averaged out": (
        lambda: losses.low_frequency_colour_loss(
            grid((1.25, -0.75), (-0.75, 1.25)), torch.zeros(1, 1, 2, 2), cells=1
        ),
        0.25,
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name: str):
    call, expected = BY_HAND[name]
    assert call().item() == pytest.approx(expected, abs=2e-5)


def test_one_scale_of_ms_ssim_is_ssim():
    draw = torch.Generator().manual_seed(3)
    fake, target = torch.rand(2, 3, 32, 32, generator=draw), torch.rand(2, 3, 32, 32, generator=draw)
    fake = (0.6 * target + 0.4 * fake) * 2 - 1
    index = ssim((fake + 1) / 2, target, 11, eps=0.0).mean((1, 2, 3))
    torch.testing.assert_close(losses.ms_ssim_loss(fake, target * 2 - 1, (1.0,)), 1 - index)


def test_approximate_r1_tends_to_r1():
    draw = torch.Generator().manual_seed(3)
    noise = torch.randn(20_000, 1, 1, 3, generator=draw)
    critic = lambda x: [(x * grid((1.0, 2.0, 2.0)) + x.pow(3)).sum((1, 2, 3))]  # noqa: E731
    real = torch.full((20_000, 1, 1, 3), 0.3)
    exact = losses.r1_penalty(critic, real[:1]).item()
    assert losses.approximate_r1_penalty(critic, real, noise).mean().item() == pytest.approx(exact, rel=0.05)


def test_soft_heatmaps_have_their_peak_where_the_point_is():
    points = torch.tensor([[[4.5, 0.5], [1.0, 7.0]]])  # pixels of a picture of 8; cells of two pixels
    one, two = losses.point_heatmaps(points, side=8, cells=4, sigma=1.0)[0]
    assert one[0, 2] == pytest.approx(1.0)
    assert one[1, 2] == one[0, 3] == one[0, 1] == pytest.approx(math.exp(-0.5))
    assert one[1, 3] == pytest.approx(math.exp(-1.0))
    assert two[3, 0] == pytest.approx(math.exp(-2 * 0.25**2 / 2))


# ---------------------------------------------------------------- gradients that must not flow, or not break


@pytest.mark.parametrize(
    "loss",
    [losses.l1_reconstruction_loss, losses.l2_reconstruction_loss, losses.half_l2_reconstruction_loss],
)
def test_where_leaves_the_other_samples_alone(loss):
    fake, target = torch.rand(3, 3, 4, 4, requires_grad=True), torch.rand(3, 3, 4, 4)
    values = loss(fake, target, torch.tensor([True, False, True]))
    torch.testing.assert_close(values[[0, 2]], loss(fake, target)[[0, 2]])
    assert values[1] == 0
    values.sum().backward()
    assert (fake.grad.flatten(1).abs().amax(1) > 0).tolist() == [True, False, True]


def test_features_of_the_real_picture_get_no_gradient():
    fake, real = torch.rand(1, 4, requires_grad=True), torch.rand(1, 4, requires_grad=True)
    losses.feature_matching_loss([[fake]], [[real]]).sum().backward()
    assert fake.grad is not None and real.grad is None  # noqa: PT018


def test_attributes_of_the_target_get_a_gradient():
    fake, target = torch.rand(1, 4, requires_grad=True), torch.rand(1, 4, requires_grad=True)
    losses.attribute_loss([fake], [target]).sum().backward()
    torch.testing.assert_close(target.grad, -fake.grad)


@pytest.mark.parametrize("name", ["eye_heatmap_loss", "eye_point_loss", "perceptual_loss"])
def test_target_of_a_network_gets_no_gradient(name: str):
    case = next(case for case in TABLE if case.name == name)
    fake, target = (t.clone().requires_grad_() for t in case.inputs)
    case.call(fake, target).sum().backward()
    assert target.grad is None


@pytest.mark.parametrize(
    "call",
    [
        lambda network, x: losses.eye_heatmap_loss(network, x, x.detach(), (0,)),
        lambda network, x: losses.eye_point_loss(lambda p: network(p)[:, :, 0, :2], x, x.detach(), (0,)),
        lambda network, x: losses.perceptual_loss(lambda p: [network(p)], x, x.detach()),
    ],
    ids=["eye heat-maps", "eye points", "perceptual"],
)
def test_a_network_that_cuts_the_gradient_is_refused(call):
    fake = torch.rand(1, 3, 8, 8, requires_grad=True)
    with pytest.raises(ValueError, match="gives no gradient to the fake"):
        call(torch.no_grad()(lambda x: x * 2), fake)
    with torch.no_grad():  # validation needs no gradient
        call(lambda x: x * 2, fake)


def test_cycle_triplet_asks_for_the_photo_back():
    swapper = nn.Conv2d(3, 3, 1)
    photo, own, other = torch.rand(2, 3, 4, 4), torch.rand(2, 5), torch.rand(2, 5)
    used = []

    def swap(pictures: Tensor, identities: Tensor) -> Tensor:
        used.append(identities)
        return swapper(pictures)

    triplet = losses.cycle_triplet(swap, photo, own, other)
    assert used[0] is other
    torch.testing.assert_close(triplet.target, swapper(photo).detach())
    assert not triplet.target.requires_grad
    assert triplet.identity is own
    assert triplet.truth is photo


def test_gradient_is_finite_where_features_vanish():
    fake = torch.zeros(1, 4, 2, 2, requires_grad=True)
    losses.perceptual_loss(lambda x: [x], fake, torch.rand(1, 4, 2, 2)).sum().backward()
    assert fake.grad.isfinite().all()


def test_coarse_structure_still_counts_where_the_fine_one_is_opposed():
    texture = checkerboard(96, 0.5)
    shape = 0.4 * checkerboard(6, 1.0).repeat_interleave(16, 2).repeat_interleave(16, 3)
    fake = (texture + 0.5 * shape).requires_grad_()
    value = losses.ms_ssim_loss(fake, shape - texture)
    value.sum().backward()
    assert 0 < value.item() < 1
    assert fake.grad.isfinite().all()
    assert (fake.grad.unfold(2, 16, 16).unfold(3, 16, 16).mean((4, 5)).abs() > 1e-7).all()


def test_gradient_is_finite_where_a_critic_is_flat():
    weight = torch.zeros(1, 3, 2, 2, requires_grad=True)
    pictures = torch.rand(1, 3, 2, 2)
    penalty = losses.gradient_penalty(
        lambda x: [(weight * x).sum((1, 2, 3))], real=pictures, fake=-pictures, mix=torch.tensor([0.5])
    )
    penalty.sum().backward()
    assert penalty.item() == 1
    assert weight.grad.isfinite().all()


# ---------------------------------------------------------------- misuse


PICTURE, WIDER, ROW = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 8), torch.rand(2, 3)
LIST = [torch.rand(2, 1, 3, 3)]


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.identity_loss(ROW, ROW[:1]),
        lambda: losses.l1_reconstruction_loss(PICTURE, WIDER[..., :1]),
        lambda: losses.l2_reconstruction_loss(PICTURE, PICTURE[:, :1]),
        lambda: losses.feature_matching_loss([[ROW]], [[ROW[:1]]]),
        lambda: losses.attribute_loss([ROW], [ROW[:1]]),
        lambda: losses.heatmap_loss(PICTURE, PICTURE[:, :1]),
        lambda: losses.eye_heatmap_loss(lambda x: x, PICTURE, PICTURE[:1], (0,)),
        lambda: losses.perceptual_loss(lambda x: [x], PICTURE, PICTURE[:1]),
        lambda: losses.ms_ssim_loss(PICTURE, PICTURE[:1]),
        lambda: losses.parsing_loss(PICTURE[:, :1], PICTURE[:1, :1]),
        lambda: losses.ring_loss(PICTURE[:, :1], PICTURE[:1, :1]),
        lambda: losses.low_frequency_colour_loss(PICTURE, PICTURE[:1]),
        lambda: losses.cycle_triplet_loss(PICTURE, losses.CycleTriplet(PICTURE, ROW, PICTURE[:1])),
        lambda: losses.gradient_penalty(lambda x: [x], real=PICTURE, fake=PICTURE[:1], mix=torch.rand(2)),
        lambda: losses.approximate_r1_penalty(lambda x: [x], PICTURE, PICTURE[:1]),
    ],
)
def test_different_shapes_are_refused(call):
    with pytest.raises(ValueError, match="shapes differ"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.hinge_generator_loss(LIST[0]), "put it into a list"),
        (lambda: losses.attribute_loss(ROW, ROW), "put it into a list"),
        (lambda: losses.feature_matching_loss([ROW], [ROW]), "put it into a list"),
        (lambda: losses.perceptual_loss(lambda x: x, PICTURE, PICTURE), "put it into a list"),
        (lambda: losses.r1_penalty(lambda x: x, PICTURE), "put it into a list"),
        (lambda: losses.hinge_generator_loss([]), "at least one"),
        (lambda: losses.hinge_generator_loss(LIST, scales="both"), "'mean' or 'sum'"),
        (lambda: losses.hinge_discriminator_loss(real=LIST * 2, fake=LIST), "as many of each"),
        (lambda: losses.feature_matching_loss([LIST], [LIST * 2]), "give the same"),
        (lambda: losses.feature_matching_loss([], []), "give the same"),
        (lambda: losses.weak_feature_matching_loss([LIST], [LIST], 2), "it must be 1..1"),
        (lambda: losses.weak_feature_matching_loss([LIST], [LIST], 0), "it must be 1..1"),
        (lambda: losses.attribute_loss(LIST, LIST * 2), "as many of each"),
        (lambda: losses.l1_reconstruction_loss(PICTURE, PICTURE, torch.tensor([1, 0])), "it must be bool"),
        (
            lambda: losses.l1_reconstruction_loss(PICTURE, PICTURE, torch.ones(1, dtype=torch.bool)),
            "each of the 2",
        ),
        (lambda: losses.perceptual_loss(lambda x: [x], PICTURE, PICTURE, (1, 2)), "one for each"),
        (lambda: losses.ms_ssim_loss(PICTURE, PICTURE), "fewer weights"),
        (lambda: losses.low_frequency_colour_loss(PICTURE, PICTURE, 3), "another number"),
    ],
)
def test_misuse_is_refused(call, message: str):
    with pytest.raises(ValueError, match=message):
        call()
