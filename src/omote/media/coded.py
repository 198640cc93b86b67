"""What a swap leaves alone need not pass through RGB: it goes to the encoder as the decoder gave it."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from omote.media.colour import FromRGB
from omote.media.types import Box, Pixels

_GRID = 4
"""Boxes are widened to multiples of this many pixels: chroma samples stand for up to four by four."""


def changed_box(before: Pixels, after: Pixels) -> Box:
    """The smallest box that holds all pixels that differ: x0, y0, x1, y1, all 0 if none does.

    Args:
        before: (H, W, 3) uint8 or uint16.
        after: likewise.
    """
    if after is before:
        return (0, 0, 0, 0)
    height, width = before.shape[:2]
    differs = cv2.absdiff(before, after).reshape(height, -1)
    if differs.dtype != np.uint8:
        differs = (differs > 0).view(np.uint8)
    x, y, across, down = cv2.boundingRect(differs)
    if not across:
        return (0, 0, 0, 0)
    return (x // 3, y, min(width, (x + across + 2) // 3), y + down)


def repaintable(frame: VideoFrame, pixel_format: str) -> bool:
    """Whether `repaint` can be used: a plane for each of Y, U and V, and the encoder wants just that."""
    found = VideoFormat(pixel_format)
    planes = {component.plane for component in found.components}
    plain = len(planes) == len(found.components) and not found.is_rgb and not found.is_big_endian
    return plain and frame.format.name == pixel_format


def repaint(frame: VideoFrame, pixels: Pixels, box: Box, convert: FromRGB) -> VideoFrame:
    """A copy of a decoded frame in which a box shows other pixels; all else is bit-equal.

    Args:
        frame: as it was decoded, not turned.
        pixels: (H, W, 3) RGB of the whole picture.
        box: the part to take from `pixels`; it is widened to whole chroma samples.
        convert: makes frames of this frame's pixel format.
    """
    made = VideoFrame(frame.width, frame.height, frame.format.name)
    for old, new in zip(planes(frame), planes(made), strict=True):
        new[:] = old
    x0, y0, x1, y1 = box
    if x1 > x0:
        left, top = x0 // _GRID * _GRID, y0 // _GRID * _GRID
        right, bottom = min(frame.width, -(-x1 // _GRID) * _GRID), min(frame.height, -(-y1 // _GRID) * _GRID)
        part = convert(pixels[top:bottom, left:right], None)
        for whole, piece in zip(planes(made), planes(part), strict=True):
            across, down = -(-frame.width // whole.shape[1]), -(-frame.height // whole.shape[0])
            y, x = top // down, left // across
            whole[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    convert.tag(made)
    return made


def planes(frame: VideoFrame, first: int | None = None) -> list[NDArray[np.uint8] | NDArray[np.uint16]]:
    """The samples of each plane, or of the first so many, (H, W), as views. A plane is of one component."""
    deep = max(component.bits for component in frame.format.components) > 8
    views = []
    for plane in frame.planes[:first]:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height]
        samples = rows.view(np.uint16) if deep else rows
        views.append(samples[:, : plane.width])
    return views
