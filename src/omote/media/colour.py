"""Between the film's own pixel formats and RGB, by the film's own colour tags.

The matrix and range come from the tags. Where the tags are silent the usual rule holds: BT.601 below 720
lines, BT.709 from there, limited range; the output stays as silent as the source was. The transfer curve and
the primaries are never converted: RGB here is the film's own RGB, so an HDR film keeps its curve.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation as Scaling
from av.video.reformatter import VideoReformatter

from omote.media.types import ColourTags, Pixels, as_pixels

LIMITED, FULL = 1, 2
MATRIX_UNKNOWN = 2
MATRIX_RGB = 0

# swscale's matrix codes for H.273 matrix_coefficients; what is missing here has no swscale matrix.
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}

# Every chroma sample is used and rounding is exact: 4 ms a frame at 720p buy 30 dB in luma.
_EXACT = Scaling.ACCURATE_RND | Scaling.FULL_CHR_H_INT | Scaling.FULL_CHR_H_INP
_TO_RGB = Scaling.BILINEAR | _EXACT
_TO_RGB_DEEP = Scaling.BICUBIC | _EXACT  # libswscale 9 mixes up the channels of 4:2:0 here with BILINEAR
_FROM_RGB = Scaling.AREA | Scaling.ACCURATE_RND | Scaling.FULL_CHR_H_INP


def is_full_range(tags: ColourTags, pixel_format: str) -> bool:
    """True if the numbers use the whole range: by tag, or by their format (RGB, and the old "yuvj" names)."""
    return tags.range == FULL or pixel_format.startswith("yuvj") or VideoFormat(pixel_format).is_rgb


def tags_for(pixel_format: str, tags: ColourTags, height: int, *, jpeg: bool = False) -> ColourTags:
    """The source's tags as they must read on a film in another pixel format.

    RGB has no matrix; pictures that leave RGB need one, and say so; "yuvj" formats have the full range. With
    `jpeg` the codec is Motion JPEG, whose matrix is always that of BT.601.
    """
    if jpeg:
        return replace(tags, matrix=5, range=FULL)
    if VideoFormat(pixel_format).is_rgb:
        return replace(tags, matrix=MATRIX_RGB, range=FULL)
    if tags.matrix == MATRIX_RGB:
        return replace(tags, matrix=1 if height >= 720 else 6, range=LIMITED)
    return replace(tags, range=FULL) if pixel_format.startswith("yuvj") else tags


def sws_matrix(tags: ColourTags, height: int) -> int:
    """Swscale's code for the film's YUV matrix; by the coded height where the tag is silent."""
    return _SWS_MATRIX.get(tags.matrix, 1 if height >= 720 else 5)


def depth(pixel_format: str) -> int:
    """Bits of the deepest channel of a pixel format."""
    return max((c.bits for c in VideoFormat(pixel_format).components), default=8)


def has_alpha(pixel_format: str) -> bool:
    """True if the pixel format carries an alpha channel."""
    return any(c.is_alpha for c in VideoFormat(pixel_format).components)


def on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """A picture `(H, W, 3)` laid on white by its straight alpha `(H, W)` of the same dtype."""
    top = np.iinfo(pixels.dtype).max
    weight = alpha[..., None].astype(np.float32) / top
    return as_pixels(np.rint(pixels * weight + top * (1 - weight)).astype(pixels.dtype))


@dataclass(frozen=True)
class RGB:
    """Upright or coded-orientation RGB `(H, W, 3)` with alpha `(H, W)` or None."""

    pixels: Pixels
    alpha: Pixels | None


class ToRGB:
    """Turns decoded frames into RGB arrays. One object per thread: it caches a conversion context."""

    def __init__(self, tags: ColourTags) -> None:
        self._tags = tags
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> RGB:
        """`(H, W, 3)` uint8, or uint16 (full range) for formats deeper than 8 bits; alpha if there is one."""
        name = frame.format.name
        deep, alpha = depth(name) > 8, has_alpha(name)
        target = ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")
        if name == target:
            pixels = frame.to_ndarray()
        else:
            converted = self._reformatter.reformat(
                frame,
                format=target,
                src_colorspace=sws_matrix(self._tags, frame.height),
                src_color_range=FULL if is_full_range(self._tags, name) else LIMITED,
                dst_color_range=FULL,
                interpolation=_TO_RGB_DEEP if deep else _TO_RGB,
                threads=1,
            )
            pixels = converted.to_ndarray()
        if not alpha:
            return RGB(as_pixels(np.ascontiguousarray(pixels)), None)
        opaque = as_pixels(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB))
        return RGB(opaque, as_pixels(np.ascontiguousarray(pixels[..., 3])))


class FromRGB:
    """Turns RGB arrays into frames that an encoder takes. One object per thread."""

    def __init__(self, pixel_format: str, tags: ColourTags) -> None:
        self._format = pixel_format
        self._tags = tags
        self._reformatter = VideoReformatter()
        self._alpha = has_alpha(pixel_format)

    def __call__(self, pixels: Pixels, alpha: Pixels | None) -> VideoFrame:
        """A frame of the target pixel format with the film's colour tags; on white if alpha has no room."""
        deep = pixels.dtype == np.uint16
        if self._alpha:
            if alpha is None:
                alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
            pixels = as_pixels(np.dstack([pixels, alpha]))
        elif alpha is not None:
            pixels = on_white(pixels, alpha)
        name = ("rgba64le" if self._alpha else "rgb48le") if deep else ("rgba" if self._alpha else "rgb24")
        frame = VideoFrame.from_ndarray(as_pixels(np.ascontiguousarray(pixels)), format=name)
        frame.color_range = FULL
        if name != self._format:
            frame = self._reformatter.reformat(
                frame,
                format=self._format,
                src_color_range=FULL,
                dst_colorspace=sws_matrix(self._tags, frame.height),
                dst_color_range=FULL if is_full_range(self._tags, self._format) else LIMITED,
                interpolation=_FROM_RGB,
                threads=1,
            )
        self.tag(frame)
        return frame

    def tag(self, frame: VideoFrame) -> None:
        """Give a frame the film's colour tags."""
        frame.colorspace = self._tags.matrix
        frame.color_range = self._tags.range
        frame.color_primaries = self._tags.primaries
        frame.color_trc = self._tags.transfer
