"""Run an ONNX network: one explicit session type over ONNX Runtime."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError


def onnxruntime_offline() -> Any:
    """Import ONNX Runtime without its telemetry.

    Since 1.29 its official builds report to Microsoft, and keep a device identifier and a database in the
    user's cache, unless the environment forbids it before the import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # for Windows, which does not heed the variable
    return onnxruntime


class Session:
    """An ONNX network on the CPU, safe to call from several threads at once.

    One intra-op thread is the default because ONNX Runtime's own threads spin and are slower than
    parallel workers on shared machines; films run several frames in parallel instead.

    Args:
        model: a path, or the ONNX file as bytes. The graph is always loaded from bytes, so it cannot
            reach for files outside itself.
        threads: intra-op threads.

    Raises:
        ModelError: the file is missing or is not a network that ONNX Runtime can load.
    """

    def __init__(self, model: str | Path | bytes, threads: int = 1) -> None:
        onnxruntime = onnxruntime_offline()
        name = "network" if isinstance(model, bytes) else str(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            data = model if isinstance(model, bytes) else Path(model).read_bytes()
            self._session: Any = onnxruntime.InferenceSession(
                data, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except OSError as error:
            raise ModelError(f"{name}: cannot read the network ({error.strerror})") from error
        except Exception as error:  # ONNX Runtime raises its own unrelated classes
            raise ModelError(f"{name}: not a network that ONNX Runtime can load") from error
        self.inputs: dict[str, tuple[int | str | None, ...]] = {
            value.name: tuple(value.shape) for value in self._session.get_inputs()
        }
        self.outputs: tuple[str, ...] = tuple(value.name for value in self._session.get_outputs())

    def run(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Run the network on its inputs in graph order; the outputs come in graph order."""
        feeds = dict(zip(self.inputs, inputs, strict=True))
        return list(self._session.run(None, feeds))
