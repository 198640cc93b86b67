"""Where and how networks run: devices by name, the providers behind them, and the settings of a job."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omote.errors import UsageError

Precision = Literal["fp32", "fp16"]
Options = Mapping[str, Mapping[str, str]]
"""Provider → its options, the preferred provider first."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of device.

    Attributes:
        providers: ONNX Runtime's names, without `ExecutionProvider`: the one that is meant first, then those
            that may take the nodes it cannot run. The CPU always may.
        cure: what to do where the provider is missing.
        numbered: whether there may be several, told apart by a number.
        half: options by which it computes in half precision; None if it has no such switch.
        cache: options by which it keeps what it compiles in the folder {cache}.
        fixed: options that are always set.
        memory: name of its memory in ONNX Runtime where results can stay there; None for host memory.
    """

    providers: tuple[str, ...]
    cure: str
    numbered: bool = False
    half: Mapping[str, str] | None = None
    cache: Mapping[str, str] | None = None
    fixed: Mapping[str, str] | None = None
    memory: str | None = None


_KINDS: Mapping[str, _Kind] = {
    "cpu": _Kind((), "pip install onnxruntime"),
    "cuda": _Kind(
        ("CUDA",),
        "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]', with NVIDIA's driver",
        numbered=True,
        # An exhaustive search, the default, starts anew for every batch size.
        fixed={"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"},
        memory="cuda",
    ),
    "tensorrt": _Kind(
        ("Tensorrt", "CUDA"),
        "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]' tensorrt",
        numbered=True,
        half={"trt_fp16_enable": "1"},
        cache={
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": "{cache}",
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": "{cache}",
        },
        memory="cuda",
    ),
    "coreml": _Kind(
        ("CoreML",),
        "pip install onnxruntime on a Mac",
        half={"AllowLowPrecisionAccumulationOnGPU": "1"},
        cache={"ModelCacheDirectory": "{cache}"},
        fixed={"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"},
    ),
    "directml": _Kind(
        ("Dml",),
        "on Windows, pip uninstall onnxruntime, then pip install onnxruntime-directml",
        numbered=True,
    ),
    "openvino": _Kind(
        ("OpenVINO",),
        "pip uninstall onnxruntime, then pip install onnxruntime-openvino",
        half={"device_type": "GPU", "precision": "FP16"},
        cache={"cache_dir": "{cache}"},
        fixed={"device_type": "AUTO:GPU,CPU"},
    ),
}

_NUMBERED = re.compile(r"([a-z]+)(?::([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Device:
    """A device that networks can run on.

    Attributes:
        kind: `cpu`, `cuda`, `tensorrt`, `coreml`, `directml` or `openvino`.
        number: which one of several.
    """

    kind: str
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> "Device":
        """Read `cpu`, `cuda`, `cuda:1` and so on.

        Raises:
            UsageError: there is no such kind of device, or it has no numbers.
        """
        match = _NUMBERED.fullmatch(text.strip().lower())
        kind = _KINDS.get(match[1]) if match else None
        if match is None or kind is None or (match[2] and not kind.numbered):
            known = ", ".join(name + "[:N]" * kind.numbered for name, kind in _KINDS.items())
            raise UsageError(f"device '{text}' is unknown: use one of {known}")
        return cls(match[1], int(match[2] or 0))

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}" if _KINDS[self.kind].numbered else self.kind

    @property
    def provider(self) -> str:
        """ONNX Runtime's name of the provider that is meant."""
        return f"{(*_KINDS[self.kind].providers, 'CPU')[0]}ExecutionProvider"

    @property
    def cure(self) -> str:
        """What to do where the provider is missing."""
        return _KINDS[self.kind].cure

    @property
    def memory(self) -> str | None:
        """Name of its own memory in ONNX Runtime; None if it works in the computer's."""
        return _KINDS[self.kind].memory

    @property
    def parallel(self) -> bool:
        """Whether calls from several threads run at the same time; elsewhere they wait for one another."""
        return self.kind == "cpu"

    @property
    def halves(self) -> bool:
        """Whether it can compute a float32 network in half precision."""
        return _KINDS[self.kind].half is not None

    def options(self, precision: Precision, cache: Path | None) -> Options:
        """The providers of a session with their options, the preferred one first, the CPU last."""
        kind = _KINDS[self.kind]
        chosen: dict[str, Mapping[str, str]] = {}
        for index, name in enumerate(kind.providers):
            own: dict[str, str] = {"device_id": str(self.number)} if kind.numbered else {}
            if index == 0:
                own |= kind.fixed or {}
                own |= (kind.half or {}) if precision == "fp16" else {}
                if cache is not None and kind.cache:
                    own |= {key: value.format(cache=cache) for key, value in kind.cache.items()}
            chosen[f"{name}ExecutionProvider"] = own
        return {**chosen, "CPUExecutionProvider": {}}


DEVICES: tuple[str, ...] = tuple(_KINDS)
"""The kinds of devices."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how networks run.

    Attributes:
        device: `cpu`, `cuda[:N]`, `tensorrt[:N]`, `coreml`, `directml[:N]` or `openvino`. There is no silent
            fall-back: what cannot run there is an error.
        threads: threads within one call on the CPU; None: the cores shared out among the workers.
        workers: how many threads of a pipeline call networks at the same time; None: as many as there are
            cores, so every call has one thread. Parallel calls use the cores better than parallel operators:
            an operator waits for its slowest part, and most layers of these networks are small.
        precision: `fp16` halves float32 networks where the provider can do so itself (tensorrt, coreml,
            openvino). Elsewhere choose a network that was published in fp16.
        cache: folder for what is compiled or optimised at loading, for a faster next start; none by default.
        batch: most rows given to a network at once. None: on the CPU as many as are not slower than single
            calls, elsewhere 8. If said, or if not on the CPU, networks that were exported for one row at a
            time are opened for batches where that changes no result.
        merge: whether calls of several threads that wait for the device are joined into one batch. None:
            wherever calls would wait for one another, that is, not on the CPU.

    Raises:
        UsageError: a value makes no sense.
    """

    device: str = "cpu"
    threads: int | None = None
    workers: int | None = None
    precision: Precision = "fp32"
    cache: Path | None = None
    batch: int | None = None
    merge: bool | None = None

    def __post_init__(self) -> None:
        target = Device.parse(self.device)
        for name in ("threads", "workers", "batch"):
            value: Any = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.precision not in ("fp32", "fp16"):
            raise UsageError(f"precision '{self.precision}' is unknown: use fp32 or fp16")
        if self.precision == "fp16" and not target.halves:
            able = ", ".join(name for name in DEVICES if Device(name).halves)
            raise UsageError(
                f"{target} cannot run a network in half precision by itself (only {able} can): "
                "choose a network that was published in fp16, or fp32"
            )

    @property
    def target(self) -> Device:
        """The device."""
        return Device.parse(self.device)

    @property
    def intra_op_threads(self) -> int:
        """Threads within one call."""
        if self.threads is not None or not self.target.parallel:
            return self.threads or 1
        return max(1, cores() // (self.workers or cores()))

    @property
    def merges(self) -> bool:
        """Whether waiting calls are joined."""
        return not self.target.parallel if self.merge is None else self.merge


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
