"""The network of omote-swap-128: shapes, cost, mask, and that nothing goes round the identity."""

import cv2
import numpy as np
import pytest

from omote.errors import UsageError
from omote.faces.align import template
from tests.module_checks import assert_gradients_reach

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from torch.nn import functional as F  # noqa: E402

from omote.training.networks.counting import cost  # noqa: E402
from omote.training.networks.modulated_norm import EPS, modulated_norm  # noqa: E402
from omote.training.networks.swap128 import (  # noqa: E402
    DETAIL,
    IdentityNorm,
    Swap128,
    blurred,
    mask_prior,
    paste,
)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(3)


def small(**options):
    return Swap128(
        **{"width": 8, "deep": 16, "blocks": 2, "style": 12, "identity": 10, "size": 32, **options}
    )


@pytest.mark.parametrize(
    ("options", "parameters", "gmac"),
    [({}, 7.10e6, 2.98), ({"width": 16, "deep": 128, "blocks": 3}, 1.75e6, 0.68)],
)
def test_it_costs_what_its_page_says(options, parameters, gmac):
    made = cost(lambda: Swap128(**options), (1, 3, 128, 128), (1, 128))
    assert made.parameters == pytest.approx(parameters, rel=0.01)
    assert made.macs / 1e9 == pytest.approx(gmac, rel=0.02)


def test_the_normalisation_is_adaptive_instance_normalisation():
    layer = IdentityNorm(4, 6)
    x, style = noise(2, 4, 5, 5) * 3 + 1, noise(2, 6)
    gain, shift = F.linear(style, layer.affine.weight, layer.affine.bias).split(4, dim=1)
    expected = F.instance_norm(x, eps=EPS) * (1 + gain[..., None, None]) + shift[..., None, None]
    torch.testing.assert_close(layer(x, style), expected, atol=1e-5, rtol=1e-5)


def test_its_gradient_is_the_true_one():
    given = [noise(2, 3, 4, 5).double() * 2 + 1, noise(2, 3, seed=1).double(), noise(2, 3, seed=2).double()]
    for value in given:
        value.requires_grad_()
    assert torch.autograd.gradcheck(modulated_norm, given)


def test_its_gradient_in_half_precision_is_that_of_autograd():
    x = (noise(4, 8, 32, 32) * 2 + 1).bfloat16()
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    gain, shift = noise(4, 8, seed=1).requires_grad_(), noise(4, 8, seed=2).requires_grad_()
    slope = noise(4, 8, 32, 32, seed=3)
    wide = x.detach().float().requires_grad_()
    known = F.instance_norm(wide, eps=EPS) * (1 + gain[..., None, None]) + shift[..., None, None]
    expected = torch.autograd.grad(known, [wide, gain, shift], slope)
    found = torch.autograd.grad(modulated_norm(x, gain, shift), [x, gain, shift], slope.bfloat16())
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine.float() - theirs).abs().max() < 0.01 * theirs.abs().max()


@pytest.mark.parametrize("side", [32, 40])
def test_it_gives_colours_a_mask_and_the_share_of_fine_detail(side):
    colours, mask, detail = small(size=side)(noise(2, 3, side, side).tanh(), noise(2, 10))
    assert colours.shape == (2, 3, side, side)
    for plane in (mask, detail):
        assert plane.shape == (2, 1, side, side)
        assert plane.min() >= 0
        assert plane.max() <= 1


