"""Projected discriminator: what is frozen, what is trained, what a verdict holds."""

import pytest

from omote.errors import UsageError
from tests.module_checks import assert_gradients_reach

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")

from torch.nn import functional as F  # noqa: E402

from omote.training.networks.identity import MobileFaceNet, ScaleMaps  # noqa: E402
from omote.training.networks.projected import FeatureJudge, ProjectedDiscriminator, RandomProjection  # noqa: E402


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(3)


def small(**options):
    backbone = ScaleMaps(MobileFaceNet(width=4, size=32))
    return ProjectedDiscriminator(backbone, backbone.channels, **{"mixed": 4, "width": 32, **options})


def test_there_is_a_verdict_for_each_map_with_the_map_as_its_feature():
    net = small()
    picture = noise(2, 3, 128, 128)
    verdicts = net(picture)
    assert [tuple(verdict.logits.shape) for verdict in verdicts] == [(2, 1, 5, 5)] * 4
    for verdict, level in zip(verdicts, net.backbone(picture), strict=True):
        assert len(verdict.features) == 1
        torch.testing.assert_close(verdict.features[0], level)


def test_only_the_judges_are_trained_and_pictures_get_gradients():
    net = small()
    trained = {name.split(".")[0] for name, p in net.named_parameters() if p.requires_grad}
    assert trained == {"judges"}
    picture = noise(3, 3, 128, 128).requires_grad_()
    kept = {f"judges.{j}.layers.{i}.bias" for j in range(4) for i in range(1, 12, 3)}
    dead = [
        name
        for name, p in net.named_parameters()
        if p.requires_grad and name.endswith("bias") and name not in kept
    ]
    assert_gradients_reach(
        net, lambda: torch.cat([verdict.logits.flatten(1) for verdict in net(picture)], dim=1), dead
    )
    assert picture.grad.abs().max() > 0


def test_training_changes_neither_the_frozen_network_nor_the_projection():
    net = small().train()
    assert net.judges.training
    assert not any(part.training for part in net.backbone.modules())
    before = {
        name: value.clone() for name, value in net.state_dict().items() if not name.startswith("judges")
    }
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 0.1)
    sum(verdict.logits.mean() for verdict in net(noise(2, 3, 128, 128))).backward()
    optimiser.step()
    after = net.state_dict()
    assert before
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_coarse_scales_are_mixed_into_fine_ones_and_not_the_other_way():
    projection = RandomProjection((3, 5, 7), mixed=2)
    maps = [noise(1, 3, 16, 16), noise(1, 5, 8, 8), noise(1, 7, 4, 4)]
    results = projection(maps)
    assert [tuple(x.shape) for x in results] == [(1, 2, 32, 32), (1, 2, 16, 16), (1, 4, 8, 8)]
    for level in range(3):
        changed = projection([x + 1 if index == level else x for index, x in enumerate(maps)])
        moved = [not torch.allclose(a, b) for a, b in zip(changed, results, strict=True)]
        assert moved == [index <= level for index in range(3)]


def test_the_projection_is_the_published_one():
    projection = RandomProjection((3, 5), mixed=2)
    fine, coarse = noise(1, 3, 8, 8), noise(1, 5, 4, 4)

    def enlarged(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)

    deep = projection.across_scales[1](enlarged(projection.across_channels[1](coarse)))
    shallow = projection.across_scales[0](enlarged(projection.across_channels[0](fine) + deep))
    torch.testing.assert_close(projection([fine, coarse]), [shallow, deep])


def test_judges_widen_towards_their_end():
    convolutions = [
        part for part in FeatureJudge(64, 4, 512, "batch").layers if hasattr(part, "out_channels")
    ]
    assert [part.out_channels for part in convolutions] == [64, 128, 256, 512, 1]
    assert all(hasattr(part, "parametrizations") for part in convolutions)


def test_judges_without_batch_statistics_judge_samples_one_by_one():
    net = small(norm="group").eval()
    pictures = noise(3, 3, 128, 128)
    for together, alone in zip(net(pictures), net(pictures[1:2]), strict=True):
        torch.testing.assert_close(together.logits[1:2], alone.logits, atol=1e-4, rtol=1e-4)


def test_a_network_without_maps_is_refused():
    with pytest.raises(UsageError, match="at least one map"):
        ProjectedDiscriminator(torch.nn.Identity(), ())
