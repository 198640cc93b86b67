"""Sessions: batches and their pieces, joined calls, memory, warm start, release, what a bad file says."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from omote.errors import ModelError
from omote.zoo import Runtime, Session, admission, native_weights
from omote.zoo.batching import Merger, cpu_rows, has_rows, out_of_memory
from omote.zoo.buffers import Buffers
from omote.zoo.placement import place
from omote.zoo.samples import random_inputs
from omote.zoo.warm import GraphCache, worth_keeping
from tests.planted import planted
from tests.shared_data import SHARED, needs_shared

RANDOM = np.random.default_rng(0)
MEMORY = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 9"
)


def weighted(rows: int | str = "n") -> bytes:
    """image × weight + mean of the image's own pixels: rows do not see one another; the weight has none."""
    return planted(
        [
            helper.make_node("Mul", ["image", "weight"], ["product"]),
            helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=1),
            helper.make_node("Add", ["product", "mean"], ["sum"]),
        ],
        {},
        {"image": [rows, 2, 3], "weight": [1]},
        {"sum": [rows, 2, 3], "mean": [rows, 1, 1]},
    )


def expected(images: np.ndarray, weight: float) -> np.ndarray:
    return np.asarray(images * weight + images.mean((1, 2), keepdims=True))


def reshaping(shape: Sequence[int]) -> bytes:
    """Flattens its input to a constant shape, as exports for one row do."""
    return planted(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        {"shape": np.array(shape, np.int64)},
        {"x": [1, 2, 3]},
        {"y": [1, 6]},
    )


def mixing() -> bytes:
    """Rows minus the mean of all rows: right shapes, wrong values if rows are joined."""
    return planted(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ],
        {},
        {"x": ["n", 3]},
        {"y": ["n", 3]},
    )


def choosing() -> bytes:
    """As many rows out as the input has numbers above 0.5, whichever rows they are in."""
    return planted(
        [
            helper.make_node("Greater", ["x", "half"], ["above"]),
            helper.make_node("NonZero", ["above"], ["places"]),
            helper.make_node("Transpose", ["places"], ["y"], perm=[1, 0]),
        ],
        {"half": np.array(0.5, np.float32)},
        {"x": ["n", 3]},
        {"y": ["found", 2]},
        {"y": TensorProto.INT64},
    )


