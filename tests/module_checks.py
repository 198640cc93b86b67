"""Checks that hold for every torch module of the training room."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from typing import Any


def assert_gradients_reach(module: Any, forward: Callable[[], Any], dead: Iterable[str] = ()) -> None:
    """Every trained parameter gets a finite gradient that is not zero from a random weighting of the output.

    Args:
        module: what is trained.
        forward: gives its output, a tensor.
        dead: patterns of names of parameters that cannot have one, such as a bias before a normalisation
            that takes the mean away; their gradient must be rounding alone, so that the list stays true.
    """
    import torch

    output = forward()
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(7))
    module.zero_grad()
    (output * weights).sum().backward()
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, f"no gradient reaches {name}"
        assert torch.isfinite(parameter.grad).all(), f"the gradient of {name} is not finite"
        largest = parameter.grad.abs().max().item()
        if any(fnmatch(name, pattern) for pattern in dead):
            assert largest < 1e-3, f"{name} is said to be dead, but has a gradient of {largest}"
        else:
            assert largest > 1e-7, f"the gradient of {name} is zero"
