"""Every loss of the training room with inputs away from its optimum, and the fake at which it is least.

A table, so that one test of each property holds for all losses, and a loss that is not in it is noticed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from omote.training import losses

BATCH, SIDE = 3, 96
DRAW = torch.Generator().manual_seed(7)


@dataclass(frozen=True)
class Case:
    """One loss.

    Attributes:
        loss: the public function.
        call: from `inputs` to the values, (B,).
        inputs: tensors with the batch first; the first `fakes` of them are what the loss trains.
        best: from `inputs` to what the fakes are at the optimum; None where the loss is unbounded.
        network: whether the loss runs a network, which autocast may run in bfloat16.
    """

    loss: Callable[..., Tensor]
    call: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]
    best: Callable[..., tuple[Tensor, ...]] | None
    fakes: int = 1
    network: bool = False

    @property
    def name(self) -> str:
        return self.loss.__name__

    def trained(self) -> tuple[Tensor, ...]:
        """The inputs anew, the fakes as leaves that want a gradient."""
        return tuple(t.clone().requires_grad_(i < self.fakes) for i, t in enumerate(self.inputs))


def noise(*shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(BATCH, *shape, generator=DRAW)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(BATCH, *shape, generator=DRAW)


def picture(side: int = SIDE) -> Tensor:
    return uniform(3, side, side, low=-1)


def frozen(*layers: nn.Module) -> nn.Sequential:
    """Layers with drawn weights that learn nothing."""
    network = nn.Sequential(*layers).requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(0.3 * torch.randn(parameter.shape, generator=DRAW))
    return network


HEATMAPS = frozen(nn.Conv2d(3, 4, 3, 2, 1))
BACKBONE = frozen(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())


def points_of(pictures: Tensor) -> Tensor:
    """A point network: the centre of mass of four maps, (B, 4, 2) pixels."""
    weights = HEATMAPS(pictures).float().flatten(2).softmax(2).unflatten(2, (SIDE // 2, SIDE // 2))
    pixels = 2 * torch.arange(SIDE // 2) + 0.5
    return torch.stack([(weights.sum(2) * pixels).sum(2), (weights.sum(3) * pixels).sum(2)], 2)


def feature_maps(pictures: Tensor) -> list[Tensor]:
    shallow = BACKBONE[:2](pictures)
    return [shallow, BACKBONE[2:](shallow)]


def linear_critic(weight: Tensor) -> Callable[[Tensor], list[Tensor]]:
    """A discriminator of one scale whose slope is its weight, one for each sample."""
    return lambda pictures: [(weight * pictures).sum((1, 2, 3))]


def same(count: int) -> Callable[..., tuple[Tensor, ...]]:
    """The optimum of most losses: the fakes equal the references that follow them."""
    return lambda *inputs: inputs[count : 2 * count]


def filled(*values: float) -> Callable[..., tuple[Tensor, ...]]:
    """Fakes that hold one value each."""
    return lambda *inputs: tuple(torch.full_like(t, v) for t, v in zip(inputs, values, strict=False))


MAPS = (noise(4, 8, 8), noise(8, 4, 4), noise(8, 2, 2))
OTHERS = (noise(4, 8, 8), noise(8, 4, 4), noise(8, 2, 2))
LOGITS = uniform(1, 6, 6, low=-0.9, high=0.9), uniform(1, 3, 3, low=-0.9, high=0.9)
REAL_LOGITS = uniform(1, 6, 6, low=1, high=2), uniform(1, 3, 3, low=1, high=2)
TARGET = noise(16)
UNIT_SLOPE = (1 / (3 * 8 * 8)) ** 0.5

ANCHORS = torch.randn(24, 16, generator=DRAW)
TABLE = [
    Case(
        losses.identity_loss, losses.identity_loss, (noise(16), noise(16)), lambda fake, source: (3 * source,)
    ),
    Case(
        losses.hint_loss,
        lambda a, b, c, d: losses.hint_loss([a, b], [c, d]),
        (*MAPS[:2], *OTHERS[:2]),
        same(2),
        fakes=2,
    ),
    Case(
        losses.relation_loss,
        lambda student, teacher: losses.relation_loss(student, teacher, ANCHORS, ANCHORS),
        (noise(16), noise(16)),
        lambda student, teacher: (3 * teacher,),
    ),
    Case(
        losses.capped_identity_loss,
        lambda fake, source: losses.capped_identity_loss(fake, source, 0.9),
        (noise(16), noise(16)),
        lambda fake, source: (source + 0.1 * source.flip(1),),
    ),
    Case(
        losses.target_margin_loss,
        losses.target_margin_loss,
        (TARGET + 0.3 * noise(16), TARGET),
        lambda fake, target: (-target,),
    ),
    *(
        Case(loss, loss, (picture(), picture()), same(1))
        for loss in (
            losses.l1_reconstruction_loss,
            losses.l2_reconstruction_loss,
            losses.half_l2_reconstruction_loss,
            losses.low_frequency_colour_loss,
            losses.ms_ssim_loss,
        )
    ),
    *(
        Case(loss, lambda *scales, loss=loss: loss(list(scales)), LOGITS, best, fakes=2)
        for loss, best in (
            (losses.hinge_generator_loss, None),
            (losses.clipped_hinge_generator_loss, filled(1.0, 2.0)),
            (losses.non_saturating_generator_loss, filled(60.0, 60.0)),
            (losses.least_squares_generator_loss, filled(1.0, 1.0)),
        )
    ),
    *(
        Case(
            loss,
            lambda a, b, c, d, loss=loss: loss(real=[c, d], fake=[a, b]),
            (*LOGITS, *real),
            best,
            fakes=2,
        )
        for loss, real, best in (
            (losses.hinge_discriminator_loss, REAL_LOGITS, filled(-1.0, -2.0)),
            (
                losses.non_saturating_discriminator_loss,
                tuple(60 * logits for logits in REAL_LOGITS),
                filled(-60.0, -60.0),
            ),
            (
                losses.least_squares_discriminator_loss,
                tuple(torch.ones_like(logits) for logits in REAL_LOGITS),
                filled(0.0, 0.0),
            ),
        )
    ),
    Case(
        losses.feature_matching_loss,
        lambda a, b, c, d: losses.feature_matching_loss([[a], [b]], [[c], [d]]),
        (*MAPS[:2], *OTHERS[:2]),
        same(2),
        fakes=2,
    ),
    Case(
        losses.weak_feature_matching_loss,
        lambda a, b, shallow, c, d: losses.weak_feature_matching_loss(
            [[-shallow, a, b]], [[shallow, c, d]], 2
        ),
        (*MAPS[1:], MAPS[0], *OTHERS[1:]),
        lambda a, b, shallow, c, d: (c, d),
        fakes=2,
    ),
    Case(
        losses.attribute_loss,
        lambda a, b, c, d, e, f: losses.attribute_loss([a, b, c], [d, e, f]),
        (*MAPS, *OTHERS),
        same(3),
        fakes=3,
    ),
    *(
        Case(
            loss,
            lambda weight, real, other, loss=call: loss(linear_critic(weight), real, other),
            (noise(3, 8, 8), picture(8), noise(3, 8, 8)),
            best,
        )
        for loss, call, best in (
            (
                losses.gradient_penalty,
                lambda critic, real, fake: losses.gradient_penalty(
                    critic, real=real, fake=fake, mix=torch.full((len(real),), 0.4)
                ),
                filled(UNIT_SLOPE),
            ),
            (losses.r1_penalty, lambda critic, real, _: losses.r1_penalty(critic, real), filled(0.0)),
            (losses.approximate_r1_penalty, losses.approximate_r1_penalty, filled(0.0)),
        )
    ),
    *(
        Case(
            loss,
            lambda logits, shown, loss=loss: loss(logits, shown.argmax(1)),
            (noise(5, 9, 9), uniform(5, 9, 9)),
            lambda logits, shown: (
                60 * torch.nn.functional.one_hot(shown.argmax(1), 5).movedim(-1, 1).float(),
            ),
        )
        for loss in (losses.cross_entropy_loss, losses.dice_loss)
    ),
    Case(losses.heatmap_loss, losses.heatmap_loss, (uniform(2, 16, 16), uniform(2, 16, 16)), same(1)),
    Case(
        losses.eye_heatmap_loss,
        lambda fake, target: losses.eye_heatmap_loss(HEATMAPS, fake, target, (0, 2)),
        (picture(), picture()),
        same(1),
        network=True,
    ),
    Case(
        losses.eye_point_loss,
        lambda fake, target: losses.eye_point_loss(points_of, fake, target, (0, 3)),
        (picture(), picture()),
        same(1),
        network=True,
    ),
    Case(
        losses.feature_loss,
        lambda fake, target: losses.feature_loss([fake, fake[:, :, ::2]], [target, target[:, :, ::2]]),
        (picture(), picture()),
        same(1),
    ),
    Case(
        losses.perceptual_loss,
        lambda fake, target: losses.perceptual_loss(feature_maps, fake, target),
        (picture(), picture()),
        same(1),
        network=True,
    ),
    *(
        Case(
            loss,
            lambda fake, target, loss=loss: loss(fake, target, 0.5),
            (noise(478, 2), noise(478, 2)),
            same(1),
        )
        for loss in (losses.expression_loss, losses.gaze_loss)
    ),
    Case(losses.region_loss, losses.region_loss, (picture(32), picture(32), uniform(1, 8, 8)), same(1)),
    Case(
        losses.region_feature_loss,
        lambda a, b, c, d, region: losses.region_feature_loss([a, b], [c, d], region),
        (*MAPS[:2], *OTHERS[:2], uniform(1, 8, 8)),
        same(2),
        fakes=2,
    ),
    Case(losses.parsing_loss, losses.parsing_loss, (uniform(1, 16, 16), uniform(1, 16, 16).round()), same(1)),
    Case(losses.area_loss, losses.area_loss, (uniform(1, 16, 16),), filled(0.0)),
    Case(losses.mask_variation_loss, losses.mask_variation_loss, (uniform(1, 16, 16),), filled(0.6)),
    Case(losses.ring_loss, losses.ring_loss, (uniform(1, 16, 16), uniform(1, 16, 16).round()), same(1)),
    Case(
        losses.cycle_triplet_loss,
        lambda fake, photo: losses.cycle_triplet_loss(fake, losses.CycleTriplet(-photo, photo, photo)),
        (picture(), picture()),
        same(1),
    ),
]
