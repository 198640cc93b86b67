"""Convolutions of an ONNX file in 8-bit integers: a third of the time on CPUs that are made for it."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from omote.errors import UsageError
from omote.training.exported import Exported
from omote.training.recipe import Recipe
from omote.training.shown import Shown

Example = Mapping[str, npt.NDArray[np.float32]]
"""Inputs by their names, of one sample."""

EXAMPLES = 128
"""How many the ranges are taken from."""


def examples(exported: Exported, recipe: Recipe, shown: Shown) -> Iterator[Example]:
    """What a network is given in training, the same whenever asked.

    Args:
        exported: the network.
        recipe: that it was trained by.
        shown: the faces that it is shown.

    Raises:
        UsageError: networks of this kind do not say what they are given.
        InputError: the faces cannot be read.
    """
    if exported.given is None:
        raise UsageError(f"recipe {recipe.name}: its network cannot be stored in 8 bits; leave --int8 out")
    for batch in shown.batches(recipe, EXAMPLES):
        given = exported.given(batch)
        planes = {key: value.float().contiguous().numpy() for key, value in given.items()}
        yield from ({key: rows[i : i + 1] for key, rows in planes.items()} for i in range(len(batch)))


def store_int8(file: Path, given: Sequence[Example]) -> None:
    """Rewrite an ONNX file so that its convolutions compute with integers.

    Weights take seven bits, by output channel: sums of eight overflow on CPUs without VNNI. What flows into a
    convolution takes eight, over the range that it has in the examples (Jacob et al., "Quantization and
    Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018). All else is
    computed with in float32.

    Args:
        file: rewritten in place.
        given: what ranges are taken from.
    """
    talk = logging.getLogger()
    level = talk.level
    talk.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as name:
            plain = Path(name) / "plain.onnx"
            quant_pre_process(file, plain, skip_symbolic_shape=True)
            quantize_static(
                plain,
                file,
                _Reader(given),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
    finally:
        talk.setLevel(level)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, given: Sequence[Example]) -> None:
        self._given = iter(given)

    def get_next(self) -> Any:
        """The next example, None after the last."""
        return next(self._given, None)
