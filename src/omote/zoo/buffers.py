"""Memory on the device for inputs and outputs, kept from one run to the next."""

from collections import OrderedDict
from collections.abc import Mapping
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
        self._kept: OrderedDict[tuple[Any, ...], tuple[Any, dict[str, Any]]] = OrderedDict()

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Run on inputs by name; the outputs are new arrays in graph order."""
        feeds = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
        key = tuple((name, value.shape, value.dtype.str) for name, value in feeds.items())
        if key not in self._kept:
            self._kept[key] = self._bind(feeds)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        binding, values = self._kept[key]
        for name, value in feeds.items():
            values[name].update_inplace(value)
        self._session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())

    def _bind(self, feeds: Mapping[str, npt.NDArray[Any]]) -> tuple[Any, dict[str, Any]]:
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
        for port in self._session.get_outputs():
            shape = [size if isinstance(size, int) else sizes.get(size) for size in port.shape]
            if port.type in _FLOATS and all(isinstance(size, int) for size in shape):
                value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                    shape, _FLOATS[port.type], *self._place
                )
                binding.bind_ortvalue_output(port.name, value)
            else:
                binding.bind_output(port.name, *self._place)
        return binding, values
