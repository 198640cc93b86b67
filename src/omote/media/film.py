"""Decoding a film: every frame, in order, at its own time, upright, in RGB."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import av
from av.container.input import InputContainer
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from omote.errors import InputError
from omote.media import orient, probing
from omote.media.colour import ToRGB
from omote.media.sniff import reason
from omote.media.types import Frame, MediaInfo


class FilmSource:
    """Frames of a container that libav can demux; see VideoReader for the promises.

    `start` and `end` are seconds from the film's beginning; `begin` and `until` the same on its own clock.
    `shift` is what was taken off every time stamp, in units of the time base; known with the first frame.
    """

    def __init__(
        self, info: MediaInfo, *, start: float | None, end: float | None, threads: int, max_pixels: int
    ) -> None:
        self.info = info
        self.warnings: list[str] = []
        self.shift = 0
        self._start, self._end = start, end
        self._threads, self._max_pixels = threads, max_pixels
        self._container, self._stream = self._open()
        # A film's seconds are counted from its own start, which some containers put well after zero.
        origin = max(Fraction(self._container.start_time or 0, av.time_base), Fraction(0))
        self.begin = None if start is None and end is None else origin + Fraction(str(start or 0))
        self.until = None if end is None else origin + Fraction(str(end))
        self._packets = 0
        self._decoded = 0
        self._last_packet: int | None = None
        self._last_frame: int | None = None

    def _open(self) -> tuple[InputContainer, VideoStream]:
        container = probing.open_container(self.info.path)
        stream = probing.video_stream(self.info.path, container)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        self._decoder = probing.open_decoder(stream, self._threads, self._max_pixels)
        return container, stream

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def frames(self) -> Iterator[Frame]:
        """The frames; raises InputError if the film breaks off or cannot be decoded."""
        info = self.info
        path = info.path
        time_base = self._stream.time_base or Fraction(1, 1000)
        first, last = self._span(time_base)
        to_rgb = ToRGB(info.colour)
        turn = orient.Orientation(info.rotation, info.flipped)
        coded = (info.height, info.width) if turn.swaps_sides else (info.width, info.height)
        index = 0
        previous: int | None = None
        for frame in self._decode(first):
            pts = self._pts(frame, previous)
            previous = pts
            if first is not None and pts < first:
                continue
            if last is not None and pts >= last:
                if index:
                    break
                continue
            if (frame.width, frame.height) != coded:
                raise InputError(
                    f"{path}: the picture changes its size from {coded[0]} x {coded[1]} to {frame.width} x "
                    f"{frame.height} at {float(pts * time_base):.3f} s; cut the film there with --end"
                )
            if index == 0 and first is not None:
                self.shift = pts
            rgb = to_rgb(frame)
            yield Frame(
                pixels=turn.apply(rgb.pixels),
                pts=pts - self.shift,
                time_base=time_base,
                index=index,
                alpha=None if rgb.alpha is None else turn.apply(rgb.alpha),
                duration=frame.duration or None,
            )
            index += 1
        else:
            if first is None and last is None:
                self._require_all()
        if index == 0:
            raise InputError(f"{path}: has no frames between {self._start or 0:g} s and {self._end} s")

    def _span(self, time_base: Fraction) -> tuple[int | None, int | None]:
        """First and last-plus-one time stamp of the wanted span, or None where it is open."""
        first = None if self.begin is None else math.ceil(self.begin / time_base)
        last = None if self.until is None else math.ceil(self.until / time_base)
        if first is not None and not self._start:
            first = -(2**62)  # a film may begin a little before its zero
        return first, last

    def _decode(self, first: int | None) -> Iterator[VideoFrame]:
        """Decoded frames from the key frame before `first` on."""
        if first is not None and first > (self._stream.start_time or 0):
            try:
                self._container.seek(first, stream=self._stream)
                frames = self._decode_all()
                head = next(frames, None)
                if head is not None and head.pts is not None and head.pts <= first:
                    yield head
                    yield from frames
                    return
            except (av.error.FFmpegError, OSError):
                pass
            # The container cannot seek exactly: read from the beginning instead.
            self._container.close()
            self._container, self._stream = self._open()
        yield from self._decode_all()

    def _decode_all(self) -> Iterator[VideoFrame]:
        path = self.info.path
        self._packets = self._decoded = 0
        self._last_packet = self._last_frame = None
        damaged = 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_discard:
                    self._packets += 1
                    if packet.pts is not None:
                        self._last_packet = max(packet.pts, self._last_packet or packet.pts)
                elif not packet.size and packet.dts is not None:
                    continue  # "show the last frame once more", as AVI and Ogg say it
                if packet.is_corrupt:
                    damaged += 1
                for frame in self._decoder.decode(packet):
                    self._decoded += 1
                    if frame.pts is not None:
                        self._last_frame = max(frame.pts, self._last_frame or frame.pts)
                    if frame.is_corrupt:
                        damaged += 1
                    yield frame
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"{path}: damaged or cut off: no more frames after {self._decoded} ({reason(error)})"
            ) from None
        if damaged:
            self.warnings.append(f"{path.name}: {damaged} damaged frames were decoded as well as could be")

    def _pts(self, frame: VideoFrame, previous: int | None) -> int:
        """The frame's time stamp; made up from its neighbour where the container has none, always rising."""
        pts = frame.pts if frame.pts is not None else frame.dts
        step = frame.duration or 1
        if pts is None:
            return 0 if previous is None else previous + step
        if previous is not None and pts <= previous:
            if not any("time stamps" in w for w in self.warnings):
                self.warnings.append(f"{self.info.path.name}: time stamps that do not rise were moved")
            return previous + 1
        return pts

    def _require_all(self) -> None:
        """Raise InputError if the container promised more frames than could be decoded."""
        path, promised = self.info.path, self.info.frames
        what = "truncated or damaged; fetch it again"
        indexed = self.info.format.startswith(("mov", "mp4"))
        if promised and indexed and self._packets < promised * 0.98 and self._decoded < promised * 0.98:
            raise InputError(
                f"{path}: its index promises {promised} frames but only {self._decoded} are there: {what}"
            )
        if self._last_packet is not None and self._last_frame is not None:
            missing = self._last_packet - self._last_frame
            step = (
                1
                if self.info.frame_rate is None or not self._stream.time_base
                else math.ceil(1 / (self.info.frame_rate * self._stream.time_base))
            )
            if missing > 2 * step:
                seconds = float(missing * (self._stream.time_base or 0))
                raise InputError(f"{path}: the last {seconds:.2f} s cannot be decoded: {what}")
