"""Memory on the device for inputs and outputs, kept from one run to the next."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.zoo.loading import onnxruntime_offline

_KEPT = 4
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class Buffers:
    """Runs a session with its inputs and outputs bound to memory of the device.

    Inputs are copied into memory that is there already; outputs whose size follows from the inputs are
    written to memory that is there already and copied out once. For one caller at a time.

    Args:
        session: ONNX Runtime's.
        memory: ONNX Runtime's name of the device's memory.
        number: which device of that kind.
    """

    def __init__(self, session: Any, memory: str, number: int) -> None:
        self._session, self._place = session, (memory, number)
        self._kept: OrderedDict[tuple[Any, ...], _Bound] = OrderedDict()

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Run on inputs by name; the outputs are new arrays in graph order."""
        key = tuple((name, value.shape, value.dtype.str) for name, value in feeds.items())
        if key not in self._kept:
            self._kept[key] = self._bind(feeds)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        bound = self._kept[key]
        for name, value in feeds.items():
            bound.inputs[name].update_inplace(value)
        for name in bound.open_outputs:  # else it would have to be as large as last time
            bound.binding.bind_output(name, *self._place)
        self._session.run_with_iobinding(bound.binding)
        return list(bound.binding.copy_outputs_to_cpu())

    def _bind(self, feeds: Mapping[str, npt.NDArray[Any]]) -> "_Bound":
        onnxruntime = onnxruntime_offline()
        binding = self._session.io_binding()
        values = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(value, *self._place)
            for name, value in feeds.items()
        }
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        sizes = {
            axis: size
            for port in self._session.get_inputs()
            for axis, size in zip(port.shape, feeds[port.name].shape, strict=False)
        }
        open_outputs = []
        for port in self._session.get_outputs():
            shape = [size if isinstance(size, int) else sizes.get(size) for size in port.shape]
            if port.type in _FLOATS and all(isinstance(size, int) for size in shape):
                value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                    shape, _FLOATS[port.type], *self._place
                )
                binding.bind_ortvalue_output(port.name, value)
            else:
                open_outputs.append(port.name)
        return _Bound(binding, values, open_outputs)


@dataclass(frozen=True, slots=True)
class _Bound:
    """Memory for inputs of certain shapes.

    Attributes:
        binding: ONNX Runtime's.
        inputs: where the inputs go, by name.
        open_outputs: names of outputs whose size does not follow from the inputs' shapes.
    """

    binding: Any
    inputs: Mapping[str, Any]
    open_outputs: list[str]
