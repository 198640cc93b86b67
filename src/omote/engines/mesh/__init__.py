"""The mesh engine."""

from omote.engines.mesh.cover import cover_parser, open_cover_parser
from omote.engines.mesh.swapper import MeshSwapper
from omote.engines.mesh.texture import MeshIdentity

__all__ = ["MeshIdentity", "MeshSwapper", "cover_parser", "open_cover_parser"]
