"""The contract check: element types of inputs and outputs."""

import numpy as np
import pytest

from omote.errors import ModelError
from omote.pipelines.contracts import check_contract
from omote.zoo import Catalogue, Port, Session, require

onnx = pytest.importorskip("onnx")
from onnx import TensorProto  # noqa: E402
from onnx.helper import make_node  # noqa: E402

from tests.planted import planted  # noqa: E402


def session(entrance: int, exit: int) -> Session:
    shape = [1, 4]
    data = planted(
        [make_node("Cast", ["x"], ["y"], to=exit)],
        {},
        {"x": shape},
        {"y": shape},
        kinds={"x": entrance, "y": exit},
    )
    return Session(data)


def test_a_session_tells_element_types() -> None:
    opened = session(TensorProto.DOUBLE, TensorProto.INT64)
    assert (opened.input_kinds, opened.output_kinds) == ({"x": "float64"}, {"y": "int64"})


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_inputs_are_float32_unless_said(kind: int) -> None:
    opened = session(kind, TensorProto.FLOAT)
    name = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name
    with pytest.raises(ModelError, match=rf"net: input 0 should be float32, found x \({name}\)"):
        require(opened, "net", [Port((None, 4))])
    require(opened, "net", [Port((None, 4), kind=name)])
    require(opened, "net", [Port((None, 4), kind=None)])


def test_outputs_may_be_floats_of_any_width_but_no_integers() -> None:
    for kind in (TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE):
        require(session(TensorProto.FLOAT, kind), "net", outputs=[Port((None, 4))])
    whole = session(TensorProto.FLOAT, TensorProto.INT64)
    with pytest.raises(ModelError, match=r"output 0 should be float32, found y \(int64\)"):
        require(whole, "net", outputs=[Port((None, 4))])
    require(whole, "net", outputs=[Port((None, 4), kind="int64")])


def test_a_swapper_of_half_precision_at_its_inputs_is_refused_when_it_is_imported() -> None:
    picture, half = [1, 3, 128, 128], TensorProto.FLOAT16
    data = planted(
        [make_node("Cast", ["target"], ["output"], to=TensorProto.FLOAT)],
        {"emap": np.eye(512, dtype=np.float16)},
        {"target": picture, "source": [1, 512]},
        {"output": picture},
        kinds={"target": half, "source": half},
    )
    with pytest.raises(
        ModelError, match=r"inswapper_128: input 0 should be float32, found target \(float16\)"
    ):
        check_contract(Catalogue.load().card("inswapper_128"), data)


def test_a_restorer_whose_weight_is_no_float64_is_refused() -> None:
    picture = [1, 3, 512, 512]
    data = planted(
        [make_node("Mul", ["input", "weight"], ["output"])],
        {},
        {"input": picture, "weight": [1]},
        {"output": picture},
    )
    with pytest.raises(ModelError, match=r"codeformer: input 1 should be float64, found weight \(float32\)"):
        check_contract(Catalogue.load().card("codeformer"), data)
