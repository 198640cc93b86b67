"""Where networks come from: the weights that ship with Omote, and sessions that run them."""

from omote.zoo.native import native_weights
from omote.zoo.runtime import Session, onnxruntime_offline

__all__ = ["Session", "native_weights", "onnxruntime_offline"]
