"""Parameters and multiplications of the networks beside the known figures, and that counting is right."""

import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from benchmarks.networks import ROWS, Row, table  # noqa: E402
from torch import nn  # noqa: E402

from omote.training.networks.counting import Cost, cost  # noqa: E402
from omote.training.networks.hear import HEARNet  # noqa: E402
from omote.training.networks.identity import IRNet  # noqa: E402
from omote.training.networks.regions import RegionNet  # noqa: E402
from omote.training.networks.simswap import SimSwap  # noqa: E402


def picture(side):
    return (1, 3, side, side)


def test_a_convolution_and_a_matrix_are_counted_by_hand():
    def build():
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
        )

    expected = Cost(8 * 27 + 8 + 16 + 8 * 36 * 5 + 5, 8 * 27 * 36 + 8 * 36 * 5)
    assert cost(build, (1, 3, 6, 6)) == expected


def test_groups_and_transposed_convolutions_are_counted_by_hand():
    assert cost(lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8), (2, 8, 4, 4)).macs == 2 * 8 * 9 * 16
    assert cost(lambda: nn.ConvTranspose2d(4, 6, 4, 2, 1), (1, 4, 5, 5)).macs == 4 * 6 * 16 * 25


def test_counting_computes_nothing_and_leaves_randomness_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    cost(lambda: SimSwap(width=8, blocks=1), picture(32), (1, 512))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if any(row.known)],
    ids=lambda row: f"{row.name} {row.shapes[0][-1]}".replace(" ", "_"),
)
def test_networks_cost_what_is_known(row):
    """Most known figures are estimates, worked out by formula from the published layers: the row says so."""
    parameters, macs = row.cost
    for counted, known in zip((parameters / 1e6, macs / 1e9), row.known, strict=True):
        assert known is None or counted == pytest.approx(known, rel=row.within)


@pytest.mark.parametrize(("depth", "millions"), [(18, 24.03), (34, 34.14), (50, 43.59), (100, 65.16)])
def test_ir_networks_have_the_parameters_of_the_usual_files(depth, millions):
    parameters, _ = cost(lambda: IRNet(depth), picture(112))
    assert parameters / 1e6 == pytest.approx(millions, rel=0.0005)


def test_the_region_network_is_small():
    parameters, macs = cost(lambda: RegionNet(11), picture(128))
    assert parameters < 2e6
    assert macs < 1e9


def test_hear_has_the_layers_that_its_reproduction_lists():
    layers = [(6, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    layers += [(512, 512), (1024, 256), (512, 128), (256, 64)]
    expected = sum(16 * before * after + 3 * after for before, after in layers) + 9 * 128 * 3 + 3
    assert cost(HEARNet, picture(256), picture(256)).parameters == expected


def test_the_table_has_a_line_for_each_network():
    tiny = Row("tiny", lambda: nn.Conv2d(3, 1000, 1), (picture(100),), (0.004, None))
    assert table((tiny,)).splitlines()[2] == "| tiny | 100 | 0.00 | 0.004 | 0.030 | – | estimate |"
