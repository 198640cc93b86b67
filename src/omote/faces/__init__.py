"""Where the faces are: detection, the 478-point mesh, alignment and selection."""