class Inner:
    """Stands in a session for ONNX Runtime's: runs it, and notes what happens."""

    def __init__(self, session: Session, most: int | None = None) -> None:
        self._real = session._session
        self.most = most
        self.rows: list[int] = []
        self.gate: threading.Event | None = None
        self.entered = threading.Event()
        self.inside = 0
        self.together = 0
        session._session = self

    def run(self, names: None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        count = len(next(iter(feeds.values())))
        self.rows.append(count)
        self.inside += 1
        self.together = max(self.together, self.inside)
        try:
            self.entered.set()
            if self.gate is not None and len(self.rows) == 1:
                assert self.gate.wait(10)
            if self.most is not None and count > self.most:
                raise RuntimeError(MEMORY)
            return list(self._real.run(names, feeds))
        finally:
            self.inside -= 1


def images(count: int) -> np.ndarray:
    return RANDOM.random((count, 2, 3), np.float32)


WEIGHT = np.array([2], np.float32)


# --- opening ---


def test_inputs_and_outputs_in_graph_order() -> None:
    session = Session(weighted())
    assert session.inputs == {"image": ("n", 2, 3), "weight": (1,)}
    assert session.output_shapes == {"sum": ("n", 2, 3), "mean": ("n", 1, 1)}
    assert (session.outputs, session.label) == (("sum", "mean"), "network")
    batch = images(2)
    total, mean = session.run(batch, WEIGHT)
    np.testing.assert_allclose(total, expected(batch, 2), rtol=1e-6)
    np.testing.assert_allclose(mean, batch.mean((1, 2), keepdims=True), rtol=1e-6)


def test_threads_reach_onnx_runtime() -> None:
    options = Session(weighted(), Runtime(threads=3))._session.get_session_options()
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def outside() -> bytes:
    tensor = numpy_helper.from_array(np.ones(2, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", ports[:1], ports[1:], [tensor]
    )
    return bytes(helper.make_model(graph).SerializeToString())


def unknown_operator() -> bytes:
    return planted([helper.make_node("NoSuchOperator", ["x"], ["y"])], {}, {"x": [1]}, {"y": [1]})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"no network at all", "not a network in ONNX format"),
        (weighted()[:-20], "not a network in ONNX format"),
        (b"PK\x03\x04 and so on", "PyTorch checkpoints"),
        (outside(), "lie in another file"),
        (unknown_operator(), "not a network that ONNX Runtime can load .*NoSuchOperator"),
    ],
)
def test_files_that_are_refused(data: bytes, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=f"^net: .*{said}") as caught:
        Session(data, label="net")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_limits_are_checked_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(weighted())
    assert Session(path).label == str(path)
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    monkeypatch.setattr(admission, "MOST_NODES", 2)
    with pytest.raises(ModelError, match="3 nodes"):
        Session(path)
    monkeypatch.setattr(admission, "MOST_BYTES", 100)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("read"))
    with pytest.raises(ModelError, match="bytes"):
        Session(path)
    with pytest.raises(ModelError, match="cannot read the network"):
        Session(tmp_path / "missing.onnx")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([images(1)], "takes 2 inputs, was given 1"),
        ([images(1)[:, :1], WEIGHT], "cannot run on these inputs"),
        ([images(1).astype(np.float64), WEIGHT], "cannot run on these inputs"),
    ],
)
def test_inputs_that_are_refused(
    inputs: list[np.ndarray], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    session = Session(weighted(), label="net")
    for run in (session.run, session.run_batch):
        with pytest.raises(ModelError, match=f"^net: {said}") as caught:
            run(*inputs)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_nodes_that_fail_are_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    """ONNX Runtime would also print what it raises."""
    session = Session(reshaping([5, 5]), label="net")
    with pytest.raises(ModelError, match=r"^net: cannot run on these inputs \(.*shape"):
        session.run(images(1))
    assert capfd.readouterr() == ("", "")


def test_a_released_session_says_so_and_frees_its_memory() -> None:
    session = Session(weighted(), label="net")
    inner = Inner(session)
    inner.gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(session.run, images(1), WEIGHT)
        assert inner.entered.wait(10)
        session.release()
        inner.gate.set()
        assert len(under_way.result()) == 2
    with pytest.raises(ModelError, match="net: was released"):
        session.run(images(1), WEIGHT)


# --- batches ---


@pytest.mark.parametrize(
    "runtime", [Runtime(), Runtime(batch=3), Runtime(merge=True), Runtime(merge=True, batch=2)]
)
@pytest.mark.parametrize("rows", [1, "n"])
@pytest.mark.parametrize("count", [1, 7])
def test_batches_give_what_single_calls_give(runtime: Runtime, rows: int | str, count: int) -> None:
    session, batch = Session(weighted(rows), runtime), images(count)
    total, mean = session.run_batch(batch, WEIGHT)
    np.testing.assert_allclose(total, expected(batch, 2), rtol=1e-6)
    assert mean.shape == (count, 1, 1)


def found_in(batch: np.ndarray, pieces: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.concatenate([Session(choosing()).run(batch[start:end])[0] for start, end in pieces])


def test_pieces_that_give_as_many_rows_as_they_find() -> None:
    """The first piece finds as many as it has rows, by chance; the second one finds more."""
    session = Session(choosing(), Runtime(batch=2))
    batch = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], np.float32)
    (found,) = session.run_batch(batch)
    np.testing.assert_array_equal(found, found_in(batch, [(0, 2), (2, 4), (4, 5)]))
    assert len(found) == 5


