"""Optimised graphs of earlier starts, so that the next start need not optimise them again."""

import contextlib
import hashlib
import os
import platform
import tempfile
import zlib
from pathlib import Path

_CHECK = 4
_BYTES_PER_NODE = 16_000


class GraphCache:
    """A folder of optimised graphs. What is damaged there counts as missing; what cannot be written is left.

    An entry is the CRC-32 of the graph followed by the graph. Optimised graphs are laid out for the
    processor and the version of ONNX Runtime that made them, so both are part of the key.

    Args:
        folder: made when the first graph is kept.
        version: of ONNX Runtime.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self._maker = "\n".join((version, *_processor())).encode()

    def key(self, data: bytes) -> str:
        """Name of the entry for a network."""
        return hashlib.sha256(hashlib.sha256(data).digest() + self._maker).hexdigest()

    def read(self, key: str) -> bytes | None:
        """Return a graph; None if there is none, or if it is damaged."""
        try:
            content = self._file(key).read_bytes()
        except OSError:
            return None
        check, graph = content[:_CHECK], content[_CHECK:]
        return graph if _check(graph) == check else None

    def write(self, key: str, optimised: Path) -> None:
        """Keep the graph in a file that ONNX Runtime wrote. Two processes may do so at once."""
        with contextlib.suppress(OSError):  # a full disk or a foreign folder costs time only
            graph = optimised.read_bytes()
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=key[:16], suffix=".part", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_check(graph))
                    file.write(graph)
                os.replace(name, self._file(key))
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.graph"


def worth_keeping(nodes: int, size: int) -> bool:
    """Whether a network starts faster from an optimised graph.

    What is saved grows with its nodes, what hashing and reading cost with its bytes; see
    `benchmarks/runtime.py`.
    """
    return size <= nodes * _BYTES_PER_NODE


def _check(graph: bytes) -> bytes:
    return zlib.crc32(graph).to_bytes(_CHECK, "big")


def _processor() -> tuple[str, ...]:
    """What tells this processor's instruction sets from another's."""
    flags = ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return platform.system(), platform.machine(), platform.processor(), " ".join(sorted(flags.split()))
