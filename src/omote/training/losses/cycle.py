"""Cycle triplets: a true answer, pixel by pixel, for a swap between two different people.

A real photo of A is first given the face of B by the swapper as it is now. The swapper then has to turn that
fake back into A: the input is the fake, the answer the real photo. So the pixel loss sees a true change of
identity, and the network meets its own faults as inputs, never as answers.

Source: ReliableSwap (Yuan et al. 2023); supervised triplets also in MobileFSGAN and DreamID.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from omote.training.losses._values import Embeddings, Pictures, Values
from omote.training.losses.reconstruction import l1_reconstruction_loss


@dataclass(frozen=True)
class CycleTriplet:
    """What to give the swapper, and what it should return.

    Attributes:
        target: the photo wearing another face (B, 3, H, W), without gradient.
        identity: whose face to put back (B, D).
        truth: the photo as it was (B, 3, H, W).
    """

    target: Pictures
    identity: Embeddings
    truth: Pictures


def cycle_triplet(
    swap: Callable[[Pictures, Embeddings], Pictures],
    photo: Pictures,
    own: Embeddings,
    other: Embeddings,
) -> CycleTriplet:
    """Build triplets with the swapper as it is; no gradient is kept.

    Args:
        swap: pictures and identities to finished pictures; best the averaged (EMA) generator.
        photo: real photos.
        own: identities of the people in them, best from other photos of theirs.
        other: identities of different people.
    """
    with torch.no_grad():
        target = swap(photo, other)
    return CycleTriplet(target.detach(), own, photo)


def cycle_triplet_loss(fake: Pictures, triplet: CycleTriplet) -> Values:
    """Mean of |fake - truth|; 0 where the swapper has put the photo back. `fake` = swap(target, identity).

    To be joined by a perceptual distance to the same truth.
    """
    return l1_reconstruction_loss(fake, triplet.truth)