def test_rows_of_inputs() -> None:
    assert [has_rows(shape) for shape in [("n", 3), ("n",), (None, 2), (1, 3), (1,), (5, 3), ()]] == [
        True, True, True, True, False, False, False
    ]  # fmt: skip


def test_pieces_on_the_cpu_fill_a_quarter_of_the_cache_at_most() -> None:
    crops = np.zeros((8, 3, 112, 112), np.float32)
    assert cpu_rows([crops], [True]) == 1
    assert cpu_rows([crops[..., :56, :56]], [True]) == 6
    assert cpu_rows([crops, np.zeros((8, 512), np.float32)], [False, True]) == 128
    session = Session(
        planted(
            [helper.make_node("Relu", ["x"], ["y"])], {}, {"x": ["n", 3, 56, 56]}, {"y": ["n", 3, 56, 56]}
        )
    )
    inner = Inner(session)
    session.run_batch(crops[..., :56, :56])
    assert inner.rows == [4, 4], "two equal pieces, not 6 and 2"
    session.run(crops[..., :56, :56])
    assert inner.rows == [4, 4, 8]


def test_a_network_for_one_row_is_opened_if_batches_are_asked_for() -> None:
    assert Session(weighted(1)).inputs["image"] == (1, 2, 3)
    session = Session(weighted(1), Runtime(batch=4))
    assert session.inputs == {"image": ("batch", 2, 3), "weight": (1,)}
    inner = Inner(session)
    session.run_batch(images(9), WEIGHT)
    assert inner.rows == [3, 3, 3]


@pytest.mark.parametrize(
    ("data", "opened"),
    [(reshaping([1, -1]), False), (reshaping([0, -1]), True), (reshaping([-1, 6]), True)],
)
def test_opening_is_kept_only_if_it_changes_nothing(data: bytes, opened: bool) -> None:
    session = Session(data, Runtime(batch=4))
    assert (session.inputs["x"][0] == "batch") == opened
    inner, batch = Inner(session), images(4)
    (flat,) = session.run_batch(batch)
    np.testing.assert_array_equal(flat, batch.reshape(4, 6))
    assert inner.rows == ([4] if opened else [1, 1, 1, 1])


def flattening() -> bytes:
    """Three rows out for every row in, as detectors give that join the cells of all pictures."""
    return planted(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        {"shape": np.array([-1, 1], np.int64)},
        {"x": ["n", 3]},
        {"y": ["cells", 1]},
    )


@pytest.mark.parametrize("data", [mixing(), choosing(), flattening()])
def test_rows_that_see_one_another_are_never_joined(data: bytes) -> None:
    session = Session(data, Runtime(merge=True))
    batch = RANDOM.random((9, 3), np.float32)
    inner = Inner(session)
    (together,) = session.run(batch)
    (reference,) = Session(data).run(batch)
    np.testing.assert_array_equal(together, reference)
    assert inner.rows == [9]
    inner.gate = threading.Event()
    inner.rows.clear()
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(session.run, batch[row : row + 1]) for row in range(4)]
        assert wait_until(lambda: len(inner.rows) == 1)
        inner.gate.set()
        for row, future in enumerate(futures):
            np.testing.assert_array_equal(future.result()[0], Session(data).run(batch[row : row + 1])[0])
    assert inner.rows == [1, 1, 1, 1]
    assert inner.together == 1


