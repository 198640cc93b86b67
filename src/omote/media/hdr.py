"""HDR side data (mastering display, light level) between decoded frames and encoders' own options."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.video.frame import VideoFrame


@dataclass(frozen=True)
class Hdr:
    """What a film says of the display it was mastered on (SMPTE ST 2086) and of its light (CTA-861.3).

    `primaries` are CIE xy of red, green, blue and white; `luminance` is (min, max) in cd/m2; `light` is
    (MaxCLL, MaxFALL) in cd/m2. None for what is not said.
    """

    primaries: tuple[tuple[Fraction, Fraction], ...] | None = None
    luminance: tuple[Fraction, Fraction] | None = None
    light: tuple[int, int] | None = None


def read_hdr(frame: VideoFrame) -> Hdr | None:
    """The frame's HDR side data, or None if it has none."""
    mastering: Any = frame.side_data.get("MASTERING_DISPLAY_METADATA")
    level: Any = frame.side_data.get("CONTENT_LIGHT_LEVEL")
    primaries = luminance = light = None
    if mastering is not None:  # AVMasteringDisplayMetadata: ten rationals and two flags
        *numbers, has_primaries, has_luminance = struct.unpack("=22i", bytes(mastering)[:88])
        values = [Fraction(n, d or 1) for n, d in zip(numbers[::2], numbers[1::2], strict=True)]
        if has_primaries:
            primaries = tuple((values[i], values[i + 1]) for i in (0, 2, 4, 6))
        if has_luminance:
            luminance = values[8], values[9]
    if level is not None:  # AVContentLightMetadata
        light = struct.unpack("=2I", bytes(level)[:8])
    if primaries is None and luminance is None and light is None:
        return None
    return Hdr(primaries, luminance, light)


def encoder_options(codec: str, hdr: Hdr) -> tuple[str, str] | None:
    """Libav's option and value that hand the data to x264, x265 or SVT-AV1; None for other encoders."""
    parts = []
    if hdr.primaries is not None and hdr.luminance is not None:
        red, green, blue, white = hdr.primaries
        low, high = hdr.luminance
        if codec == "libsvtav1":
            names = zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
            text = "".join(f"{name}({float(x):.5f},{float(y):.5f})" for name, (x, y) in names)
            parts.append(f"mastering-display={text}L({float(high):.4f},{float(low):.4f})")
        else:  # chromaticity in steps of 0.00002, luminance in steps of 0.0001 cd/m2
            names = zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
            text = "".join(f"{name}({round(x * 50_000)},{round(y * 50_000)})" for name, (x, y) in names)
            key = "mastering-display" if codec == "libx264" else "master-display"
            parts.append(f"{key}={text}L({round(high * 10_000)},{round(low * 10_000)})")
    if hdr.light is not None:
        key = {"libx264": "cll", "libx265": "max-cll", "libsvtav1": "content-light"}.get(codec, "")
        parts.append(f"{key}={hdr.light[0]},{hdr.light[1]}")
    option = {"libx264": "x264-params", "libx265": "x265-params", "libsvtav1": "svtav1-params"}.get(codec)
    return None if option is None or not parts else (option, ":".join(parts))
