"""Animated pictures (GIF, WebP, APNG) read as films: exact delays, loop count, transparency."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from omote.errors import InputError
from omote.media.animation_header import Animation, read_header
from omote.media.limits import require_size
from omote.media.sniff import reason, sniff
from omote.media.types import Frame, MediaInfo

_PLUGINS = {"gif": "GIF", "animated webp": "WEBP", "apng": "PNG"}


def probe_animation(path: Path, *, max_pixels: int) -> MediaInfo | None:
    """The MediaInfo of an animated picture; None if it has but one frame and so is a picture."""
    kind = sniff(path)
    header = read_header(path, kind)
    require_size(path, header.width, header.height, max_pixels)
    if len(header.delays) < 2:
        return None
    alpha = header.alpha and _first_frame_is_clear(path, kind)
    total = sum(header.delays)
    return MediaInfo(
        path=path,
        kind="film",
        format=kind,
        codec={"gif": "gif", "animated webp": "webp", "apng": "apng"}[kind],
        width=header.width,
        height=header.height,
        frames=len(header.delays),
        duration=float(total * header.time_base),
        frame_rate=_rate(header),
        time_base=header.time_base,
        start_pts=0,
        pixel_format="rgba",
        alpha=alpha,
        sample_aspect_ratio=header.aspect,
        loop=header.loop,
        extra={"animation": kind, "lossless": header.lossless},
    )


def _first_frame_is_clear(path: Path, kind: str) -> bool:
    """True if something shines through the first frame; files often claim it without using it."""
    Image.init()
    with path.open("rb") as file:
        try:
            image = Image.OPEN[_PLUGINS[kind]][0](file, str(path))
            return bool((np.asarray(image.convert("RGBA"))[..., 3] < 255).any())
        except Exception as error:  # as below
            raise InputError(f"{path}: its first frame cannot be decoded ({reason(error)})") from None


def _rate(header: Animation) -> Fraction:
    """The most usual frame rate: that of the median delay."""
    middle = sorted(header.delays)[len(header.delays) // 2]
    return 1 / (middle * header.time_base)


class AnimationSource:
    """Frames of an animated picture, composed as a viewer shows them; see VideoReader for the promises."""

    def __init__(self, info: MediaInfo, *, start: float | None, end: float | None) -> None:
        self.info = info
        self.warnings: list[str] = []
        self.shift = 0
        self.begin = None if start is None and end is None else Fraction(str(start or 0))
        self.until = None if end is None else Fraction(str(end))
        self._first = None if self.begin is None else math.ceil(self.begin / _base(info))
        self._last = None if self.until is None else math.ceil(self.until / _base(info))
        self._file = info.path.open("rb")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def frames(self) -> Iterator[Frame]:
        """The frames; raises InputError if the animation breaks off or cannot be decoded."""
        info = self.info
        kind = info.extra["animation"]
        header = read_header(info.path, kind)
        Image.init()
        pts = given = 0
        position = -1
        try:
            image = Image.OPEN[_PLUGINS[kind]][0](self._file, str(info.path))
            hidden = 1 if header.hidden_first else 0
            for position, delay in enumerate(header.delays):
                image.seek(position + hidden)
                if image.size != (header.width, header.height):
                    raise ValueError(f"frame {position} is larger than the picture")
                wanted = (self._first is None or pts >= self._first) and (
                    self._last is None or pts < self._last
                )
                rgba = np.asarray(image.convert("RGBA"))
                if wanted:
                    if given == 0 and self.begin is not None:
                        self.shift = pts
                    alpha = np.ascontiguousarray(rgba[..., 3])
                    yield Frame(
                        pixels=np.ascontiguousarray(rgba[..., :3]),
                        pts=pts - self.shift,
                        time_base=_base(info),
                        index=given,
                        alpha=None if (alpha == 255).all() else alpha,
                        duration=delay,
                    )
                    given += 1
                pts += delay
        except Exception as error:  # Pillow raises all sorts of things on damaged files
            raise InputError(
                f"{info.path}: damaged or cut off: no more frames after {position} ({reason(error)})"
            ) from None
        if given == 0:
            raise InputError(f"{info.path}: has no frames in the wanted span")


def _base(info: MediaInfo) -> Fraction:
    return info.time_base or Fraction(1, 1000)