@needs_shared
@pytest.mark.parametrize(
    ("name", "shape", "opened"),
    [
        ("qual_face_112", (3, 112, 112), True),
        ("pose_fsanet_1x1", (3, 64, 64), True),
        ("id_mobilefacenet_ms1m_foamliu", (3, 112, 112), False),  # flattens to one row
    ],
)
def test_real_networks_in_batches(name: str, shape: tuple[int, ...], opened: bool) -> None:
    path = SHARED / "weights" / f"{name}.onnx"
    batch = RANDOM.random((3, *shape), np.float32)
    plain, session = Session(path), Session(path, Runtime(batch=4))
    assert (next(iter(session.inputs.values()))[0] == "batch") == opened
    for mine, theirs in zip(session.run_batch(batch), plain.run_batch(batch), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


# --- memory ---


@pytest.mark.parametrize("most", [1, 2, 3, 5])
@pytest.mark.parametrize("merge", [False, True])
def test_batches_halve_when_the_memory_does_not_suffice(most: int, merge: bool) -> None:
    session, batch = Session(weighted(), Runtime(batch=8, merge=merge)), images(16)
    inner = Inner(session, most)
    (total, _) = session.run_batch(batch, WEIGHT)
    np.testing.assert_allclose(total, expected(batch, 2), rtol=1e-6)
    fitting = next(size for size in (8, 4, 2, 1) if size <= most)
    tried = [size for size in (8, 4, 2, 1) if size >= fitting]
    assert inner.rows[: len(tried)] == tried
    inner.rows.clear()
    session.run_batch(batch, WEIGHT)
    assert max(inner.rows) == fitting, "what did not fit is not tried again"


def test_memory_that_suffices_for_nothing() -> None:
    session = Session(weighted(), Runtime(batch=8), "net")
    inner = Inner(session, most=0)
    with pytest.raises(ModelError, match=r"^net: the memory of cpu does not suffice"):
        session.run_batch(images(8), WEIGHT)
    assert inner.rows == [8, 4, 2, 1]
    with pytest.raises(ModelError, match=r"^net: the memory of cpu does not suffice"):
        session.run(images(8), WEIGHT)


def test_other_errors_are_no_reason_to_halve() -> None:
    session = Session(weighted(), Runtime(batch=8))
    inner = Inner(session)
    with pytest.raises(ModelError, match="cannot run"):
        session.run_batch(images(8)[:, :1], WEIGHT)
    assert inner.rows == [8]


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (RuntimeError(MEMORY), True),
        (RuntimeError("CUDA failure 2: out of memory ; GPU=0"), True),
        (RuntimeError("CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("Available memory of 5 is smaller than requested bytes of 9"), True),
        (RuntimeError("Status Message: std::bad_alloc"), True),
        (RuntimeError("DmlExecutionProvider 8007000E Not enough memory"), True),
        (MemoryError(), True),
        (RuntimeError("Got invalid dimensions for input"), False),
    ],
)
def test_what_counts_as_memory(error: Exception, is_memory: bool) -> None:
    assert out_of_memory(error) == is_memory


# --- joined calls ---


def wait_until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


def merger_of(session: Session) -> Merger:
    merger = session._run.__self__  # type: ignore[attr-defined]
    assert isinstance(merger, Merger)
    return merger


def together(
    session: Session, inner: Inner, calls: Sequence[tuple[np.ndarray, ...]]
) -> list[list[np.ndarray] | BaseException]:
    """Make the calls in threads of their own: the first one is held inside until all others wait."""
    inner.gate = threading.Event()
    merger = merger_of(session)
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = []
        for index, call in enumerate(calls):
            futures.append(pool.submit(session.run, *call))
            assert wait_until(lambda index=index: len(inner.rows) == 1 and len(merger._waiting) == index)
        inner.gate.set()
        return [future.exception() or future.result() for future in futures]


def test_waiting_calls_are_joined_and_each_caller_gets_its_rows() -> None:
    session = Session(weighted(1), Runtime(merge=True))
    inner = Inner(session)
    calls = [(images(1 + index % 2), WEIGHT) for index in range(6)]
    results = together(session, inner, calls)
    assert inner.rows == [1, 8], "2 + 1 + 2 + 1 + 2 rows at once"
    for (batch, _), result in zip(calls, results, strict=True):
        assert isinstance(result, list)
        np.testing.assert_allclose(result[0], expected(batch, 2), rtol=1e-6)
        assert len(result[1]) == len(batch)


def test_a_single_caller_does_not_wait() -> None:
    session = Session(weighted(), Runtime(merge=True))
    inner = Inner(session)
    for _ in range(3):
        session.run(images(1), WEIGHT)
    assert inner.rows == [1, 1, 1]


def test_no_more_rows_are_joined_than_allowed() -> None:
    session = Session(weighted(), Runtime(merge=True, batch=3))
    inner = Inner(session)
    together(session, inner, [(images(1), WEIGHT)] * 8)
    assert inner.rows == [1, 3, 3, 1]


def test_only_calls_of_the_same_kind_are_joined_and_the_oldest_comes_first() -> None:
    """Kinds differ by their shapes, and by inputs that have no rows."""
    ports = {"x": ["n", "side"], "w": [1]}
    data = planted([helper.make_node("Mul", ["x", "w"], ["y"])], {}, ports, {"y": ["n", "side"]})
    session = Session(data, Runtime(merge=True))
    inner = Inner(session)
    calls = [
        (np.full((1, side), index, np.float32), np.array([weight], np.float32))
        for index, (side, weight) in enumerate([(2, 1), (3, 1), (2, 1), (2, 9), (3, 1), (2, 1), (2, 9)])
    ]
    results = together(session, inner, calls)
    assert inner.rows == [1, 2, 2, 2]
    for (x, weight), result in zip(calls, results, strict=True):
        assert isinstance(result, list)
        np.testing.assert_array_equal(result[0], x * weight)


def test_errors_reach_the_caller_who_caused_them() -> None:
    session = Session(weighted(), Runtime(merge=True), "net")
    inner = Inner(session)
    real = inner._real.run
    inner._real = type("Picky", (), {"run": staticmethod(lambda names, feeds: picky(real, names, feeds))})

    calls = [(images(1), WEIGHT) for _ in range(5)]
    calls[3][0][:] = -1
    results = together(session, inner, calls)
    assert inner.rows == [1, 4, 1, 1, 1, 1]
    for index, (batch, _) in enumerate(calls):
        result = results[index]
        if index == 3:
            assert isinstance(result, ModelError)
            assert str(result) == "net: cannot run on these inputs (negative)"
        else:
            assert isinstance(result, list)
            np.testing.assert_allclose(result[0], expected(batch, 2), rtol=1e-6)


def picky(real: Any, names: None, feeds: dict[str, np.ndarray]) -> Any:
    if (feeds["image"] < 0).any():
        raise RuntimeError("negative")
    return real(names, feeds)


def test_rows_that_do_not_fit_together_halve_and_still_reach_their_callers() -> None:
    session = Session(weighted(), Runtime(merge=True))
    inner = Inner(session, most=2)
    calls = [(images(1), WEIGHT) for _ in range(6)]
    results = together(session, inner, calls)
    assert inner.rows == [1, 5, 2, 2, 1]
    for (batch, _), result in zip(calls, results, strict=True):
        assert isinstance(result, list)
        np.testing.assert_allclose(result[0], expected(batch, 2), rtol=1e-6)


def test_ctrl_c_in_the_leader_leaves_the_others_served() -> None:
    began, gate = threading.Event(), threading.Event()
    runs: list[int] = []

    def execute(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        runs.append(len(inputs[0]))
        if len(runs) == 1:
            began.set()
            assert gate.wait(10)
        if len(runs) == 2:
            raise KeyboardInterrupt
        return [inputs[0] * 2]

    merger = Merger(execute, [True], 8)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(merger.run, [np.full((1, 1), 0.0)])]
        assert began.wait(10)
        for index in range(1, 4):
            futures.append(pool.submit(merger.run, [np.full((1, 1), float(index))]))
            assert wait_until(lambda index=index: len(merger._waiting) == index)
        gate.set()
        outcomes = [future.exception() or float(future.result()[0][0, 0]) for future in futures]
    interrupted = [outcome for outcome in outcomes if isinstance(outcome, KeyboardInterrupt)]
    assert len(interrupted) == 1
    assert [outcome for outcome in outcomes if outcome not in interrupted] == [
        2.0 * index for index, outcome in enumerate(outcomes) if outcome not in interrupted
    ]
    assert runs == [1, 3, 2]


@pytest.mark.parametrize("runtime", [Runtime(merge=True), Runtime(merge=True, batch=2), Runtime()])
def test_many_threads_at_once(runtime: Runtime) -> None:
    session = Session(weighted(), runtime)
    batches = [images(1 + index % 3) for index in range(120)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda batch: session.run(batch, WEIGHT)[0], batches))
    for batch, result in zip(batches, results, strict=True):
        np.testing.assert_allclose(result, expected(batch, 2), rtol=1e-6)


