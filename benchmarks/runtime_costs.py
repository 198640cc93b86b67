"""What the benchmarks of single networks share: a session, its time, and a file from a run."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime


@contextmanager
def as_network_file(path: Path) -> Iterator[Path]:
    """The ONNX file itself, or that of a run or checkpoint, exported for as long as it is needed."""
    if path.suffix == ".onnx":
        yield path
        return
    from omote.training.export import export

    with tempfile.TemporaryDirectory() as folder:
        yield export(path, Path(folder) / "network.onnx").files[0]


def session_of(file: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session of so many threads that does not burn time while it waits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def milliseconds(session: onnxruntime.InferenceSession, batch: npt.NDArray[np.float32]) -> str:
    """Median and least time of a run in ms by the clock, and median processor time."""
    name = session.get_inputs()[0].name
    clock, work = [], []
    for _ in range(55):
        begin, begun = time.perf_counter(), time.process_time()
        session.run(None, {name: batch})
        clock.append(1000 * (time.perf_counter() - begin))
        work.append(1000 * (time.process_time() - begun))
    clock, work = clock[5:], work[5:]
    return f"{np.median(clock):.1f} ms (least {min(clock):.1f}), processor {np.median(work):.1f} ms"
