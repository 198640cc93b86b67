"""Patch discriminators: parametrisations, shapes, features, gradients."""

from itertools import pairwise

import pytest

from tests.module_checks import assert_gradients_reach

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from torch import nn  # noqa: E402

from omote.training.networks.discriminators import (  # noqa: E402
    MultiScaleDiscriminator,
    PatchDiscriminator,
    ghost_discriminator,
    simswap_discriminator,
    spectral_discriminator,
)

BUILDERS = (simswap_discriminator, ghost_discriminator, spectral_discriminator)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(3)


def receptive_field(net, side):
    """Side of the square of the picture that one logit in the middle sees."""
    picture = torch.zeros(1, 3, side, side, requires_grad=True)
    logits = net(picture).logits
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = picture.grad[0].abs().sum(0) > 0
    return int(seen.any(0).sum()), int(seen.any(1).sum())


def test_three_halvings_see_70_by_70():
    net = PatchDiscriminator(width=2, halvings=3, norm="none")
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.1)
    assert receptive_field(net, 128) == (70, 70)


@pytest.mark.parametrize(
    ("build", "scales", "logits", "channels"),
    [
        (simswap_discriminator, 2, 14, (64, 128, 256, 512, 512)),
        (ghost_discriminator, 3, 11, (64, 128, 256, 512, 512, 512)),
        (spectral_discriminator, 2, 30, (64, 128, 256, 512)),
    ],
)
def test_published_parametrisations(build, scales, logits, channels):
    with torch.device("meta"):
        verdicts = build()(torch.empty(1, 3, 256, 256))
    assert len(verdicts) == scales
    assert verdicts[0].logits.shape == (1, 1, logits, logits)
    assert tuple(features.shape[1] for features in verdicts[0].features) == channels
    sides = [verdict.features[0].shape[2] for verdict in verdicts]
    assert all(small * 2 <= large + 1 for large, small in pairwise(sides))


def test_the_second_scale_sees_the_mean_of_neighbours_without_the_border():
    net = MultiScaleDiscriminator(2, width=4, halvings=1, norm="none")
    seen = []
    net.scales[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    picture = noise(1, 3, 16, 16)
    net(picture)
    assert seen[0].shape == (1, 3, 8, 8)
    torch.testing.assert_close(seen[0][0, :, 1, 1], picture[0, :, 1:4, 1:4].mean((1, 2)))
    torch.testing.assert_close(seen[0][0, :, 0, 0], picture[0, :, :2, :2].mean((1, 2)))


def test_normalisation_is_in_all_but_the_first_and_the_last_layer():
    kinds = [
        [type(part) for part in layer] for layer in PatchDiscriminator(4, halvings=3, norm="batch").layers
    ]
    assert kinds == [[nn.Conv2d, nn.LeakyReLU]] + 3 * [[nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]]


def test_features_are_those_that_lead_to_the_logits():
    net = PatchDiscriminator(4, halvings=2)
    verdict = net(noise(2, 3, 32, 32))
    torch.testing.assert_close(net.head(verdict.features[-1]), verdict.logits)
    assert all((features < 0).any() for features in verdict.features)  # leaky: not cut off


def test_spectral_norm_bounds_every_layer():
    net = spectral_discriminator(width=8)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("original"):
                parameter.mul_(30)
    for _ in range(20):
        net(noise(1, 3, 64, 64))
    convolutions = [part for part in net.modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == 10
    for convolution in convolutions:
        assert torch.linalg.matrix_norm(convolution.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("build", BUILDERS)
def test_gradients_reach_all_of_it_and_the_picture(build):
    net = build(width=8)
    picture = noise(4, 3, 96, 96).requires_grad_()
    # A bias before a normalisation is taken away again with the mean.
    dead = [] if build is spectral_discriminator else ["scales.*.layers.[1-9].0.bias"]
    assert_gradients_reach(
        net, lambda: torch.cat([verdict.logits.flatten(1) for verdict in net(picture)], dim=1), dead
    )
    assert picture.grad.abs().max() > 0


@pytest.mark.parametrize("build", BUILDERS)
def test_only_batch_normalisation_lets_samples_change_each_other(build):
    net = build(width=8)
    pictures = noise(3, 3, 128, 128)
    for _ in range(50):  # spectral normalisation settles
        net(pictures)
    same = [
        torch.allclose(together.logits[1:2], alone.logits, atol=1e-4, rtol=1e-3)
        for together, alone in zip(net(pictures), net(pictures[1:2]), strict=True)
    ]
    assert same == [build is not simswap_discriminator] * len(same)


def test_the_gradient_penalty_can_be_differentiated_again():
    net = spectral_discriminator(width=4)
    picture = noise(2, 3, 64, 64).requires_grad_()
    logits = torch.cat([verdict.logits.flatten(1) for verdict in net(picture)], dim=1)
    (gradient,) = torch.autograd.grad(logits.sum(), picture, create_graph=True)
    gradient.square().sum().backward()
    assert all(p.grad.abs().max() > 0 for name, p in net.named_parameters() if name.endswith("original"))
