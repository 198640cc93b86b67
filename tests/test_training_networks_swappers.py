"""SimSwap, AEI-Net: conventions, shapes, gradients."""

import math

import pytest

from omote.errors import UsageError
from tests.module_checks import assert_gradients_reach

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from torch.nn import functional as F  # noqa: E402

from omote.training.networks.aei import AAD, AADBlock, AEINet  # noqa: E402
from omote.training.networks.attributes import attribute_encoder  # noqa: E402
from omote.training.networks.blocks import PixelSpace, instance_norm, norm_layer  # noqa: E402
from omote.training.networks.simswap import AdaIN, IdentityBlock, SimSwap, simswap_512  # noqa: E402

NORMS = ("batch", "group", "instance", "none")
ENCODERS = ("unet", "linknet", "resnet")


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(3)


def small_simswap(**options):
    return SimSwap(**{"width": 8, "blocks": 2, "identity": 16, **options})


def small_aei(**options):
    return AEINet(**{"size": 32, "identity": 16, "width": 4, "limit": 16, **options})


# --- normalisations and ranges


def test_instance_norm_is_the_published_formula():
    x = noise(2, 3, 5, 4) * 7 + 2
    centred = x - x.mean((2, 3), keepdim=True)
    expected = centred * (centred.square().mean((2, 3), keepdim=True) + 1e-8).rsqrt()
    torch.testing.assert_close(instance_norm(x, 1e-8), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "computed"),
    [("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32"), ("float64", "float64")],
)
def test_instance_norm_computes_in_full_precision(monkeypatch, given, computed):
    seen, whole = [], F.instance_norm
    monkeypatch.setattr(F, "instance_norm", lambda x, **rest: seen.append(x.dtype) or whole(x, **rest))
    x = noise(1, 2, 8, 8).to(getattr(torch, given))
    made = instance_norm(x)
    assert (made.dtype, seen) == (x.dtype, [getattr(torch, computed)])


def test_the_eps_of_instance_norm_counts():
    faint = noise(1, 1, 8, 8) * 1e-3
    assert instance_norm(faint, 1e-8).std() > 0.98
    assert instance_norm(faint, 1e-5).std() < 0.4


@pytest.mark.parametrize("norm", NORMS)
def test_every_normalisation_keeps_the_shape(norm):
    assert norm_layer(norm, 24)(noise(2, 24, 4, 4)).shape == (2, 24, 4, 4)


def test_group_normalisation_knows_one_sample_only():
    layer, x = norm_layer("group", 24), noise(4, 24, 4, 4)
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(UsageError, match="'layer': choose batch"):
        norm_layer("layer", 8)


@pytest.mark.parametrize(
    ("space", "black", "white"),
    [("signed", -1, 1), ("unit", 0, 1), ("normalised", -0.485 / 0.229, (1 - 0.485) / 0.229)],
)
def test_spaces_carry_black_and_white_there_and_back(space, black, white):
    pixels = PixelSpace(space)
    ends = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    inside = pixels.enter(ends)
    assert inside[0, 0, 0, 0].item() == pytest.approx(black)
    assert inside[1, 0, 0, 0].item() == pytest.approx(white)
    torch.testing.assert_close(pixels.leave(inside), ends)


def test_an_unknown_space_is_refused():
    with pytest.raises(UsageError, match="'lab': choose signed"):
        PixelSpace("lab")


# --- SimSwap


def test_adain_adds_one_to_the_scale():
    layer = AdaIN(4, 6)
    x, identity = noise(2, 4, 5, 5), noise(2, 6)
    scale, shift = F.linear(identity, layer.style.weight, layer.style.bias).split(4, dim=1)
    expected = instance_norm(x, 1e-8) * (1 + scale[..., None, None]) + shift[..., None, None]
    torch.testing.assert_close(layer(x, identity), expected)
    torch.nn.init.zeros_(layer.style.weight)
    torch.nn.init.zeros_(layer.style.bias)
    torch.testing.assert_close(layer(x, identity), instance_norm(x, 1e-8))


def test_an_identity_block_has_no_activation_after_its_sum():
    block = IdentityBlock(4, 6)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = -noise(1, 4, 5, 5).abs()
    torch.testing.assert_close(block(x, noise(1, 6)), x)


