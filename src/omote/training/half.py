"""Store the weights of an ONNX file in half precision; they are computed with in float32 as before."""

from pathlib import Path

import numpy as np
import onnx

_LEAST = 64  # numbers; smaller constants are not worth a node


def store_half(file: Path) -> None:
    """Rewrite an ONNX file: each float32 constant becomes float16 and a Cast, which loading folds away."""
    model = onnx.load(file)
    graph, casts = model.graph, []
    for tensor in list(graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > _LEAST:
            name = f"{tensor.name}_half"
            graph.initializer.remove(tensor)
            graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float16), name))
            casts.append(onnx.helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, file)
