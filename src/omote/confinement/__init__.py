"""Limits for a process that reads files which nobody vouches for; needs the standard library alone."""

from omote.confinement.process import Limits, confine, go_on_confined, half_of_memory

__all__ = ["Limits", "confine", "go_on_confined", "half_of_memory"]
