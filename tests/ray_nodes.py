"""A Ray cluster of several nodes in this machine."""

import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

_STORE = 80 << 20
"""Bytes of a node's object store, about the least that Ray takes."""


class Nodes:
    """A head without processors, and nodes with one each."""

    def __init__(self, count: int, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.folder = folder

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _STORE, **_free_ports()}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        node = {"num_cpus": 1, "object_store_memory": _STORE}
        self._nodes = [self._cluster.add_node(wait=False, **node, **_free_ports()) for _ in range(count)]
        self._cluster.wait_for_nodes(120)

    @property
    def address(self) -> str:
        """HOST:PORT of the head."""
        return str(self._cluster.address)

    def kill(self) -> None:
        """Kill a node with all its processes."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def workers(self) -> set[int]:
        """Process numbers of the workers that swap."""
        found = set()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                named = (path / "cmdline").read_bytes().startswith(b"ray::Session")
                if named and str(self.folder).encode() in (path / "environ").read_bytes():
                    found.add(int(path.name))
            except OSError:
                continue
        return found

    def kill_workers(self) -> None:
        """Kill all workers that swap."""
        for number in self.workers():
            os.kill(number, signal.SIGKILL)

    def wait_until_idle(self, seconds: float = 30) -> None:
        """Wait until no worker is left."""
        deadline = time.monotonic() + seconds
        while self.workers():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def close(self) -> None:
        """End all of it."""
        self._cluster.shutdown()


@contextmanager
def ray_nodes(count: int) -> Iterator[Nodes]:
    """Start a cluster; paths of its sockets must be short, so that it lies in the system's own folder."""
    from ray._private import services

    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_TMPDIR", folder)
            patch.setenv("TMPDIR", folder)
            patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
            patch.setattr(services, "get_node", _patient(services.get_node))
            nodes = Nodes(count, Path(folder))
        try:
            yield nodes
        finally:
            nodes.close()


def _free_ports() -> dict[str, int]:
    """Ports for a node's helpers: for those that they would choose themselves a node waits, and gives up."""
    names = ("metrics_agent", "metrics_export", "dashboard_agent_listen", "runtime_env_agent")
    with ExitStack() as held:
        taken = [held.enter_context(socket.create_server(("", 0))) for _ in names]
        return {f"{name}_port": one.getsockname()[1] for name, one in zip(names, taken, strict=True)}


def _patient(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Ask for a new node for minutes: on a busy machine it is not there after Ray's half a minute."""

    def asking(*given: Any) -> Any:
        deadline = time.monotonic() + 180
        while True:
            try:
                return ask(*given)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    return asking