@pytest.mark.parametrize("logit", [-50.0, 0.0, 50.0])
def test_the_colours_contain_so_much_of_the_target_s_fine_detail(logit):
    net = small()
    torch.nn.init.zeros_(net.head.weight)
    torch.nn.init.zeros_(net.head.bias)
    torch.nn.init.constant_(net.head.bias[4:], logit)
    target = noise(1, 1, 32, 32).tanh().expand(1, 3, 32, 32)
    colours, _, detail = net(target, noise(1, 10))
    share = torch.tensor(logit).sigmoid()
    torch.testing.assert_close(detail, share.expand_as(detail))
    picture = target[0].permute(1, 2, 0).numpy()
    fine = picture - cv2.GaussianBlur(picture, (11, 11), DETAIL, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(colours[0].permute(1, 2, 0).detach().numpy(), share.item() * fine, atol=1e-5)


def test_a_crop_that_cannot_be_halved_thrice_is_refused():
    with pytest.raises(UsageError, match="multiples of 8"):
        small()(noise(1, 3, 36, 36), noise(1, 10))


@pytest.mark.parametrize("logit", [-50.0, 50.0])
def test_the_mask_is_free_in_the_ring_only(logit):
    net = small()
    torch.nn.init.zeros_(net.head.weight)
    torch.nn.init.constant_(net.head.bias, logit)
    mask = net(noise(1, 3, 32, 32), noise(1, 10))[1]
    expected = net.core + (net.ring if logit > 0 else 0)
    torch.testing.assert_close(mask, expected, atol=1e-6, rtol=0)


def test_the_prior_covers_the_face_and_leaves_the_corners():
    core, corner = mask_prior(128)
    assert core.shape == corner.shape == (1, 1, 128, 128)
    assert ((core + corner) <= 1 + 1e-6).all()
    for x, y in template("arcface_112_v2") * 128:
        assert core[0, 0, int(y), int(x)] == 1
    for y, x in ((0, 0), (0, 127), (127, 0), (127, 127)):
        assert corner[0, 0, y, x] == 1
    torch.testing.assert_close(core, core.flip(3))


def test_swap_is_the_target_where_the_mask_is_0_and_filled_covers_the_ring():
    net = small()
    target, identity = noise(2, 3, 32, 32).tanh(), noise(2, 10)
    colours, mask, _ = net(target, identity)
    torch.testing.assert_close(net.swap(target, identity), mask * colours + (1 - mask) * target)
    filled = net.filled(target, colours)
    torch.testing.assert_close(filled, paste(target, colours, net.core + net.ring))
    away = (net.core + net.ring == 0).expand_as(target)
    assert away.any()
    torch.testing.assert_close(filled[away], target[away])


def test_nothing_but_fine_detail_goes_round_the_identity_blocks():
    net = small().eval()
    net.blocks[-1].register_forward_hook(lambda *_: torch.zeros(1, 16, 4, 4))
    identity = noise(1, 10)
    flat, grey = torch.full((1, 3, 32, 32), 0.3), noise(1, 1, 32, 32).expand(1, 3, 32, 32)
    one, other = net(flat, identity), net(grey, identity)
    for a, b in zip(one[1:], other[1:], strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    fine = grey - blurred(grey, net.blur)
    torch.testing.assert_close(other[0], one[0] + other[2] * fine, atol=1e-6, rtol=0)


def test_the_hue_stays_the_target_s():
    net, target = small(), noise(2, 3, 32, 32).tanh()
    change = net(target, noise(2, 10))[0] - target
    assert change.std() > 0.1
    torch.testing.assert_close(change, change.mean(1, keepdim=True).expand_as(change))


def test_the_identity_changes_the_picture_and_each_sample_has_its_own():
    net = small().eval()
    target = noise(1, 3, 32, 32).tanh().expand(2, -1, -1, -1)
    people = noise(2, 10)
    made = net.swap(target, people)
    assert (made[0] - made[1]).abs().max() > 1e-3
    torch.testing.assert_close(net.swap(target[1:], people[1:]), made[1:], atol=1e-5, rtol=1e-4)


def test_gradients_reach_all_of_it():
    net = small()
    # What stands before a normalisation loses its mean there.
    dead = ["*.first.bias", "*.second.bias"]
    assert_gradients_reach(net, lambda: torch.cat(net(noise(3, 3, 32, 32), noise(3, 10)), 1), dead)


def test_it_runs_in_other_precisions():
    net = small().eval()
    target, identity = noise(2, 3, 32, 32).tanh(), noise(2, 10)
    with torch.autocast("cpu", torch.bfloat16):
        rough = net.swap(target, identity)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, net.swap(target, identity), atol=0.1, rtol=0)
    assert net.double().swap(target.double(), identity.double()).dtype == torch.float64
