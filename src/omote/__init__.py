"""Omote finds and swaps faces in photos and films."""

from omote._version import __version__

__all__ = ["__version__"]
