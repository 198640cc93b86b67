"""Read ONNX files without the onnx package: constants, node count, external data, and opening the batch axis.

An ONNX file is a protobuf message (onnx.proto3 of the ONNX project gives the field numbers). Tensors are
looked at through views, so that a file of a gigabyte costs no second gigabyte.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.zoo.protobuf import Malformed, as_message, fields, message, messages, numbers, text

BATCH = "batch"
"""Name that `open_batch_axis` gives to the first axis."""

MOST_PARTS = 200_000
"""Nodes and tensors that a graph may have; the largest published networks of this field have thousands."""

# Field numbers by message.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_FUNCTION_NODE, _FUNCTION_ATTRIBUTE = 7, 11
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_GRAPH_VALUE_INFO, _GRAPH_SPARSE_INITIALIZER = 13, 15
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_SPARSE_PARTS = (1, 2)
_TENSOR_DIMS, _TENSOR_KIND, _TENSOR_FLOATS, _TENSOR_INT32S, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 5, 8, 9
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_INFO_NAME, _INFO_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE, _SHAPE_DIM = 1, 2, 1, 2, 1
_DIM_VALUE, _DIM_PARAM = 1, 2
_FLOAT32, _FLOAT16 = 1, 10

_DEEPEST = 64
"""Graphs within graphs; published networks have two levels at most."""


def initializers(data: bytes, label: str = "network") -> dict[str, tuple[int, ...]]:
    """Names and shapes of the constants of a graph, in the order of the file.

    Args:
        data: the ONNX file.
        label: what to call it in messages.

    Raises:
        ModelError: it is no ONNX file.
    """
    try:
        return {text(tensor, _TENSOR_NAME): _dims(tensor) for tensor in _initializers(data)}
    except Malformed as error:
        raise _told(label, error) from error


def last_initializer(data: bytes, label: str = "network") -> tuple[str, npt.NDArray[Any]]:
    """Name and values of the last constant of a graph: float32 or float16, as the file has it.

    Raises:
        ModelError: it is no ONNX file, has no constants, or the last one is of another type.
    """
    try:
        tensors = deque(_initializers(data), maxlen=1)
        if not tensors:
            raise ModelError(f"{label}: the graph has no constants, one was expected at its end")
        return text(tensors[0], _TENSOR_NAME), _values(tensors[0], label)
    except Malformed as error:
        raise _told(label, error) from error


def node_count(data: bytes, label: str = "network") -> int:
    """How many nodes the graph has, those of its subgraphs and functions included.

    Raises:
        ModelError: it is no ONNX file.
    """
    return survey(data, label).nodes


def external_data(data: bytes, label: str = "network") -> bool:
    """Whether any tensor of the graph lies in another file.

    Raises:
        ModelError: it is no ONNX file.
    """
    return survey(data, label).external


class Survey(NamedTuple):
    """What is to be known of a file before it is run.

    Attributes:
        nodes: how many, those of subgraphs and functions included.
        external: whether a tensor lies in another file.
    """

    nodes: int
    external: bool


def survey(data: bytes, label: str = "network") -> Survey:
    """Count nodes and look for external data in one pass.

    Raises:
        ModelError: it is no ONNX file, or has more than `MOST_PARTS` nodes and tensors.
    """
    nodes, parts, external = 0, 0, False
    try:
        for kind, view in _walk(data):
            parts += 1
            if parts > MOST_PARTS:
                raise ModelError(f"{label}: the graph has more than {MOST_PARTS} nodes and constants")
            if kind == "node":
                nodes += 1
            else:
                external = external or _is_external(view)
    except Malformed as error:
        raise _told(label, error) from error
    return Survey(nodes, external)


def open_batch_axis(data: bytes, label: str = "network") -> bytes:
    """The same network with an open batch axis.

    Inputs of two axes or more whose first axis is fixed at 1 get a symbolic first axis, outputs whose first
    axis is 1 likewise; shapes of values between them are dropped. Other inputs stay as they are. Whether the
    nodes themselves allow for a batch must be tried.

    Raises:
        ModelError: it is no ONNX file.
    """
    try:
        constants = {text(tensor, _TENSOR_NAME) for tensor in _initializers(data)}
        parts: list[bytes | memoryview] = []
        for number, value, start, end in fields(memoryview(data)):
            if number == _MODEL_GRAPH:
                parts.append(message(_MODEL_GRAPH, _opened_graph(as_message(value), constants)))
            else:
                parts.append(data[start:end])
        return b"".join(parts)
    except Malformed as error:
        raise _told(label, error) from error


def _told(label: str, error: Malformed) -> ModelError:
    return ModelError(f"{label}: not a network in ONNX format ({error}); fetch or export it again")


# --- graphs ---


def _graphs(data: bytes) -> list[memoryview]:
    """The graph of a model. Protobuf joins it if it comes in several parts."""
    parts = list(messages(memoryview(data), _MODEL_GRAPH))
    if not parts:
        raise Malformed("it has no graph")
    return parts


def _initializers(data: bytes) -> Iterator[memoryview]:
    for graph in _graphs(data):
        yield from messages(graph, _GRAPH_INITIALIZER)


def _walk(data: bytes) -> Iterator[tuple[str, memoryview]]:
    """Every `node` and every `tensor` of a model, at any depth."""
    for graph in _graphs(data):
        yield from _walk_in("graph", graph, 0)
    for function in messages(memoryview(data), _MODEL_FUNCTIONS):
        yield from _walk_in("function", function, 0)


def _walk_in(kind: str, view: memoryview, depth: int) -> Iterator[tuple[str, memoryview]]:
    if depth > _DEEPEST:
        raise Malformed(f"its graphs are nested more than {_DEEPEST} deep")
    if kind in ("node", "tensor"):
        yield kind, view
    inside = _INNER[kind]
    if inside:
        for number, value, _, _ in fields(view):
            if number in inside:
                inner = inside[number]
                yield from _walk_in(inner, as_message(value), depth + (inner == "graph"))


_INNER: Mapping[str, Mapping[int, str]] = {
    "graph": {_GRAPH_NODE: "node", _GRAPH_INITIALIZER: "tensor", _GRAPH_SPARSE_INITIALIZER: "sparse"},
    "function": {_FUNCTION_NODE: "node", _FUNCTION_ATTRIBUTE: "attribute"},
    "node": {_NODE_ATTRIBUTE: "attribute"},
    "attribute": {
        **dict.fromkeys(_ATTRIBUTE_TENSORS, "tensor"),
        **dict.fromkeys(_ATTRIBUTE_GRAPHS, "graph"),
        **dict.fromkeys(_ATTRIBUTE_SPARSE, "sparse"),
    },
    "sparse": dict.fromkeys(_SPARSE_PARTS, "tensor"),
    "tensor": {},
}
"""What lies in what: kind of message → field number → kind of the message there."""


def _opened_graph(graph: memoryview, constants: set[str]) -> bytes:
    parts: list[bytes | memoryview] = []
    for number, value, start, end in fields(graph):
        if number in (_GRAPH_INPUT, _GRAPH_OUTPUT):
            info = as_message(value)
            least = 2 if number == _GRAPH_INPUT else 1
            if text(info, _INFO_NAME) not in constants and _batch_of_one(info, least):
                parts.append(message(number, _opened_info(info)))
                continue
        if number != _GRAPH_VALUE_INFO:
            parts.append(graph[start:end])
    return b"".join(parts)


def _batch_of_one(info: memoryview, least: int) -> bool:
    """Whether a port has at least so many axes, the first of them fixed at 1."""
    shape = b"".join(
        bytes(shape)
        for kind in messages(info, _INFO_TYPE)
        for tensor in messages(kind, _TYPE_TENSOR)
        for shape in messages(tensor, _TENSOR_SHAPE)
    )
    axes = list(messages(memoryview(shape), _SHAPE_DIM))
    return len(axes) >= least and list(numbers(axes[0], _DIM_VALUE)) == [1]


def _opened_info(info: memoryview) -> bytes:
    """A port with its first axis named `BATCH`."""
    path = (_INFO_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE)

    def opened(view: memoryview, level: int) -> bytes:
        parts: list[bytes | memoryview] = []
        first = True
        for number, value, start, end in fields(view):
            if level < len(path) and number == path[level]:
                parts.append(message(number, opened(as_message(value), level + 1)))
            elif level == len(path) and number == _SHAPE_DIM and first:
                parts.append(message(_SHAPE_DIM, message(_DIM_PARAM, BATCH.encode())))
                first = False
            else:
                parts.append(view[start:end])
        return b"".join(parts)

    return opened(info, 0)


# --- tensors ---


def _dims(tensor: memoryview) -> tuple[int, ...]:
    dims = tuple(numbers(tensor, _TENSOR_DIMS))
    if any(size >= 1 << 63 for size in dims):
        raise Malformed("a size is negative")
    return dims


def _is_external(tensor: memoryview) -> bool:
    return any(
        number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0)
        for number, value, _, _ in fields(tensor)
    )


def _values(tensor: memoryview, label: str) -> npt.NDArray[Any]:
    """Values of a float tensor, raw or as a list of floats; float16 lists are bit patterns in integers."""
    name = f"{label}: its last constant, {text(tensor, _TENSOR_NAME)},"
    if _is_external(tensor):
        raise ModelError(f"{name} lies in another file: use a network that is one file")
    kind = (deque(numbers(tensor, _TENSOR_KIND), maxlen=1) or [0])[0]
    if kind not in _DTYPES:
        raise ModelError(f"{name} has element type {kind}, expected 1 (float32) or 10 (float16)")
    content = b"".join(messages(tensor, _TENSOR_RAW))
    if not content and kind == _FLOAT32:
        content = b"".join(messages(tensor, _TENSOR_FLOATS))
    elif not content:
        content = b"".join((bits & 0xFFFF).to_bytes(2, "little") for bits in numbers(tensor, _TENSOR_INT32S))
    dtype, shape = _DTYPES[kind], _dims(tensor)
    if math.prod(shape) * dtype.itemsize != len(content) or len(shape) > _MOST_AXES or not content:
        raise ModelError(f"{name} has the shape {shape}, but {len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


_MOST_AXES = 8
_DTYPES: Mapping[int, np.dtype[Any]] = {_FLOAT32: np.dtype("<f4"), _FLOAT16: np.dtype("<f2")}
