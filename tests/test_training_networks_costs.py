"""Parameters and multiplications of the networks beside the published figures.

`published` marks figures that somebody published or that the fact sheet read off published code; `estimate`
those that the fact sheet works out by formula, which its own text calls estimates.
"""

import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from torch import nn  # noqa: E402

from omote.training.networks.aei import AEINet  # noqa: E402
from omote.training.networks.counting import Cost, cost  # noqa: E402
from omote.training.networks.discriminators import simswap_discriminator, spectral_discriminator  # noqa: E402
from omote.training.networks.simswap import SimSwap  # noqa: E402


def picture(side):
    return (1, 3, side, side)


IDENTITY = (1, 512)


def close(value, expected, tolerance=0.005):
    return value == pytest.approx(expected, rel=tolerance)


def test_a_convolution_and_a_matrix_are_counted_by_hand():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
    )
    expected = Cost(8 * 27 + 8 + 16 + 8 * 36 * 5 + 5, 8 * 27 * 36 + 8 * 36 * 5)
    assert cost(lambda: net.to("meta"), (1, 3, 6, 6)) == expected


def test_groups_and_transposed_convolutions_are_counted_by_hand():
    assert cost(lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8), (2, 8, 4, 4)).macs == 2 * 8 * 9 * 16
    assert cost(lambda: nn.ConvTranspose2d(4, 6, 4, 2, 1), (1, 4, 5, 5)).macs == 4 * 6 * 16 * 25


def test_counting_computes_nothing_and_leaves_randomness_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    cost(lambda: SimSwap(width=8, blocks=1), picture(32), IDENTITY)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("side", "gmac"), [(128, 15.7), (224, 48.1), (256, 62.9)])
def test_simswap(side, gmac):
    """Estimates of the fact sheet, which with ArcFace agree with a published count (55.7 G)."""
    parameters, macs = cost(SimSwap, picture(side), IDENTITY)
    assert close(parameters / 1e6, 55.05, 0.001)
    assert close(macs / 1e9, gmac)


@pytest.mark.parametrize(
    ("options", "side", "millions", "gmac"),
    [
        ({"deep": True}, 512, None, 133),
        ({"width": 48, "blocks": 6}, 128, 22.4, 6.86),
        ({"width": 32, "blocks": 6}, 128, 11.0, 3.10),
        ({"width": 32, "blocks": 6, "deep": True}, 256, 12.2, 7.72),
        ({"width": 48, "blocks": 6, "deep": True}, 256, 25.1, 16.9),
    ],
)
def test_simswap_of_other_widths(options, side, millions, gmac):
    """Estimates of the fact sheet."""
    parameters, macs = cost(lambda: SimSwap(**options), picture(side), IDENTITY)
    assert millions is None or close(parameters / 1e6, millions)
    assert close(macs / 1e9, gmac)


@pytest.mark.parametrize(("layers", "millions", "gmac"), [(1, 128, 16.3), (2, 184, 31.0), (3, 240, 45.7)])
def test_aei(layers, millions, gmac):
    """Estimates of the fact sheet. The paper's own network, quoted with 421 M, is not described."""
    parameters, macs = cost(lambda: AEINet(layers=layers), picture(256), IDENTITY)
    assert close(parameters / 1e6, millions)
    assert close(macs / 1e9, gmac)


def test_the_attribute_encoder_is_the_small_part_of_aei():
    """An estimate of the fact sheet: 2.2 G of 31.0."""
    assert close(cost(lambda: AEINet().encoder, picture(256)).macs / 1e9, 2.2, 0.02)


@pytest.mark.parametrize(("side", "gmac"), [(128, 0.86), (256, 3.42)])
def test_patch_discriminators(side, gmac):
    """Estimates of the fact sheet for two scales, whose layers it does not name: within 15 %."""
    for build in (simswap_discriminator, spectral_discriminator):
        assert close(cost(build, picture(side)).macs / 1e9, gmac, 0.15)
