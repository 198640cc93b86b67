"""The frozen perceptual network: equal to its ONNX twin, differentiable."""

import numpy as np
import pytest

from omote.errors import ModelError
from omote.zoo import native_weights
from tests.shared_data import SHARED

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")
pytest.importorskip("jaxtyping", reason="the training room needs jaxtyping, an extra")
onnx = pytest.importorskip("onnx", reason="the training room needs onnx, an extra")

import onnxruntime  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from omote.training.teachers.features import CHANNELS, SQUEEZENET_MAPS, FrozenFeatures  # noqa: E402

FILE = SHARED / "weights" / "percep_squeezenet_v1.1.onnx"
needs_file = pytest.mark.skipif(not FILE.is_file(), reason=f"needs {FILE.name} beside the checkout")


def smooth(count: int, side: int) -> "torch.Tensor":
    """Pictures without hard edges, which photos hardly have either."""
    coarse = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(5)) * 2 - 1
    return F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True).clamp(-1, 1)


@needs_file
def test_features_equal_the_inner_values_of_their_twin():
    pictures = smooth(2, 227)
    network = FrozenFeatures(FILE)
    model = onnx.load(FILE)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in SQUEEZENET_MAPS)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = (pictures.flip(1) + 1) * 127.5 - torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
    twins = [session.run(list(SQUEEZENET_MAPS), {"input": one[None].numpy()}) for one in wanted]
    for level, (made, channels) in enumerate(zip(network(pictures), CHANNELS, strict=True)):
        twin = np.concatenate([maps[level] for maps in twins])
        assert made.shape == twin.shape
        assert made.shape[1] == channels
        np.testing.assert_allclose(made.numpy(), twin, rtol=1e-4, atol=1e-4 * np.abs(twin).max())


@needs_file
def test_features_are_frozen_and_differentiable():
    network = FrozenFeatures(FILE)
    assert not list(network.parameters())
    pictures = smooth(2, 64).requires_grad_()
    sum(level[:1].square().mean() for level in network(pictures)).backward()
    assert pictures.grad[0].abs().sum() > 0
    assert pictures.grad[1].abs().sum() == 0


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        FrozenFeatures(tmp_path / "none.onnx")


def test_another_network_is_refused(tmp_path):
    file = tmp_path / "mesh.onnx"
    file.write_bytes(native_weights("mesh"))
    with pytest.raises(ModelError, match="it has no value 'fire3/concat'"):
        FrozenFeatures(file)
