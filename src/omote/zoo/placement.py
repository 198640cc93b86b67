"""What a network's nodes run on, and how long a call takes, found out by running it on random inputs."""

import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omote.errors import ModelError
from omote.zoo.batching import Shape
from omote.zoo.devices import Runtime
from omote.zoo.loading import open_session, read_network, reason
from omote.zoo.samples import random_inputs

_CALLS = 5


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a network ran.

    Attributes:
        inputs: names and shapes; a name or None stands for an axis of open size.
        outputs: likewise.
        nodes: provider → how many nodes of the optimised graph it ran, the largest number first.
        fed: shapes of the inputs that it was run on.
        seconds: median of the calls after the first one.
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    nodes: Mapping[str, int]
    fed: Mapping[str, tuple[int, ...]]
    seconds: float


def place(model: str | Path | bytes, runtime: Runtime, label: str, side: int = 256) -> Placement:
    """Run a network on random inputs and see what ran where.

    Args:
        model: a path, or the file as bytes.
        runtime: where and how it shall run.
        label: what to call it in messages.
        side: of heights and widths that the graph leaves open; other open axes get it as well.

    Raises:
        ModelError: it cannot be opened there, or cannot run on random inputs.
    """
    file = read_network(model, label)
    with tempfile.TemporaryDirectory(prefix="omote-") as folder:
        session = open_session(file, runtime, label, profile=str(Path(folder) / "profile"))
        ports = session.get_inputs()
        inputs = random_inputs(ports, 1, side)
        if inputs is None:
            session.end_profiling()
            raise ModelError(f"{label}: has inputs that are no numbers and cannot be tried")
        feeds = {port.name: value for port, value in zip(ports, inputs, strict=True)}
        times = []
        try:
            for _ in range(1 + _CALLS):
                began = time.perf_counter()
                session.run(None, feeds)
                times.append(time.perf_counter() - began)
        except Exception as error:  # ONNX Runtime raises its own unrelated classes
            raise ModelError(f"{label}: cannot run on random inputs ({reason(error)})") from error
        finally:
            profile = Path(session.end_profiling())
        nodes = _nodes(profile)
    return Placement(
        inputs={port.name: tuple(port.shape) for port in ports},
        outputs={port.name: tuple(port.shape) for port in session.get_outputs()},
        nodes=nodes,
        fed={name: value.shape for name, value in feeds.items()},
        seconds=statistics.median(times[1:]),
    )


def _nodes(profile: Path) -> dict[str, int]:
    """Count nodes by provider in ONNX Runtime's trace."""
    seen = {
        (event["name"], event["args"]["node_index"]): event["args"]["provider"]
        for event in json.loads(profile.read_text("utf-8"))
        if event.get("cat") == "Node" and "provider" in event.get("args", {})
    }
    counts = Counter(name.removesuffix("ExecutionProvider") for name in seen.values())
    return dict(counts.most_common())