def test_an_identity_block_pads_by_reflection():
    block = IdentityBlock(2, 3)
    x = noise(1, 2, 4, 4)
    padded = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), block.first.weight, block.first.bias)
    torch.testing.assert_close(block.first(x), padded)


def test_an_identity_block_has_relu_between_its_halves_alone():
    block = IdentityBlock(4, 6)
    x, identity = noise(1, 4, 5, 5), noise(1, 6)
    inner = block.first_style(block.first(x), identity).relu()
    expected = x + block.second_style(block.second(inner), identity)
    torch.testing.assert_close(block(x, identity), expected)


@pytest.mark.parametrize("side", [32, 40])
@pytest.mark.parametrize("options", [{}, {"deep": True}, {"levels": 4}])
def test_simswap_gives_pictures_of_the_size_it_took(options, side):
    net = small_simswap(**options)
    if side % net.multiple:
        with pytest.raises(UsageError, match=f"multiples of {net.multiple}"):
            net(noise(1, 3, side, side), noise(1, 16))
    else:
        assert net(noise(2, 3, side, side), noise(2, 16)).shape == (2, 3, side, side)


def test_simswap_in_unit_convention_gives_0_to_1_and_the_other_is_linear():
    unit, linear = small_simswap(), small_simswap(output="normalised")
    linear.load_state_dict(unit.state_dict())
    for net in (unit, linear):
        net.eval()
    x, identity = noise(2, 3, 32, 32), noise(2, 16)
    torch.testing.assert_close(unit(x, identity), (linear(x, identity).tanh() + 1) / 2)
    with torch.no_grad():
        linear.decoder[-1].bias += 50
        unit.decoder[-1].bias += 50
    assert linear(x, identity).min() > 40
    assert unit(x, identity).max() <= 1


@pytest.mark.parametrize("output", ["unit", "normalised"])
@pytest.mark.parametrize("entrance", ["unit", "normalised"])
def test_swap_is_forward_between_minus_one_and_one(entrance, output):
    net = small_simswap(entrance=entrance, output=output).eval()
    target, identity = noise(2, 3, 32, 32).tanh(), noise(2, 16)
    pixels = (target + 1) / 2
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    made = net((pixels - mean) / std if entrance == "normalised" else pixels, identity)
    if output == "normalised":
        made = made * std + mean
    torch.testing.assert_close(net.swap(target, identity), 2 * made - 1, atol=1e-5, rtol=1e-5)


def test_the_512_px_network_takes_and_gives_0_to_1():
    with torch.device("meta"):
        net = simswap_512()
        shape = net(torch.empty(1, 3, 512, 512), torch.empty(1, 512)).shape
    assert shape == (1, 3, 512, 512)
    assert net.multiple == 16
    torch.testing.assert_close(
        PixelSpace("unit").enter(torch.zeros(1, 3, 1, 1)).flatten(), torch.full((3,), 0.5)
    )


def test_nothing_of_simswap_goes_round_the_identity_blocks():
    net = small_simswap()
    net.blocks[-1].register_forward_hook(lambda *_: torch.zeros(1, 64, 4, 4))
    net.eval()
    one, other = (net(noise(1, 3, 32, 32, seed=seed), noise(1, 16)) for seed in (1, 2))
    torch.testing.assert_close(one, other, atol=0, rtol=0)


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_reach_all_of_simswap(norm):
    net = small_simswap(norm=norm)
    # What stands before a normalisation loses its mean there. (A group has more than one channel.)
    dead = ["blocks.*.first.bias", "blocks.*.second.bias"]
    if norm in ("batch", "instance"):
        dead += ["encoder.0.bias", "encoder.[3-9].0.bias", "decoder.*.1.bias"]
    assert_gradients_reach(net, lambda: net(noise(3, 3, 32, 32), noise(3, 16)), dead)


