"""Where an invisible mark enters a film: in the luma of its frames, just before they are encoded.

The media room does not know what marks look like; it is given a `Stamp`.
"""

from __future__ import annotations

from typing import Any, Protocol

from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from omote.media.coded import planes


class Stamp(Protocol):
    """Changes pixels a little. A pure function of the pixels, safe for threads; it can be pickled."""

    def mark(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """A marked copy of RGB pixels (H, W, 3), uint8 or uint16."""

    def mark_luma(self, plane: NDArray[Any], peak: int, *, full_range: bool) -> NDArray[Any]:
        """A marked copy of a luma plane (H, W), uint8 or uint16, whose largest value is `peak`."""


def has_luma_plane(pixel_format: str) -> bool:
    """Whether frames of this format hold their luma in a plane of its own, in the machine's byte order."""
    found = VideoFormat(pixel_format)
    if found.is_rgb or found.is_big_endian or found.has_palette or not found.components:
        return False
    luma, *others = found.components
    # In formats with two planes, samples of more than 8 bits lie in the upper bits of their 16.
    plain = luma.bits == 8 or len({component.plane for component in others}) == len(others)
    return plain and all(component.plane != luma.plane for component in others)


def stamp_luma(frame: VideoFrame, stamp: Stamp, *, full_range: bool) -> None:
    """Mark a frame of a format with a luma plane, in place."""
    plane = planes(frame, 1)[0]
    plane[:] = stamp.mark_luma(plane, (1 << frame.format.components[0].bits) - 1, full_range=full_range)