def test_calls_on_the_cpu_run_in_parallel() -> None:
    session = Session(weighted())
    inner = Inner(session)
    inner.gate = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(session.run, images(1), WEIGHT)
        assert inner.entered.wait(10)
        session.run(images(1), WEIGHT)  # would wait for ever for the first one
        inner.gate.set()
        first.result()
    assert inner.together == 2


# --- warm start ---


def opened_with(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bytes that ONNX Runtime is given from now on."""
    given: list[bytes] = []
    real = onnxruntime.InferenceSession

    def note(data: bytes, **options: Any) -> Any:
        given.append(data)
        return real(data, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", note)
    return given


def test_the_next_start_finds_the_optimised_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, crops = native_weights("detect"), RANDOM.random((1, 3, 64, 64), np.float32)
    cold = Session(weights, Runtime()).run(crops)
    runtime = Runtime(cache=tmp_path / "new" / "folder")
    given = opened_with(monkeypatch)
    first, second = Session(weights, runtime), Session(weights, runtime)
    assert given[0] == weights
    assert given[1] != weights
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 1
    for session in (first, second):
        for mine, theirs in zip(session.run(crops), cold, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-9], lambda data: data[:50] + b"!" + data[51:]]
)
def test_damaged_entries_are_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    weights, runtime = native_weights("detect"), Runtime(cache=tmp_path / "cache")
    Session(weights, runtime)
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    given = opened_with(monkeypatch)
    for _ in range(2):
        Session(weights, runtime)
    assert given[0] == weights
    assert given[1] != weights
    assert [entry] == list((tmp_path / "cache").iterdir())


def test_an_entry_that_onnx_runtime_refuses_is_written_anew(tmp_path: Path) -> None:
    weights, runtime = native_weights("detect"), Runtime(cache=tmp_path / "cache")
    Session(weights, runtime)
    (entry,) = (tmp_path / "cache").iterdir()
    (tmp_path / "junk").write_bytes(b"junk")
    GraphCache(tmp_path / "cache", onnxruntime.__version__).write(entry.stem, tmp_path / "junk")
    assert len(entry.read_bytes()) == 8
    Session(weights, runtime)
    assert len(entry.read_bytes()) > 10_000


def test_entries_belong_to_network_version_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {GraphCache(Path(), version).key(data) for version in ("1.31", "1.32") for data in (b"a", b"b")}
    monkeypatch.setattr("omote.zoo.warm._processor", lambda: ("another",))
    keys.add(GraphCache(Path(), "1.31").key(b"a"))
    assert len(keys) == 5


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    Session(native_weights("detect"), Runtime(cache=tmp_path / "file")).run(
        np.zeros((1, 3, 64, 64), np.float32)
    )
    assert (tmp_path / "file").read_text() == "in the way"


def test_only_graphs_of_many_nodes_are_kept(tmp_path: Path) -> None:
    assert worth_keeping(nodes=376, size=1_247_488)
    assert not worth_keeping(nodes=65, size=4_957_081)
    heavy = {"w": np.zeros((1, 100_000), np.float32)}
    Session(
        planted(
            [helper.make_node("Add", ["x", "w"], ["y"])], heavy, {"x": ["n", 100_000]}, {"y": ["n", 100_000]}
        ),
        Runtime(cache=tmp_path / "cache"),
    )
    assert not (tmp_path / "cache").exists()


# --- bound buffers, samples, placement ---


@pytest.mark.parametrize("data", [weighted(), weighted(1)])
def test_bound_buffers_give_what_plain_runs_give(data: bytes) -> None:
    session = Session(data)
    buffers = Buffers(session._session, "cpu", 0)
    batches = [images(1)[:, ::-1] for _ in range(4)]  # not contiguous
    results = [buffers.run({"image": batch, "weight": WEIGHT}) for batch in batches]
    for batch, result in zip(batches, results, strict=True):  # none was overwritten by a later run
        np.testing.assert_allclose(result[0], expected(batch, 2), rtol=1e-6)


def test_bound_buffers_of_many_shapes_and_of_outputs_of_unknown_size() -> None:
    buffers = Buffers(Session(weighted())._session, "cpu", 0)
    for count in (1, 2, 3, 4, 5, 6, 1, 2):
        batch = images(count)
        np.testing.assert_allclose(
            buffers.run({"image": batch, "weight": WEIGHT})[0], expected(batch, 2), rtol=1e-6
        )
    assert len(buffers._kept) == 4
    buffers = Buffers(Session(choosing())._session, "cpu", 0)
    for fill, found in ((1, 6), (0, 0), (1, 6)):
        assert len(buffers.run({"x": np.full((2, 3), fill, np.float32)})[0]) == found


def test_random_inputs_have_the_kinds_that_the_graph_wants() -> None:
    kinds = {
        "a": TensorProto.FLOAT16,
        "b": TensorProto.UINT8,
        "c": TensorProto.INT64,
        "d": TensorProto.BOOL,
        "e": TensorProto.DOUBLE,
    }
    shapes: dict[str, Sequence[int | str]] = {"a": ["n", 3], "b": ["n", "side"], "c": [2], "d": [1], "e": []}
    nodes = [helper.make_node("Identity", [name], [name * 2]) for name in kinds]
    outputs = {name * 2: shape for name, shape in shapes.items()}
    data = planted(nodes, {}, shapes, outputs, kinds | {name * 2: kind for name, kind in kinds.items()})
    session = Session(data)._session
    inputs = random_inputs(session.get_inputs(), rows=5, side=64)
    assert inputs is not None
    assert [(value.shape, value.dtype.name) for value in inputs] == [
        ((5, 3), "float16"),
        ((5, 64), "uint8"),
        ((2,), "int64"),
        ((1,), "bool"),
        ((), "float64"),
    ]
    assert inputs[1].max() > 200
    assert not inputs[2].any()
    session.run(None, dict(zip(kinds, inputs, strict=True)))


def test_placement_counts_the_nodes_of_every_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    steps = zip(("Sin", "Cos", "Sin"), "xab", "aby", strict=True)
    nodes = [helper.make_node(kind, [start], [end]) for kind, start, end in steps]
    found = place(
        planted(nodes, {}, {"x": ["n", 3, "h", "w"]}, {"y": ["n", 3, "h", "w"]}), Runtime(), "net", side=32
    )
    assert found.nodes == {"CPU": 3}
    assert found.fed == {"x": (1, 3, 32, 32)}
    assert (found.inputs, found.outputs) == ({"x": ("n", 3, "h", "w")}, {"y": ("n", 3, "h", "w")})
    assert 0 < found.seconds < 1
    assert list((tmp_path / "here").iterdir()) == []


def test_placement_of_a_network_that_random_inputs_do_not_suit() -> None:
    data = planted(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        {"shape": np.array([7, 7], np.int64)},
        {"x": ["n", "m"]},
        {"y": [7, 7]},
    )
    with pytest.raises(ModelError, match=r"^net: cannot run on random inputs"):
        place(data, Runtime(), "net")
