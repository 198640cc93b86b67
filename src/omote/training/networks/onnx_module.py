"""Any small ONNX network as a differentiable, frozen torch module: teachers come as ONNX files.

Losses need gradients through identity, landmark, blendshape and perceptual networks. ONNX Runtime gives none,
so the graph is walked here, node by node, with torch's own functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from omote.errors import ModelError
from omote.training.networks.onnx_operators import OPERATORS

_FLOATS = (np.float16, np.float64)


class OnnxModule(nn.Module):
    """The graph of an ONNX file. Frozen: its constants are buffers, gradients reach its inputs only.

    Args:
        source: the file, or its bytes.
        outputs: names of the values to return, inner ones too (feature maps); the graph's own unless said.

    Raises:
        ModelError: the file is no ONNX file, has no such value, or uses an operator that is not known here.
    """

    def __init__(self, source: Path | bytes, outputs: Sequence[str] = ()) -> None:
        super().__init__()
        name = str(source) if isinstance(source, Path) else "network"
        graph = _read(source, name).graph
        self.constants = _Constants(graph.initializer)
        self.inputs = tuple(i.name for i in graph.input if i.name not in self.constants.names)
        self.outputs = tuple(outputs) or tuple(o.name for o in graph.output)
        self.nodes = _nodes_for(graph.node, self.outputs)
        made = {output for node in self.nodes for output in node.output}
        unknown = sorted({node.op_type for node in self.nodes} - OPERATORS.keys())
        if unknown:
            raise ModelError(f"{name}: its operator {unknown[0]} is not known to the training room")
        missing = [wanted for wanted in self.outputs if wanted not in made]
        if missing:
            raise ModelError(f"{name}: it has no value '{missing[0]}'")
        fixed = _fixed(graph)
        self._steps = [
            (OPERATORS[node.op_type], *_arguments(node, fixed), tuple(node.output)) for node in self.nodes
        ]
        self._last_use = {value: index for index, node in enumerate(self.nodes) for value in node.input}

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the graph on its inputs, in their order; returns the outputs in theirs."""
        values: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True)) | self.constants.values()
        values[""] = None  # an optional input that is left out
        for index, (operator, names, attributes, outputs) in enumerate(self._steps):
            made = operator([values[name] for name in names], **attributes)
            values.update(zip(outputs, made if isinstance(made, tuple) else (made,), strict=False))
            for name in names:
                if self._last_use[name] == index and name not in self.outputs:
                    values.pop(name, None) if name else None
        return tuple(values[name] for name in self.outputs)


class _Constants(nn.Module):
    """The initializers as buffers; names in ONNX files may hold dots, which torch does not allow."""

    def __init__(self, initializers: Sequence[onnx.TensorProto]) -> None:
        super().__init__()
        self.names = tuple(tensor.name for tensor in initializers)
        for index, tensor in enumerate(initializers):
            self.register_buffer(f"c{index}", _tensor(tensor))

    def values(self) -> dict[str, Tensor]:
        """Name → value, where the module lies now."""
        return {name: getattr(self, f"c{index}") for index, name in enumerate(self.names)}


def _read(source: Path | bytes, name: str) -> onnx.ModelProto:
    try:
        return onnx.load_from_string(source if isinstance(source, bytes) else source.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(f"{name}: no such file") from error
    except Exception as error:  # protobuf raises kinds of its own
        raise ModelError(f"{name}: not an ONNX file") from error


def _nodes_for(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]) -> tuple[onnx.NodeProto, ...]:
    """The nodes that the outputs depend on, in order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return tuple(reversed(kept))


def _fixed(graph: onnx.GraphProto) -> dict[str, Tensor]:
    """Numbers that are known before the graph runs, by name: those of one value only."""
    found = {tensor.name: _tensor(tensor) for tensor in graph.initializer if not tensor.dims}
    for node in graph.node:
        value = _attributes(node).get("value") if node.op_type == "Constant" else None
        if isinstance(value, Tensor) and value.ndim == 0:
            found[node.output[0]] = value
    return found


def _arguments(node: onnx.NodeProto, fixed: dict[str, Tensor]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Inputs and attributes of a node. Limits of `Clip` become attributes: reading them waits for a GPU."""
    names, attributes = tuple(node.input), _attributes(node)
    if node.op_type != "Clip" or not all(name in fixed or not name for name in names[1:]):
        return names, attributes
    limits = {key: float(fixed[name]) for key, name in zip(("min", "max"), names[1:], strict=False) if name}
    return names[:1], attributes | limits


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {entry.name: _value(onnx.helper.get_attribute_value(entry)) for entry in node.attribute}


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return _tensor(value) if isinstance(value, onnx.TensorProto) else value


def _tensor(tensor: onnx.TensorProto) -> Tensor:
    values = numpy_helper.to_array(tensor).copy()
    return torch.from_numpy(values.astype(np.float32) if values.dtype in _FLOATS else values)
