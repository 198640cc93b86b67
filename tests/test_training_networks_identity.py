"""Identity encoders, ArcFace's head, regions, HEAR-Net."""

import math

import pytest

from omote.errors import UsageError
from tests.module_checks import assert_gradients_reach

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from torch.nn import functional as F  # noqa: E402

from omote.training.networks.arcface import ArcFaceHead  # noqa: E402
from omote.training.networks.hear import HEARNet  # noqa: E402
from omote.training.networks.identity import Inverted, IRBlock, IRNet, MobileFaceNet, ScaleMaps  # noqa: E402
from omote.training.networks.regions import RegionNet  # noqa: E402


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(3)


def small(kind, **options):
    return kind(**{"embedding": 12, "width": 4, "size": 32, **options})


# --- identity encoders


@pytest.mark.parametrize("kind", [MobileFaceNet, IRNet])
@pytest.mark.parametrize("size", [32, 48])
def test_embeddings_have_the_length_asked_for(kind, size):
    net = small(kind, size=size)
    assert net(noise(3, 3, size, size)).shape == (3, 12)


@pytest.mark.parametrize("kind", [MobileFaceNet, IRNet])
def test_gradients_reach_all_of_the_encoders(kind):
    net = small(kind)
    assert_gradients_reach(net, lambda: net(noise(6, 3, 32, 32)))


