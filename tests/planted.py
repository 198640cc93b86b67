"""Small ONNX graphs with the inputs and outputs of published networks, which reveal how they are used."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str]


def planted(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, np.ndarray[Any, Any]],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    kinds: Mapping[str, int] | None = None,
) -> bytes:
    """An ONNX file of these nodes; tensors are float32 unless `kinds` says otherwise.

    Args:
        nodes: from `onnx.helper.make_node`.
        constants: initializers by name, in their order.
        inputs: shapes by name; text for an open axis.
        outputs: likewise.
        kinds: element types of inputs and outputs that are not float32.
    """

    def infos(ports: Mapping[str, Shape]) -> list[onnx.ValueInfoProto]:
        types = kinds or {}
        return [
            helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), list(shape))
            for name, shape in ports.items()
        ]

    graph = helper.make_graph(
        list(nodes),
        "planted",
        infos(inputs),
        infos(outputs),
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
