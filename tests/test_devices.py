"""Devices by name, the providers behind them, and what a machine without them says."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from onnx import helper

from omote.errors import ModelError, UsageError
from omote.zoo import Runtime, Session, devices
from omote.zoo.devices import DEVICES, Device, cores
from tests.planted import planted


def doubling() -> bytes:
    return planted([helper.make_node("Add", ["x", "x"], ["y"])], {}, {"x": ["n", 2]}, {"y": ["n", 2]})


@pytest.mark.parametrize(
    ("text", "kind", "number", "shown", "provider"),
    [
        ("cpu", "cpu", 0, "cpu", "CPUExecutionProvider"),
        ("cuda", "cuda", 0, "cuda:0", "CUDAExecutionProvider"),
        (" CUDA:3 ", "cuda", 3, "cuda:3", "CUDAExecutionProvider"),
        ("tensorrt:1", "tensorrt", 1, "tensorrt:1", "TensorrtExecutionProvider"),
        ("coreml", "coreml", 0, "coreml", "CoreMLExecutionProvider"),
        ("directml:2", "directml", 2, "directml:2", "DmlExecutionProvider"),
        ("openvino", "openvino", 0, "openvino", "OpenVINOExecutionProvider"),
    ],
)
def test_names(text: str, kind: str, number: int, shown: str, provider: str) -> None:
    device = Device.parse(text)
    assert (device.kind, device.number, str(device), device.provider) == (kind, number, shown, provider)
    assert Device.parse(str(device)) == device


@pytest.mark.parametrize(
    "text", ["", "gpu", "cpu:1", "coreml:0", "cuda:", "cuda:-1", "cuda:x", "cuda:1:2", "cuda 1", "cuda:9999"]
)
def test_unknown_devices(text: str) -> None:
    with pytest.raises(UsageError, match=r"use one of cpu, cuda\[:N\], tensorrt\[:N\], coreml, dir"):
        Device.parse(text)
    with pytest.raises(UsageError):
        Runtime(device=text)


@pytest.mark.parametrize("kind", DEVICES)
def test_providers_in_order_with_their_number(kind: str) -> None:
    options = Device.parse(kind).options("fp32", None)
    names = list(options)
    assert names[0] == Device.parse(kind).provider
    assert names[-1] == "CPUExecutionProvider"
    assert ("CUDAExecutionProvider" in names) == (kind in ("cuda", "tensorrt"))
    if kind in ("cuda", "tensorrt", "directml"):
        second = Device.parse(f"{kind}:2").options("fp32", None)
        assert {row["device_id"] for name, row in second.items() if not name.startswith("CPU")} == {"2"}


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        ("tensorrt", "trt_fp16_enable", "1"),
        ("coreml", "AllowLowPrecisionAccumulationOnGPU", "1"),
        ("openvino", "precision", "FP16"),
    ],
)
def test_half_precision_is_an_option_of_the_provider(kind: str, option: str, value: str) -> None:
    device = Runtime(device=kind, precision="fp16").target
    assert device.options("fp16", None)[device.provider][option] == value
    assert option not in device.options("fp32", None)[device.provider]


@pytest.mark.parametrize("kind", ["cpu", "cuda", "directml"])
def test_half_precision_elsewhere_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match="choose a network that was published in fp16"):
        Runtime(device=kind, precision="fp16")


def test_the_second_provider_gets_its_number_only() -> None:
    options = Device.parse("tensorrt:1").options("fp16", Path("folder"))
    assert options["CUDAExecutionProvider"] == {"device_id": "1"}


def test_caches_of_compilers_lie_in_the_given_folder() -> None:
    folder = Path("some") / "folder"
    for kind in ("tensorrt", "coreml", "openvino"):
        device = Device.parse(kind)
        with_cache = device.options("fp32", folder)[device.provider]
        assert str(folder) in with_cache.values()
        assert str(folder) not in device.options("fp32", None)[device.provider].values()
    assert Device.parse("cuda").options("fp32", folder) == Device.parse("cuda").options("fp32", None)


@pytest.mark.parametrize("bad", [{"threads": 0}, {"workers": 0}, {"batch": -1}, {"precision": "int8"}])
def test_settings_that_make_no_sense(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(bad))):
        Runtime(**bad)


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        (Runtime(), 1),
        (Runtime(workers=1), 8),
        (Runtime(workers=3), 2),
        (Runtime(workers=20), 1),
        (Runtime(threads=5, workers=20), 5),
        (Runtime(device="cuda", workers=1), 1),
    ],
)
def test_threads_are_the_cores_shared_out(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime, expected: int
) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 8)
    assert runtime.intra_op_threads == expected


def test_cores_are_those_this_process_may_use() -> None:
    assert cores() >= 1


def test_calls_are_joined_where_they_would_wait() -> None:
    assert [Runtime(device=kind).merges for kind in DEVICES] == [False, True, True, True, True, True]
    assert Runtime(merge=True).merges
    assert not Runtime(device="cuda", merge=False).merges


@pytest.mark.parametrize(
    ("kind", "package"),
    [
        ("cuda:1", "onnxruntime-gpu"),
        ("tensorrt", "tensorrt"),
        ("directml", "onnxruntime-directml"),
        ("openvino", "onnxruntime-openvino"),
        ("coreml", "Mac"),
    ],
)
def test_a_missing_provider_is_an_error_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, kind: str, package: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match=f"^{kind}.* is not available: .*{package}"):
        Session(doubling(), Runtime(device=kind))


def pretend(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    """An ONNX Runtime that says it has a provider, and has not."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [provider, "CPUExecutionProvider"])


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_no_reason_to_use_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "OpenVINOExecutionProvider")
    with pytest.raises(ModelError, match=r"^openvino does not start.*pip install onnxruntime-openvino"):
        Session(doubling(), Runtime(device="openvino"))


def test_a_session_that_fails_on_a_device_names_device_and_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : invalid device ordinal\nat line 7")

    pretend(monkeypatch, "DmlExecutionProvider")
    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(ModelError) as caught:
        Session(doubling(), Runtime(device="directml:7"), "net")
    text = str(caught.value)
    assert text.startswith("net: cannot be opened on directml:7 (invalid device ordinal at line 7)")
    assert "onnxruntime-directml" in text


def test_a_failing_run_is_not_repeated_on_the_cpu() -> None:
    session = Session(doubling())
    assert session._session._enable_fallback is False
