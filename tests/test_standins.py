"""The benchmark's stand-in swappers: inswapper's contract, and the work that they say they do."""

import numpy as np
import onnx
import pytest
from benchmarks.standins import heavy_swapper, trivial_swapper

from omote.engines.oneshot import EmbeddingSwapper
from omote.engines.swapper import Source
from omote.faces.align import align
from tests.swap_networks import catalogue, network_of
from tests.synthetic import painted, posed_face

FACE = posed_face()
PICTURE = painted(FACE)


@pytest.mark.parametrize(
    ("make", "batch"), [(trivial_swapper, 1), (trivial_swapper, "batch"), (heavy_swapper, "batch")]
)
def test_contract(make, batch: int | str) -> None:
    swapper = EmbeddingSwapper(network_of(catalogue().cards["inswapper_128"], make(batch)))
    crop = align(PICTURE, FACE, swapper.template, swapper.crop_size(FACE))
    (made,) = swapper.swap([crop], swapper.identity([Source(PICTURE, FACE)]))
    change = made.pixels - crop.pixels / 255
    assert 1e-5 < np.abs(change).mean() < 0.1, "the picture stays fit to be seen"


def macs(data: bytes) -> int:
    """Multiplications of all convolutions and matrix products of a graph, for one crop."""
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(data)).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.value_info}
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            places = np.prod(shapes[node.output[0]][2:], dtype=int) if node.op_type == "Conv" else 1
            total += int(np.prod(weights[node.input[1]])) * int(places)
    return total


def test_the_heavy_one_has_7_2_gmac() -> None:
    assert macs(heavy_swapper(1)) == pytest.approx(7.2e9, rel=0.005)
    assert macs(trivial_swapper(1)) < 1e4
