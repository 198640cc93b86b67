"""What an identity network makes of a picture on the way to its embedding: maps for a student."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from omote.errors import ModelError
from omote.training.networks.onnx_module import OnnxModule
from omote.training.teachers.identity import NetworkIdentity


class InnerMaps:
    """An identity network that shows its inner values. Without gradient; on a CPU ONNX Runtime runs it.

    Args:
        teacher: the network, where it is to run.
        names: of the inner values, as the ONNX file has them.
        device: where the pictures are.

    Raises:
        ModelError: the network has no value of that name.
    """

    def __init__(self, teacher: NetworkIdentity, names: Sequence[str], device: torch.device) -> None:
        assert teacher.network is not None
        self._teacher, self._names = teacher, tuple(names)
        data = teacher.network.read()
        self._last = teacher.graph.outputs[0]
        self._graph: OnnxModule | None = None
        if device.type == "cpu":
            self._session = _session(data, self._names, teacher.name)
        else:
            self._graph = OnnxModule(data, (*self._names, self._last)).to(device).eval()

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Canonical crops (B, 3, S, S) in -1..1 → raw embeddings (B, D), and the maps, as named.

        Each channel of a map is brought to mean 0 and variance 1 over the pictures at hand.
        """
        crops = self._teacher.prepared(pictures)
        if self._graph is not None:
            *maps, embeddings = self._graph(crops)
            return embeddings.float().reshape(len(pictures), -1), list(map(_scaled, maps))
        inputs = {self._session.get_inputs()[0].name: crops.contiguous().numpy()}
        found = self._session.run([*self._names, self._last], inputs)
        *maps, embeddings = (torch.from_numpy(np.asarray(value)) for value in found)
        return embeddings.reshape(len(pictures), -1), list(map(_scaled, maps))


def _session(data: bytes, names: Sequence[str], label: str) -> onnxruntime.InferenceSession:
    """A session of any number of pictures that gives the inner values too."""
    model = onnx.load_from_string(data)
    made = {output for node in model.graph.node for output in node.output}
    for name in names:
        if name not in made:
            raise ModelError(f"{label}: it has no value '{name}'")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]
    for name in names:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _scaled(values: Tensor) -> Tensor:
    variance, mean = torch.var_mean(values.float(), (0, 2, 3), correction=0, keepdim=True)
    return (values - mean) * (variance + 1e-5).rsqrt()
