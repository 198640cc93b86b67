"""An invisible mark in pixels: what outlives the stripping of metadata (`docs/trust.md`)."""

from omote.trust.watermark.detect import FRAMES, Reading, find_mark
from omote.trust.watermark.embed import PROVIDER, RELIABLE, SMALLEST, Watermark, new_identifier
from omote.trust.watermark.pattern import PUBLIC
from omote.trust.watermark.plugins import Finding, Scheme, find_scheme, schemes

__all__ = [
    "FRAMES",
    "PROVIDER",
    "PUBLIC",
    "RELIABLE",
    "SMALLEST",
    "Finding",
    "Reading",
    "Scheme",
    "Watermark",
    "find_mark",
    "find_scheme",
    "new_identifier",
    "schemes",
]
