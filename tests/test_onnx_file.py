"""The reader of ONNX files: what it says is what the onnx package says, and no bytes crash it."""

import contextlib
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from omote.errors import ModelError
from omote.zoo import native_weights, onnx_file
from omote.zoo.onnx_file import (
    external_data,
    initializers,
    last_initializer,
    node_count,
    open_batch_axis,
    survey,
)
from omote.zoo.protobuf import message
from tests.planted import planted
from tests.shared_data import SHARED, needs_shared

READERS: list[Callable[[bytes], object]] = [
    initializers,
    last_initializer,
    node_count,
    external_data,
    open_batch_axis,
]
EMAP = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)


def mixed(last: np.ndarray = EMAP) -> bytes:
    """A swapper-like graph: two inputs with rows, a weight without, a constant at its end."""
    return planted(
        [
            helper.make_node("MatMul", ["source", "emap"], ["latent"]),
            helper.make_node("Mul", ["latent", "weight"], ["weighted"]),
            helper.make_node("Add", ["target", "bias"], ["moved"]),
            helper.make_node("Identity", ["moved"], ["image"]),
        ],
        {"bias": np.zeros((1, 3, 1, 1), np.float32), "emap": last},
        {"source": [1, 4], "target": [1, 3, 8, 8], "weight": [1]},
        {"weighted": [1, 4], "image": [1, 3, 8, 8]},
    )


def shape_of(port: onnx.ValueInfoProto) -> list[int | str]:
    return [axis.dim_param or axis.dim_value for axis in port.type.tensor_type.shape.dim]


def parsed(data: bytes) -> onnx.ModelProto:
    return onnx.load_model_from_string(data)


def of_tensor(tensor: onnx.TensorProto) -> bytes:
    """A model whose only constant is this one."""
    graph = helper.make_graph([], "constant", [], [], [tensor])
    return bytes(helper.make_model(graph).SerializeToString())


def test_names_and_shapes_in_the_order_of_the_file() -> None:
    assert list(initializers(mixed()).items()) == [("bias", (1, 3, 1, 1)), ("emap", (4, 4))]


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_last_initializer_raw(kind: type) -> None:
    name, values = last_initializer(mixed(EMAP.astype(kind)))
    assert (name, values.dtype) == ("emap", kind)
    np.testing.assert_array_equal(values, EMAP.astype(kind))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_last_initializer_as_a_list_of_numbers(kind: int) -> None:
    tensor = helper.make_tensor("emap", kind, [4, 4], EMAP.ravel())
    assert not tensor.raw_data
    name, values = last_initializer(of_tensor(tensor))
    assert name == "emap"
    np.testing.assert_array_equal(values, numpy_helper.to_array(tensor))


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (numpy_helper.from_array(np.arange(3), "steps"), "steps, has element type 7, expected 1"),
        (
            TensorProto(name="e", data_type=1, dims=[2, 3], raw_data=bytes(20)),
            r"shape \(2, 3\), but 20 bytes",
        ),
        (TensorProto(name="e", data_type=1, dims=[0, 2**62], raw_data=b""), "but 0 bytes"),
        (TensorProto(name="e", data_type=1, dims=[-1], raw_data=bytes(4)), "a size is negative"),
    ],
)
def test_last_initializer_that_cannot_be_read(tensor: onnx.TensorProto, expected: str) -> None:
    with pytest.raises(ModelError, match=f"^net: .*{expected}"):
        last_initializer(of_tensor(tensor), "net")


def test_no_initializer_at_all() -> None:
    data = planted([helper.make_node("Relu", ["a"], ["b"])], {}, {"a": [1]}, {"b": [1]})
    assert initializers(data) == {}
    with pytest.raises(ModelError, match="no constants"):
        last_initializer(data)


def branched(external: bool = False) -> bytes:
    """A graph with a node that holds two graphs of one node each, one of which has a constant."""
    tensor = numpy_helper.from_array(np.ones(2, np.float32))
    if external:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../secret")
    branches = []
    for name in ("then", "else"):
        port = helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
        node = helper.make_node("Constant", [], [name], value=tensor)
        branches.append(helper.make_graph([node], name, [], [port]))
    node = helper.make_node("If", ["flag"], ["y"], then_branch=branches[0], else_branch=branches[1])
    return planted([node], {}, {"flag": []}, {"y": [2]}, {"flag": TensorProto.BOOL})


