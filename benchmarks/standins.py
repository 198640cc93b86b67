"""Stand-in swappers with inswapper's contract: the program is measured, not somebody's network.

Needs the onnx package (extra `dev`). Inputs `target` (B, 3, 128, 128) RGB in 0..1 and `source` (B, 512); the
output is a picture like the target; the last constant is the emap, here a rotation.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

_SIZE, _WIDTH = 128, 512
_BODY = 10
"""3 × 3 convolutions of 256 channels at 32 × 32: 0.604 GMAC each."""


def trivial_swapper(batch: int | str = "batch") -> bytes:
    """A swapper that does next to nothing: the target, tinted a little by the source."""
    nodes = [
        helper.make_node("Gemm", ["source", "tint"], ["flat"]),
        helper.make_node("Reshape", ["flat", "column"], ["colour"]),
        helper.make_node("Add", ["target", "colour"], ["output"]),
    ]
    return _model(nodes, {"tint": _random(_WIDTH, 3, scale=0.02)}, batch)


def heavy_swapper(batch: int | str = "batch") -> bytes:
    """A swapper of 7.2 GMAC a crop: down to 32 × 32, ten convolutions, and up again, added to the target."""
    layers = [(3, 64, 7, 1), (64, 128, 3, 2), (128, 256, 3, 2), *[(256, 256, 3, 1)] * _BODY]
    nodes, weights, value = [], {}, "target"
    for index, (ins, outs, kernel, stride) in enumerate(layers):
        value = _convolve(nodes, weights, value, f"down{index}", ins, outs, kernel, stride)
        nodes.append(helper.make_node("Relu", [value], [f"relu{index}"]))
        value = f"relu{index}"
    weights["style"] = _random(_WIDTH, 256, scale=0.02)
    nodes.append(helper.make_node("Gemm", ["source", "style"], ["flat"]))
    nodes.append(helper.make_node("Reshape", ["flat", "column"], ["shift"]))
    nodes.append(helper.make_node("Add", [value, "shift"], ["styled"]))
    weights["twice"] = np.array([1, 1, 2, 2], np.float32)
    nodes.append(helper.make_node("Resize", ["styled", "", "twice"], ["larger"], mode="nearest"))
    value = _convolve(nodes, weights, "larger", "up0", 256, 40, 3, 1)
    value = _convolve(nodes, weights, value, "up1", 40, 12, 3, 1)
    weights["faint"] = np.array(1e-3, np.float32)
    nodes.append(helper.make_node("DepthToSpace", [value], ["picture"], blocksize=2))
    nodes.append(helper.make_node("Mul", ["picture", "faint"], ["change"]))
    nodes.append(helper.make_node("Add", ["target", "change"], ["output"]))
    return _model(nodes, weights, batch)


def identity_network() -> bytes:
    """An identity network with ArcFace's contract: a random projection of the shrunk crop to 512 values."""
    nodes = [
        helper.make_node("AveragePool", ["input"], ["small"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("MatMul", ["flat", "projection"], ["embedding"]),
    ]
    ports = {"input": ["batch", 3, 112, 112], "embedding": ["batch", _WIDTH]}
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ports.items()]
    tensors = [numpy_helper.from_array(_random(192, _WIDTH), "projection")]
    graph = helper.make_graph(nodes, "identity", infos[:1], infos[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _convolve(nodes, weights, value, name, ins, outs, kernel, stride):  # type: ignore[no-untyped-def]
    weights[name] = _random(outs, ins, kernel, kernel, scale=(ins * kernel * kernel) ** -0.5)
    options = {"strides": [stride] * 2, "pads": [kernel // 2] * 4}
    nodes.append(helper.make_node("Conv", [value, name], [f"{name}_out"], **options))
    return f"{name}_out"


def _model(nodes, weights, batch) -> bytes:  # type: ignore[no-untyped-def]
    ports = {
        "target": [batch, 3, _SIZE, _SIZE],
        "source": [batch, _WIDTH],
        "output": [batch, 3, _SIZE, _SIZE],
    }
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ports.items()]
    emap = np.linalg.qr(_random(_WIDTH, _WIDTH))[0].astype(np.float32)
    constants = {"column": np.array([0, -1, 1, 1]), **weights, "emap": emap}
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "standin", infos[:2], infos[2:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _random(*shape: int, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(0, scale, shape).astype(np.float32)
