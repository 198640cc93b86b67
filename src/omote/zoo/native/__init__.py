"""Omote's own networks, shipped in the wheel: NAME.onnx and its model card NAME.md."""

from importlib import resources

from omote.errors import ModelError


def native_weights(name: str) -> bytes:
    """Return the ONNX file of a native network (`detect`, `mesh`) as bytes."""
    file = resources.files(__name__) / f"{name}.onnx"
    if not file.is_file():
        raise ModelError(f"this installation lacks the network '{name}': reinstall omote")
    return file.read_bytes()