def test_nodes_of_inner_graphs_count() -> None:
    assert node_count(mixed()) == 4
    assert node_count(branched()) == 3


def test_external_data_is_seen_wherever_it_is() -> None:
    assert not external_data(mixed())
    assert not external_data(branched())
    assert external_data(branched(external=True))
    model = parsed(mixed())
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    assert external_data(model.SerializeToString())


def test_external_data_in_functions_and_sparse_constants() -> None:
    outside = TensorProto(name="o", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    model = parsed(mixed())
    function = helper.make_function(
        "own", "f", [], ["y"], [helper.make_node("Constant", [], ["y"], value=outside)], []
    )
    model.functions.append(function)
    assert survey(model.SerializeToString()) == (5, True)
    model = parsed(mixed())
    model.graph.sparse_initializer.add(values=outside)
    assert external_data(model.SerializeToString())


def test_a_graph_in_two_parts_is_one_graph() -> None:
    """Protobuf joins repeated parts, so what hides in the second one must be found as well."""
    second = parsed(branched(external=True)).graph.SerializeToString()
    data = mixed() + message(7, second)
    assert len(parsed(data).graph.node) == 5
    assert survey(data) == (4 + 3, True)


def test_too_many_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MOST_PARTS", 5)
    with pytest.raises(ModelError, match="net: the graph has more than 5"):
        survey(mixed(), "net")


def test_graphs_nested_too_deep_are_refused() -> None:
    graph = b""
    for _ in range(100):
        graph = message(1, message(5, message(6, graph)))
    with pytest.raises(ModelError, match="nested"):
        survey(message(7, graph))


def test_open_batch_axis_opens_what_has_rows() -> None:
    model = parsed(mixed())
    model.graph.value_info.append(helper.make_tensor_value_info("moved", TensorProto.FLOAT, [1, 3, 8, 8]))
    # Before version 4 of the format, constants are inputs as well: their first axis is no batch.
    model.graph.input.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, [1, 3, 1, 1]))
    opened = parsed(open_batch_axis(model.SerializeToString()))
    assert {port.name: shape_of(port) for port in opened.graph.input} == {
        "source": ["batch", 4],
        "target": ["batch", 3, 8, 8],
        "weight": [1],
        "bias": [1, 3, 1, 1],
    }
    assert [shape_of(port) for port in opened.graph.output] == [["batch", 4], ["batch", 3, 8, 8]]
    assert not opened.graph.value_info
    onnx.checker.check_model(opened)
    for graph in (model.graph, opened.graph):
        for part in ("input", "output", "value_info"):
            graph.ClearField(part)
    assert opened == model


@needs_shared
def test_real_networks_read_as_the_onnx_package_reads_them() -> None:
    files = sorted((SHARED / "weights").glob("*.onnx"))
    assert files
    for file in files:
        data = file.read_bytes()
        graph = parsed(data).graph
        assert initializers(data) == {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        assert survey(data) == (len(graph.node), False)
        last = graph.initializer[-1]
        if last.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16):
            np.testing.assert_array_equal(last_initializer(data)[1], numpy_helper.to_array(last))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"GIF89a", b"PK\x03\x04", b"\x3a\xff\xff\xff\xff\x0f", b"\x08\x07"]
)
def test_what_is_no_network_is_refused(reader: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(ModelError, match=r"^network: not a network in ONNX format"):
        reader(data)


@pytest.mark.parametrize("reader", READERS)
@given(
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_damaged_files_never_crash_the_reader(
    reader: Callable[[bytes], object], cut: float, flips: list[tuple[float, int]]
) -> None:
    data = bytearray(branched(external=True) + mixed()[: int(cut * len(mixed()))])
    for place, change in flips:
        data[int(place * len(data))] ^= change
    with contextlib.suppress(ModelError):
        reader(bytes(data))


@pytest.mark.parametrize("reader", READERS)
@given(data=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_never_crash_the_reader(reader: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(ModelError):
        reader(data)


def test_a_truncated_network_is_refused() -> None:
    weights = native_weights("detect")
    for end in (100, len(weights) // 2, len(weights) - 1):
        with pytest.raises(ModelError, match="ends too early"):
            survey(weights[:end])
