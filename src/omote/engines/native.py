"""Names of the engines that ship. Both need a photo of the person whose face is given."""

DEFAULT_SWAPPER = "omote-swap-128"
"""What swaps unless another engine is named: a network of the catalogue, on the mesh engine's draft."""
MESH_ENGINE = "mesh"
"""What carries skin over, without a network of its own."""
NATIVE_ENGINES = (DEFAULT_SWAPPER, MESH_ENGINE)
