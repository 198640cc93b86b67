"""The screen, or a part of it, in place of a camera: what the grabbers of PyAV's FFmpeg see of it."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av

from omote.errors import InputError, UsageError
from omote.media import MAX_PIXELS
from omote.media.sniff import reason
from omote.pipelines.live_source import Clock, Pixels, Shot, even

_RATE = 30.0
_PATIENCE = 0.002
"""Seconds after which a grabber that has no picture yet is asked again."""
_REGION = re.compile(r"(\d+)x(\d+)\+(\d+)\+(\d+)")
_SMALLEST = 16


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the screen, in pixels from its upper left corner."""

    width: int
    height: int
    x: int
    y: int

    def of(self, pixels: Pixels) -> Pixels:
        """What a picture shows there, of the whole screen or of this region alone."""
        if pixels.shape[:2] == (self.height, self.width):
            return pixels
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, slots=True)
class Screen:
    """What is asked for: the whole screen, or a region of it."""

    region: Region | None = None

    @classmethod
    def parse(cls, name: str) -> Screen | None:
        """Read `screen` or `screen:WIDTHxHEIGHT+X+Y`; None if it is something else.

        Raises:
            UsageError: what stands after the colon is no region, or a very small one.
        """
        word, colon, text = name.partition(":")
        if word != "screen":
            return None
        if not colon:
            return cls()
        found = _REGION.fullmatch(text)
        if found is None:
            raise UsageError(f"--camera '{name}': write screen, or screen:WIDTHxHEIGHT+X+Y in pixels")
        region = Region(*map(int, found.groups()))
        if min(region.width, region.height) < _SMALLEST:
            raise UsageError(f"--camera '{name}': give at least {_SMALLEST} x {_SMALLEST} pixels")
        return cls(region)


@dataclass(frozen=True, slots=True)
class Grabber:
    """An input device of FFmpeg: its name, what to open, and its options."""

    format: str
    url: str
    options: dict[str, str]


def grabber(screen: Screen) -> Grabber:
    """What grabs the screen on this system: X11, GDI or AVFoundation, which gives the whole screen always.

    Raises:
        InputError: there is no X display.
    """
    region, rate = screen.region, {"framerate": f"{_RATE:g}"}
    size = {} if region is None else {"video_size": f"{region.width}x{region.height}"}
    if sys.platform == "win32":
        corner = {} if region is None else {"offset_x": str(region.x), "offset_y": str(region.y)}
        return Grabber("gdigrab", "desktop", rate | size | corner)
    if sys.platform == "darwin":
        return Grabber("avfoundation", "Capture screen 0:none", rate)
    display = os.environ.get("DISPLAY")
    if not display:
        raise InputError("screen: there is no X display (DISPLAY is not set)")
    place = "" if region is None else f"+{region.x},{region.y}"
    return Grabber("x11grab", display + place, rate | size)


class ScreenCamera:
    """Pictures of the screen.

    Args:
        screen: which part.
        clock: seconds.
        max_pixels: of a picture, at most.

    Raises:
        UsageError: this FFmpeg has no grabber for this system.
        InputError: there is no screen, the region lies outside of it, or it is too large.
    """

    def __init__(
        self, screen: Screen, clock: Clock = time.perf_counter, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._region, self._clock = screen.region, clock
        device = grabber(screen)
        if device.format not in av.formats_available:
            raise UsageError(
                f"--camera screen: this PyAV was built without {device.format}; install its wheel"
            )
        try:
            self._container: Any = av.open(device.url, format=device.format, options=device.options)
            self._stream = self._container.streams.video[0]
            first, _ = next(self._grabbed())
        except StopIteration:
            raise InputError("screen: gives no picture") from None
        except (av.FFmpegError, OSError) as error:
            hint = "" if screen.region is None else "; does all of the region lie on it?"
            raise InputError(f"screen: cannot be grabbed ({reason(error)}){hint}") from None
        self.height, self.width = first.shape[:2]
        region = screen.region
        if region is not None and first.shape[:2] != (region.height & ~1, region.width & ~1):
            raise InputError(f"screen: {region.width} x {region.height} pixels reach beyond its edge")
        if self.width * self.height > max_pixels:
            raise InputError(
                f"screen: has {self.width} x {self.height} pixels, more than --max-pixels {max_pixels}"
            )
        self.rate = float(self._stream.average_rate or _RATE)
        self._stopped = threading.Event()

    def shots(self) -> Iterator[Shot]:
        """Every picture; raises InputError if there are no more of one size."""
        try:
            for pixels, captured in self._grabbed():
                if self._stopped.is_set():
                    return
                if pixels.shape[:2] != (self.height, self.width):
                    raise InputError("screen: has another size now; begin anew")
                yield Shot(pixels, captured)
            raise InputError("screen: gives no pictures any more")
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"screen: gives no pictures any more ({reason(error)})") from None
        finally:
            self._container.close()

    def stop(self) -> None:
        """End after the next picture."""
        self._stopped.set()

    def _grabbed(self) -> Iterator[tuple[Pixels, float]]:
        """Pictures and when they were captured."""
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    captured = self._clock()
                    for frame in packet.decode():
                        pixels = frame.to_ndarray(format="rgb24")
                        yield even(pixels if self._region is None else self._region.of(pixels)), captured
                return
            except BlockingIOError:  # AVFoundation has no picture yet
                time.sleep(_PATIENCE)
