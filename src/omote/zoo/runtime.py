"""Run an ONNX network: one explicit session type over ONNX Runtime."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError

Shape = tuple[int | str | None, ...]
"""Sizes of the axes; a name or None where the graph leaves an axis open."""


def onnxruntime_offline() -> Any:
    """Import ONNX Runtime without its telemetry.

    Since 1.29 its official builds report to Microsoft, and keep a device identifier and a database in the
    user's cache, unless the environment forbids it before the import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # for Windows, which does not heed the variable
    return onnxruntime


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how networks run.

    Attributes:
        device: `cpu`.
        threads: intra-op threads. One is the default because ONNX Runtime's own threads spin and are slower
            than parallel workers on shared machines; films run several frames in parallel instead.
    """

    device: str = "cpu"
    threads: int = 1


class Session:
    """An ONNX network, safe to call from several threads at once.

    Args:
        model: a path, or the ONNX file as bytes. The graph is always loaded from bytes, so it cannot
            reach for files outside itself.
        runtime: where and how it runs.
        label: what to call it in messages; the path unless said.

    Raises:
        ModelError: the file is missing or is not a network that ONNX Runtime can load.
    """

    def __init__(
        self, model: str | Path | bytes, runtime: Runtime | None = None, label: str | None = None
    ) -> None:
        runtime = runtime or Runtime()
        onnxruntime = onnxruntime_offline()
        self.label = label or ("network" if isinstance(model, bytes) else str(model))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = runtime.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            data = model if isinstance(model, bytes) else Path(model).read_bytes()
            self._session: Any = onnxruntime.InferenceSession(
                data, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except OSError as error:
            raise ModelError(f"{self.label}: cannot read the network ({error.strerror})") from error
        except Exception as error:  # ONNX Runtime raises its own unrelated classes
            raise ModelError(f"{self.label}: not a network that ONNX Runtime can load") from error
        self.inputs: dict[str, Shape] = {v.name: tuple(v.shape) for v in self._session.get_inputs()}
        self.output_shapes: dict[str, Shape] = {v.name: tuple(v.shape) for v in self._session.get_outputs()}
        self.outputs: tuple[str, ...] = tuple(self.output_shapes)

    def run(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Run the network on its inputs in graph order; the outputs come in graph order."""
        feeds = dict(zip(self.inputs, inputs, strict=True))
        return list(self._session.run(None, feeds))

    def run_batch(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Run on a batch, (B, ...) each: at once if the graph leaves its first axis open, else one by one."""
        first = next(iter(self.inputs.values()))
        if not isinstance(first[0], int) or first[0] == len(inputs[0]):
            return self.run(*inputs)
        singles = [self.run(*(value[i : i + 1] for value in inputs)) for i in range(len(inputs[0]))]
        return [np.concatenate(parts) for parts in zip(*singles, strict=True)]
