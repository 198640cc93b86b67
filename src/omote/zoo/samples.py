"""Random inputs for a network, and whether its rows are independent of one another."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.zoo.batching import Array, cut, has_rows

_KINDS: Mapping[str, type] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}
"""ONNX Runtime's names of element types that networks of this field have."""


def random_inputs(ports: Sequence[Any], rows: int, side: int, seed: int = 0) -> list[Array] | None:
    """Make inputs for ports as `InferenceSession.get_inputs` gives them.

    Args:
        ports: they have a shape and a type.
        rows: of inputs that count rows.
        side: of other axes that are open; heights and widths, as a rule.
        seed: of the random numbers.

    Returns:
        Floats 0..1, uint8 0..255, other whole numbers 0 (they may be indices); None if there is a type that
        is no tensor of numbers.
    """
    random = np.random.default_rng(seed)
    inputs: list[Array] = []
    for port in ports:
        if port.type not in _KINDS:
            return None
        dtype = np.dtype(_KINDS[port.type])
        shape = tuple(size if isinstance(size, int) else side for size in port.shape)
        if has_rows(tuple(port.shape)):
            shape = (rows, *shape[1:])
        values: npt.NDArray[Any] = random.random(shape)
        inputs.append(
            (
                values * 255 if dtype == np.uint8 else np.floor(values) if dtype.kind in "ib" else values
            ).astype(dtype)
        )
    return inputs


def rows_independent(
    execute: Callable[[Sequence[Array]], list[Array]], ports: Sequence[Any], side: int, tolerance: float
) -> bool:
    """Whether two rows at once give what each gives alone, one row out for every row in.

    Args:
        execute: runs the network.
        ports: its inputs.
        side: see `random_inputs`.
        tolerance: largest difference, relative to the largest value of an output.
    """
    inputs = random_inputs(ports, 2, side)
    rowed = [has_rows(tuple(port.shape)) for port in ports]
    if inputs is None or not any(rowed):
        return False
    try:
        both = execute(inputs)
        singles = [execute(cut(inputs, rowed, row, row + 1)) for row in range(2)]
    except Exception:  # ONNX Runtime raises its own unrelated classes
        return False
    for together, *alone in zip(both, *singles, strict=True):
        if any(part.ndim == 0 or len(part) != 1 for part in alone):
            return False
        expected = np.concatenate(alone).astype(np.float64)
        if together.shape != expected.shape:
            return False
        difference = np.abs(together.astype(np.float64) - expected).max(initial=0)
        if not difference <= tolerance * np.abs(expected).max(initial=1e-6):
            return False
    return True
