"""The mesh engine."""

from omote.engines.mesh.swapper import MeshSwapper
from omote.engines.mesh.texture import MeshIdentity

__all__ = ["MeshIdentity", "MeshSwapper"]