@pytest.mark.parametrize("make", [small_simswap, small_aei])
def test_the_identity_changes_the_picture_and_each_sample_has_its_own(make):
    net = make().eval()
    target = noise(1, 3, 32, 32).tanh().expand(2, -1, -1, -1)
    people = noise(2, 16)
    made = net(target, people)
    assert (made[0] - made[1]).abs().max() > 1e-4
    torch.testing.assert_close(net(target[1:], people[1:]), made[1:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("make", [small_simswap, small_aei])
def test_swappers_run_in_other_precisions(make):
    net = make().eval().double()
    assert net(noise(1, 3, 32, 32).double(), noise(1, 16).double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        made = make()(noise(2, 3, 32, 32), noise(2, 16))
    assert made.isfinite().all()


# --- AEI-Net


def test_the_mask_of_aad_is_where_identity_rules():
    layer = AAD(4, 5, 6)
    x, attributes, identity = noise(2, 4, 3, 3), noise(2, 5, 3, 3), noise(2, 6)
    h = instance_norm(x, 1e-5)
    scale, shift = F.linear(identity, layer.identity.weight, layer.identity.bias).split(4, dim=1)
    of_identity = scale[..., None, None] * h + shift[..., None, None]
    scale, shift = F.conv2d(attributes, layer.attributes.weight, layer.attributes.bias).split(4, dim=1)
    of_attributes = scale * h + shift
    for logit, expected in ((50, of_identity), (-50, of_attributes), (0, (of_identity + of_attributes) / 2)):
        torch.nn.init.zeros_(layer.mask.weight)
        torch.nn.init.constant_(layer.mask.bias, logit)
        torch.testing.assert_close(layer(x, attributes, identity), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_an_aad_block_has_a_shortcut_of_its_own_only_where_channels_change(layers):
    same, other = AADBlock(8, 8, 5, 6, layers), AADBlock(8, 4, 5, 6, layers)
    assert len(same.units) == len(other.units) == layers
    assert same.shortcut is None
    assert other.shortcut is not None
    x = noise(1, 8, 4, 4)
    torch.nn.init.zeros_(same.units[-1].conv.weight)
    torch.testing.assert_close(same(x, noise(1, 5, 4, 4), noise(1, 6)), x)
    assert other(x, noise(1, 5, 4, 4), noise(1, 6)).shape == (1, 4, 4, 4)


@pytest.mark.parametrize("kind", ENCODERS)
def test_published_attributes_have_these_shapes(kind):
    with torch.device("meta"):
        maps = attribute_encoder(kind)(torch.empty(1, 3, 256, 256))
    merged = [1024, 512, 256, 128, 64, 32, 32] if kind == "linknet" else [2048, 1024, 512, 256, 128, 64, 64]
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, 2**scale, 2**scale) for scale, channels in enumerate([1024, *merged], 1)
    ]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("size", [16, 32])
def test_aei_gives_pictures_of_its_size_in_minus_one_to_one(kind, layers, size):
    net = small_aei(size=size, encoder=kind, layers=layers)
    made = net(noise(2, 3, size, size) * 5, noise(2, 16) * 20)
    assert made.shape == (2, 3, size, size)
    assert made.abs().max() <= 1


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("kind", ENCODERS)
def test_gradients_reach_all_of_aei(kind, norm):
    net = small_aei(encoder=kind, layers=2, norm=norm)
    assert_gradients_reach(net, lambda: net(noise(3, 3, 32, 32), noise(3, 16) * 5))


def test_the_attribute_loss_reaches_the_encoder_through_the_made_picture():
    net = small_aei()
    target = noise(2, 3, 32, 32).tanh()
    maps = net.attributes(target)
    again = net.attributes(net.render(maps, noise(2, 16)))
    loss = sum((a - b).square().mean() for a, b in zip(maps, again, strict=True))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.encoder.parameters())
    assert net.generator.seed.weight.grad.abs().max() > 0


def test_aei_starts_as_published():
    net = AEINet(size=16, identity=256, width=16, limit=64)
    aad = net.generator.blocks[0].units[0].aad
    assert aad.identity.weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert aad.identity.bias.abs().max() == 0
    inputs, outputs = net.encoder.channels[0], aad.attributes.out_channels // 2
    assert aad.attributes.weight.std().item() == pytest.approx(math.sqrt(2 / (inputs + outputs)), rel=0.1)


@pytest.mark.parametrize("size", [0, 8, 100, 160])
def test_aei_needs_a_power_of_two(size):
    with pytest.raises(UsageError, match=f"of {size} px"):
        small_aei(size=size)


def test_aei_refuses_pictures_of_another_size():
    with pytest.raises(UsageError, match="made for 32"):
        small_aei()(noise(1, 3, 16, 16), noise(1, 16))


def test_an_unknown_encoder_is_refused():
    with pytest.raises(UsageError, match="'vit': choose unet"):
        small_aei(encoder="vit")
