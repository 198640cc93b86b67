"""Where networks come from: catalogue, store, native weights, and sessions that run them."""

from omote.zoo.card import Card, Task, Terms, read_settings
from omote.zoo.catalogue import Catalogue
from omote.zoo.graph import Port, require
from omote.zoo.native import native_weights
from omote.zoo.networks import Network, Networks
from omote.zoo.runtime import Runtime, Session, onnxruntime_offline
from omote.zoo.store import Store

__all__ = [
    "Card",
    "Catalogue",
    "Network",
    "Networks",
    "Port",
    "Runtime",
    "Session",
    "Store",
    "Task",
    "Terms",
    "native_weights",
    "onnxruntime_offline",
    "read_settings",
    "require",
]
