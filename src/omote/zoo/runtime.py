"""Run an ONNX network: one explicit session type over ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.zoo.batching import Array, Execute, Merger, Pieces, Shape, cpu_rows, has_rows, out_of_memory
from omote.zoo.buffers import Buffers
from omote.zoo.devices import Device, Runtime
from omote.zoo.loading import NetworkFile, onnxruntime_offline, open_session, read_network, reason
from omote.zoo.onnx_file import open_batch_axis
from omote.zoo.samples import rows_independent

__all__ = ["Device", "Runtime", "Session", "Shape", "onnxruntime_offline"]

_DEVICE_ROWS = 8
_SIDE = 64
"""Open heights and widths in the self-check."""


class Session:
    """An ONNX network, safe to call from several threads at once.

    On the CPU calls run in parallel. Elsewhere they would wait for one another: there, calls that wait are
    joined into one batch, if the network's rows are independent, which is tried once at loading.

    Args:
        model: a path, or the ONNX file as bytes. The graph is always loaded from bytes, so it cannot
            reach for files outside itself.
        runtime: where and how it runs.
        label: what to call it in messages; the path unless said.

    Attributes:
        label: the network's name in messages.
        inputs: names and shapes in graph order; an axis of open size is a name or None.
        input_kinds: their element types by name, in NumPy's words: `float32`, `float16`, `int64`, ...
        output_shapes: as `inputs`.
        output_kinds: as `input_kinds`.
        outputs: their names.

    Raises:
        ModelError: the file is missing, is not a network that ONNX Runtime can load, reaches for other files,
            is too large, or the device is not at hand.
    """

    def __init__(
        self, model: str | Path | bytes, runtime: Runtime | None = None, label: str | None = None
    ) -> None:
        self.runtime = runtime or Runtime()
        self.label = label or ("network" if isinstance(model, bytes) else str(model))
        file = read_network(model, self.label)
        self._session: Any = None
        self._buffers: Buffers | None = None
        joinable = self._open_for_batches(file) if self._wants_batches() else False
        if self._session is None:
            self._use(open_session(file, self.runtime, self.label))
        self._run: Execute = self._once
        self._run_rows: Execute = Pieces(self._once, self._rowed, self._piece_rows).run
        if self.runtime.merges and joinable:
            limit = self.runtime.batch or _DEVICE_ROWS
            self._run = self._run_rows = Merger(self._run_rows, self._rowed, limit).run
        elif self.runtime.merges:  # calls take turns
            self._run = Merger(self._once, self._rowed, 1).run
            self._run_rows = Pieces(self._run, self._rowed, self._piece_rows).run

    def run(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Run the network on its inputs in graph order; the outputs come in graph order.

        Raises:
            ModelError: ONNX Runtime refuses the inputs, the memory does not suffice, or the session was
                released.
        """
        return self._told(self._run, inputs)

    def run_batch(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Run on a batch, (B, ...) each.

        Networks with an open first axis get as many rows at once as are good for the device, others one by
        one; outputs are joined along their first axis. Inputs without rows, such as a weight of shape (1,),
        serve for the whole batch. When the device's memory does not suffice, the pieces are halved.

        Raises:
            ModelError: as `run`.
        """
        return self._told(self._run_rows, inputs)

    def release(self) -> None:
        """Free the network's memory when the calls under way have ended; later calls raise ModelError."""
        self._session = self._buffers = None

    def _use(self, session: Any) -> None:
        self._session = session
        self.inputs: dict[str, Shape] = {v.name: tuple(v.shape) for v in session.get_inputs()}
        self.output_shapes: dict[str, Shape] = {v.name: tuple(v.shape) for v in session.get_outputs()}
        self.input_kinds: dict[str, str] = {v.name: _kind(v.type) for v in session.get_inputs()}
        self.output_kinds: dict[str, str] = {v.name: _kind(v.type) for v in session.get_outputs()}
        self.outputs: tuple[str, ...] = tuple(self.output_shapes)
        self._rowed = [has_rows(shape) for shape in self.inputs.values()]
        memory = self.runtime.target.memory
        # Only the merger sees to it that one caller at a time uses the buffers.
        if memory is not None and self.runtime.merges:
            self._buffers = Buffers(session, memory, self.runtime.target.number)

    def _wants_batches(self) -> bool:
        """On the CPU batches gain too little to pay for the self-check."""
        return self.runtime.merges or self.runtime.batch is not None or not self.runtime.target.parallel

    def _open_for_batches(self, file: NetworkFile) -> bool:
        """Open the network with a batch axis if that changes no result; says whether rows are independent."""
        exact = self.runtime.target.parallel
        try:
            opened = file._replace(data=open_batch_axis(file.data, self.label))
            self._use(open_session(opened, self.runtime, self.label))
        except ModelError:
            return False
        if rows_independent(self._once, self._session.get_inputs(), _SIDE, 1e-4 if exact else 1e-2):
            return True
        self.release()
        return False

    def _piece_rows(self, inputs: Sequence[Array]) -> int:
        """How many rows to run at once."""
        if any(rows and shape[0] == 1 for rows, shape in zip(self._rowed, self.inputs.values(), strict=True)):
            return 1
        if self.runtime.batch is not None:
            return self.runtime.batch
        return cpu_rows(inputs, self._rowed) if self.runtime.target.parallel else _DEVICE_ROWS

    def _once(self, inputs: Sequence[Array]) -> list[Array]:
        session, buffers = self._session, self._buffers
        if session is None:
            raise ModelError(f"{self.label}: was released and cannot run any more")
        feeds = dict(zip(self.inputs, inputs, strict=True))
        return buffers.run(feeds) if buffers else list(session.run(None, feeds))

    def _told(self, run: Execute, inputs: Sequence[Array]) -> list[Array]:
        """Run, and say in one line what went wrong."""
        if len(inputs) != len(self.inputs):
            raise ModelError(f"{self.label}: takes {len(self.inputs)} inputs, was given {len(inputs)}")
        try:
            return run(inputs)
        except ModelError:
            raise
        except Exception as error:  # ONNX Runtime raises its own unrelated classes
            if out_of_memory(error):
                device = self.runtime.target
                elsewhere = "" if device.parallel else ", or --device cpu"
                raise ModelError(
                    f"{self.label}: the memory of {device} does not suffice for one call: close other "
                    f"programs, choose a smaller network or size{elsewhere}"
                ) from error
            raise ModelError(f"{self.label}: cannot run on these inputs ({reason(error)})") from error


def _kind(name: str) -> str:
    """NumPy's word for an element type, which ONNX Runtime calls `tensor(float)`."""
    inner = name.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(inner, inner)
