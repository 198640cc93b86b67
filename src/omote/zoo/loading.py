"""From the bytes of a network to a session of ONNX Runtime: checks, threads, provider, warm start."""

import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from omote.errors import ModelError
from omote.zoo.admission import admit, admit_size
from omote.zoo.devices import Device, Runtime
from omote.zoo.warm import GraphCache, worth_keeping


def onnxruntime_offline() -> Any:
    """Import ONNX Runtime without its telemetry.

    Since 1.29 its official builds report to Microsoft, and keep a device identifier and a database in the
    user's cache, unless the environment forbids it before the import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # for Windows, which does not heed the variable
    return onnxruntime


class NetworkFile(NamedTuple):
    """A file that ONNX Runtime may see, and how many nodes its graph has."""

    data: bytes
    nodes: int


def read_network(model: str | Path | bytes, label: str) -> NetworkFile:
    """Read the file of a network and check it before ONNX Runtime sees it.

    Raises:
        ModelError: it cannot be read, is too large, is no ONNX file, or reaches for other files.
    """
    try:
        if not isinstance(model, bytes):
            admit_size(label, Path(model).stat().st_size)
        data = model if isinstance(model, bytes) else Path(model).read_bytes()
    except OSError as error:
        raise ModelError(f"{label}: cannot read the network ({error.strerror})") from error
    return NetworkFile(data, admit(label, ".onnx", data))


def open_session(file: NetworkFile, runtime: Runtime, label: str, profile: str | None = None) -> Any:
    """Open a checked network on the runtime's device.

    Args:
        file: from `read_network`.
        runtime: where and how it will run.
        label: what to call it in messages.
        profile: where ONNX Runtime shall write what it runs where; the start of a file name.

    Raises:
        ModelError: the device is not at hand, or ONNX Runtime cannot load the network on it.
    """
    onnxruntime = onnxruntime_offline()
    device = runtime.target
    _require_provider(onnxruntime, device)
    if (
        runtime.cache is not None
        and profile is None
        and device.parallel
        and worth_keeping(file.nodes, len(file.data))
    ):
        return _open_warm(onnxruntime, file.data, runtime, label, runtime.cache)
    options = _options(onnxruntime, runtime)
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return _open(onnxruntime, file.data, options, runtime, label)


def reason(error: BaseException) -> str:
    """What ONNX Runtime says went wrong, in one line without its codes and tags."""
    text = " ".join(str(error).split()) or type(error).__name__
    for mark in ("Status Message: ", " : FAIL : ", " : INVALID_ARGUMENT : "):
        text = text.rpartition(mark)[2]
    return text if len(text) <= 200 else text[:200] + "…"


def _require_provider(onnxruntime: Any, device: Device) -> None:
    if device.provider not in onnxruntime.get_available_providers():
        raise ModelError(f"{device} is not available: this ONNX Runtime lacks it; {device.cure}")
    if device.memory == "cuda" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds the libraries of NVIDIA's pip packages


def _options(onnxruntime: Any, runtime: Runtime) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = runtime.intra_op_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised as well
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Threads that spin while they wait take the cores from the pipeline's other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if runtime.target.kind == "directml":
        options.enable_mem_pattern = False  # DirectML demands it
    return options


def _open(onnxruntime: Any, data: bytes, options: Any, runtime: Runtime, label: str) -> Any:
    device = runtime.target
    providers = list(device.options(runtime.precision, runtime.cache).items())
    try:
        session = onnxruntime.InferenceSession(data, sess_options=options, providers=providers)
    except Exception as error:  # ONNX Runtime raises its own unrelated classes
        if device.parallel:
            raise ModelError(
                f"{label}: not a network that ONNX Runtime can load ({reason(error)})"
            ) from error
        raise ModelError(f"{label}: cannot be opened on {device} ({reason(error)}); {device.cure}") from error
    session.disable_fallback()  # else a failing run is silently repeated on the CPU
    if session.get_providers()[0] != device.provider:
        raise ModelError(f"{device} does not start, its libraries are missing or do not fit: {device.cure}")
    return session


def _open_warm(onnxruntime: Any, data: bytes, runtime: Runtime, label: str, folder: Path) -> Any:
    """Open the optimised graph of last time, or optimise and keep it."""
    cache = GraphCache(folder, onnxruntime.__version__)
    key = cache.key(data)
    optimised = cache.read(key)
    if optimised is not None:
        options = _options(onnxruntime, runtime)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            return _open(onnxruntime, optimised, options, runtime, label)
        except ModelError:
            pass  # written anew below
    options = _options(onnxruntime, runtime)
    with tempfile.TemporaryDirectory(prefix="omote-") as scratch:
        options.optimized_model_filepath = str(Path(scratch) / "graph.onnx")
        session = _open(onnxruntime, data, options, runtime, label)
        cache.write(key, Path(options.optimized_model_filepath))
    return session
