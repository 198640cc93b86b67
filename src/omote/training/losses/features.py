"""Feature matching: the fake should look to the discriminator as the target does.

Features are a list of scales, each a list of maps (B, ...) from the first layer to the last. Those of the
real picture are constants of the generator's step: they get no gradient. Scales are averaged, or summed with
``scales="sum"`` as published.
"""

from collections.abc import Sequence

import torch

from omote.training.losses._values import Maps, Scales, Values, as_list, over_scales, per_sample, same_shape

Features = Sequence[Maps]


def feature_matching_loss(fake: Features, real: Features, scales: Scales = "mean") -> Values:
    """Σ over all layers of the mean of |f(fake) - f(real)|; 0 where all maps agree.

    Source: pix2pixHD (Wang et al. 2018), whose further factor 4 / (layers + 1) is left to the weight.
    """
    return over_scales([_distance(ours, theirs) for ours, theirs in _paired(fake, real)], scales)


def weak_feature_matching_loss(fake: Features, real: Features, last: int, scales: Scales = "mean") -> Values:
    """Σ over the `last` deepest layers of the mean of |f(fake) - f(real)|; 0 where these agree.

    Deep maps hold attributes (pose, expression, light) and little of the identity, which shallow maps would
    pin to the target.

    Source: SimSwap (Chen et al. 2020); its public training uses the deepest map alone (``last=1``).

    Raises:
        ValueError: `last` is below 1, or more than a scale has layers.
    """
    pairs = _paired(fake, real)
    fewest = min(len(ours) for ours, _ in pairs)
    if not 1 <= last <= fewest:
        raise ValueError(f"last is {last}; it must be 1..{fewest}, the number of layers")
    return over_scales([_distance(ours[-last:], theirs[-last:]) for ours, theirs in pairs], scales)


def _paired(fake: Features, real: Features) -> list[tuple[Maps, Maps]]:
    counts = [len(as_list(maps)) for maps in fake], [len(as_list(maps)) for maps in real]
    if counts[0] != counts[1] or not counts[0]:
        raise ValueError(
            f"layers per scale are {counts[0]} of the fake and {counts[1]} of the real; give the same"
        )
    return list(zip(fake, real, strict=True))


def _distance(fake: Maps, real: Maps) -> Values:
    for ours, theirs in zip(fake, real, strict=True):
        same_shape(ours, theirs)
    differences = [
        (ours.float() - theirs.detach().float()).abs() for ours, theirs in zip(fake, real, strict=True)
    ]
    return torch.stack([per_sample(difference) for difference in differences]).sum(0)
