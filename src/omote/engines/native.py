"""Names of the engines that ship. Both need a photo of the person whose face is given."""

MESH_ENGINE = "mesh"
"""What carries skin over, without a network of its own."""
CORRECTED_ENGINE = "omote-swap-128"
"""A network of the catalogue that corrects the mesh engine's draft."""
NATIVE_ENGINES = (MESH_ENGINE, CORRECTED_ENGINE)
DEFAULT_SWAPPER = CORRECTED_ENGINE
"""What swaps unless another engine is named: nearer to the source by recognisers (its card), and preferred by
who does not know which is whose. The mesh engine is the quicker one."""
