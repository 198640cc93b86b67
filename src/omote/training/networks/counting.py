"""What a network costs: its parameters and its multiplications."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Cost(NamedTuple):
    """Size and work of a network.

    Attributes:
        parameters: trained or frozen numbers, without the running statistics of normalisations.
        macs: multiply-accumulate operations of one forward pass: those of convolutions and matrix products;
            biases, normalisations, activations and enlargements are not counted, as in the literature.
    """

    parameters: int
    macs: int


def cost(build: Callable[[], nn.Module], *shapes: Sequence[int]) -> Cost:
    """Count a network without computing it: it is built and run on torch's `meta` device.

    Args:
        build: makes the network, in evaluation mode here.
        shapes: of its inputs, with the batch axis.
    """
    with torch.device("meta"):
        network = build().eval()
        inputs = [torch.empty(*shape) for shape in shapes]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(*inputs)
    # A multiply-accumulate is two floating-point operations.
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)