@pytest.mark.parametrize("kind", [MobileFaceNet, IRNet])
def test_maps_halve_from_half_the_picture_at_any_size(kind):
    net = ScaleMaps(small(kind))
    maps = net(noise(2, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [
        (2, channels, 32 >> level, 48 >> level) for level, channels in enumerate(net.channels)
    ]


@pytest.mark.parametrize("kind", [MobileFaceNet, IRNet])
def test_the_embedding_is_made_of_the_last_map(kind):
    net = small(kind).eval()
    face = noise(2, 3, 32, 32)
    torch.testing.assert_close(net.head(ScaleMaps(net)(face)[-1]), net(face))


@pytest.mark.parametrize("kind", [MobileFaceNet, IRNet])
def test_faces_of_another_size_are_refused(kind):
    with pytest.raises(UsageError, match="64 × 64 px: this identity network was made for 32"):
        small(kind)(noise(1, 3, 64, 64))
    with pytest.raises(UsageError, match="faces of 40 px: choose a multiple of 16"):
        small(kind, size=40)


def test_an_unknown_depth_is_refused():
    with pytest.raises(UsageError, match="of 101 layers: choose 18"):
        IRNet(101)


def test_each_place_of_the_last_map_has_weights_of_its_own():
    """Global depthwise convolution: with one average for all places, a moved map would give the same."""
    net = small(MobileFaceNet, size=64).eval()
    last = noise(1, 8, 4, 4)
    assert (net.head(last) - net.head(last.roll(1, dims=3))).abs().max() > 1e-3


@pytest.mark.parametrize(("stride", "outputs", "same"), [(1, 6, True), (2, 6, False), (1, 8, False)])
def test_residuals_go_round_what_keeps_its_shape(stride, outputs, same):
    inverted, block = Inverted(6, outputs, stride, 2).eval(), IRBlock(6, outputs, stride).eval()
    for unit in (inverted, block):
        torch.nn.init.zeros_(unit.body[-1].weight)
    x = noise(2, 6, 8, 8)
    expected = x if same else torch.zeros(2, outputs, 8 // stride, 8 // stride)
    torch.testing.assert_close(inverted(x), expected)
    torch.testing.assert_close(block(x), x if same else block.shortcut(x))


def test_the_scale_of_ir_embeddings_is_not_trained():
    head = small(IRNet).head[-1]
    assert not head.weight.requires_grad
    assert (head.weight == 1).all()
    assert head.bias.requires_grad


# --- ArcFace


def test_arcface_adds_the_margin_to_the_angle_of_who_it_is():
    head = ArcFaceHead(2, 3, scale=10, margin=0.5)
    angles = torch.tensor([0.3, 1.4, 2.0])
    with torch.no_grad():
        head.centres.copy_(torch.stack((angles.cos(), angles.sin()), dim=1) * 5)
    logits = head(torch.tensor([[2.0, 0.0]]), torch.tensor([1]))
    expected = [math.cos(0.3), math.cos(1.4 + 0.5), math.cos(2.0)]
    torch.testing.assert_close(logits, 10 * torch.tensor([expected]))


def test_arcface_logits_fall_with_the_angle_all_the_way():
    head = ArcFaceHead(2, 1, scale=1, margin=0.5)
    with torch.no_grad():
        head.centres.copy_(torch.tensor([[1.0, 0.0]]))
    angles = torch.linspace(0, math.pi, 181)
    logits = head(torch.stack((angles.cos(), angles.sin()), dim=1), torch.zeros(181, dtype=torch.long))
    assert (logits.diff(dim=0) < 1e-6).all()
    beyond = math.cos(3.0) - 0.5 * math.sin(0.5)
    assert logits[angles.sub(3.0).abs().argmin()].item() == pytest.approx(beyond, abs=0.01)


@pytest.mark.parametrize("sign", [1, -1])
def test_arcface_gradients_are_finite_where_the_angle_has_none(sign):
    head = ArcFaceHead(4, 3)
    with torch.no_grad():
        head.centres[0] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    embeddings = (sign * head.centres[:1].detach()).requires_grad_()
    F.cross_entropy(head(embeddings, torch.tensor([0])), torch.tensor([0])).backward()
    assert embeddings.grad.isfinite().all()
    assert head.centres.grad.isfinite().all()


def test_arcface_computes_in_full_precision():
    head = ArcFaceHead(8, 5)
    embeddings, labels = noise(4, 8), torch.arange(4)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(embeddings.bfloat16(), labels)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, head(embeddings.bfloat16().float(), labels), atol=0, rtol=0)


def test_arcface_teaches_an_encoder_to_tell_people_apart():
    net, head = small(IRNet, size=16), ArcFaceHead(12, 4, scale=16)
    faces = noise(4, 3, 16, 16).repeat(2, 1, 1, 1) + 0.3 * noise(8, 3, 16, 16, seed=1)
    labels = torch.arange(4).repeat(2)
    optimiser = torch.optim.Adam([p for part in (net, head) for p in part.parameters()], 0.01)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(head(net(faces), labels), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


# --- regions


@pytest.mark.parametrize("levels", [2, 4])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_regions_have_logits_for_each_pixel(levels, norm):
    net = RegionNet(5, width=4, levels=levels, norm=norm)
    assert net(noise(2, 3, 32, 48)).shape == (2, 5, 32, 48)
    assert_gradients_reach(net, lambda: net(noise(3, 3, 32, 48)))


def test_regions_need_sides_that_halve():
    with pytest.raises(UsageError, match="40 × 32 px: this network needs multiples of 16"):
        RegionNet(2, width=4)(noise(1, 3, 32, 40))


def test_regions_see_fine_detail_through_the_skips():
    net = RegionNet(2, width=4).eval()
    picture = noise(1, 3, 32, 32).requires_grad_()
    hook = net.enlarge[-1].register_forward_hook(lambda _, __, output: output * 0)
    net(picture)[0, :, 16, 16].sum().backward()
    hook.remove()
    seen = picture.grad[0].abs().sum(0) > 0
    assert seen.any()
    assert seen.sum() <= 81  # four 3×3 convolutions at full size


# --- HEAR-Net


def test_hear_refines_a_swap_by_its_error():
    net = HEARNet(width=4)
    swap, error = noise(2, 3, 64, 96).tanh(), noise(2, 3, 64, 96, seed=1)
    refined = net(swap, error)
    assert refined.shape == (2, 3, 64, 96)
    assert refined.abs().max() <= 1
    assert (net(swap, -error) - refined).abs().max() > 1e-4
    dead = ["down.*.0.bias", "up.*.0.bias"]  # before a normalisation
    assert_gradients_reach(net, lambda: net(swap, error), dead)


def test_hear_needs_sides_that_halve():
    with pytest.raises(UsageError, match="multiples of 32"):
        HEARNet(width=4)(noise(1, 3, 48, 48), noise(1, 3, 48, 48))
