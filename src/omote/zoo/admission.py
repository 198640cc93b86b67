"""Which files may become networks: told by suffix, first bytes, size and nodes, before any is run."""

import json
from pathlib import Path

from omote.errors import InputError, ModelError
from omote.zoo.card import SUFFIXES
from omote.zoo.onnx_file import survey

MOST_BYTES = 4 << 30
MOST_NODES = 50_000
"""Limits of a network. The largest published ones of this field have 1.3 GB and a few thousand nodes."""

_OTHERS = (
    (b"PK\x03\x04", "a zip archive (PyTorch checkpoints are such); pickled code is never loaded"),
    (b"\x80\x02", "a pickle; pickled code is never loaded"),
    (b"\x80\x03", "a pickle; pickled code is never loaded"),
    (b"\x80\x04", "a pickle; pickled code is never loaded"),
    (b"\x80\x05", "a pickle; pickled code is never loaded"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x89HDF", "an HDF5 file (a Keras network)"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"<", "a web page or XML, not the file itself"),
    (b"{", "JSON, not the file itself"),
)


def admit_name(path: Path) -> None:
    """Refuse files whose suffix is not one of those that are ever loaded.

    Raises:
        InputError: says which are.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: networks are {', '.join(SUFFIXES)} files, nothing else is loaded")


def admit_size(label: str, size: int) -> None:
    """Refuse sizes that no network has.

    Args:
        label: what to call the file in messages.
        size: in bytes.

    Raises:
        ModelError: it is empty, or above `MOST_BYTES`.
    """
    if size > MOST_BYTES:
        raise ModelError(f"{label}: {size} bytes; networks above {MOST_BYTES >> 30} GiB are not loaded")
    if size == 0:
        raise ModelError(f"{label}: the file is empty; fetch it again")


def admit(label: str, suffix: str, data: bytes) -> int:
    """Refuse bytes that are no network of that suffix, without running anything.

    Args:
        label: what to call the file in messages.
        suffix: one of `SUFFIXES`; `.dfm` is ONNX under another name.
        data: the whole file.

    Returns:
        How many nodes its graph has; 0 for safetensors.

    Raises:
        ModelError: says what it is instead, or which limit it breaks.
    """
    admit_size(label, len(data))
    for start, what in _OTHERS:
        if data.startswith(start):
            raise ModelError(f"{label}: {what}; networks are {', '.join(SUFFIXES)} files")
    if suffix == ".safetensors":
        _admit_safetensors(label, data)
        return 0
    found = survey(data, label)
    if found.external:
        raise ModelError(f"{label}: its weights lie in another file; save the network as one file")
    if found.nodes > MOST_NODES:
        raise ModelError(f"{label}: {found.nodes} nodes; graphs above {MOST_NODES} are not loaded")
    return found.nodes


def _admit_safetensors(label: str, data: bytes) -> None:
    """A safetensors file starts with the length of its JSON header: 8 bytes, little end first."""
    length = int.from_bytes(data[:8], "little")
    try:
        if not 2 <= length <= min(len(data) - 8, 100_000_000):
            raise ValueError
        header = json.loads(data[8 : 8 + length])
        if not isinstance(header, dict):
            raise ValueError
    except ValueError as error:
        raise ModelError(f"{label}: not a safetensors file (no header); fetch it again") from error
