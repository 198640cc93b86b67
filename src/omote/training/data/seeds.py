"""Random numbers of a step: made anew from (seed, step), so that nothing keeps a random state."""

import numpy as np

from omote.errors import UsageError

PAIRS, AUGMENTATION, NETWORKS = 1, 2, 3
"""Streams: draws for different ends do not depend on one another. The last is for networks and losses."""


def generator(seed: int, step: int, stream: int) -> np.random.Generator:
    """The generator for one end in one step; the same numbers whenever and wherever it is asked for.

    Raises:
        UsageError: seed or step is negative.
    """
    if seed < 0 or step < 0:
        raise UsageError(f"seed {seed} and step {step}: neither may be negative")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, step)))
