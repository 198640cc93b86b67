"""The best that a linear layer can do for what it is given: a solution instead of one more schedule."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_RIDGE = 5.0
"""How firmly the weights are held, in mean squares of what the layer is given; the bias is free.

Held less firmly they came nearer to what was wanted, but told people apart less well.
"""


class LeastSquares:
    """Solves for weights and bias of a linear layer by ridge regression around those that it has.

    Args:
        layer: with a bias; changed in place by `solve`.

    Source: Hoerl & Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", 1970.
    """

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer
        size = layer.in_features + 1
        self._products = torch.zeros(size, size, dtype=torch.float64)
        self._missed = torch.zeros(size, layer.out_features, dtype=torch.float64)

    @torch.no_grad()
    def add(
        self,
        given: Float[Tensor, "b k"],
        wanted: Float[Tensor, "b d"],
        scale: Float[Tensor, "b 1"],
    ) -> None:
        """Count examples in: `scale` times what the layer makes of `given` is to be `wanted`."""
        rows = torch.cat([given, torch.ones_like(scale)], 1).double() * scale
        missed = wanted.double() - self.layer(given).double() * scale
        self._products += rows.T @ rows
        self._missed += rows.T @ missed

    @torch.no_grad()
    def solve(self) -> None:
        """Move the layer to the solution."""
        held = self._products.diagonal().clone()
        held[:-1], held[-1] = _RIDGE * held[:-1].mean(), 0
        change = torch.linalg.solve(self._products + held.diag(), self._missed)
        self.layer.weight.add_(change[:-1].T)
        self.layer.bias.add_(change[-1])
