"""Decoding a film: every frame, in order, at its own time, upright, in RGB."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.container.input import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from omote.errors import InputError
from omote.media import orient, probing
from omote.media.colour import ToRGB
from omote.media.sniff import reason
from omote.media.types import Frame, MediaInfo

Stamps = tuple[int | None, int | None]
"""First and last-plus-one time stamp of a part of a film; None where it is open."""

_RETREATS = (0, 2, 10, 60)
"""Seconds before the wanted place at which decoding is tried, one after the other."""


class FilmSource:
    """Frames of a container that libav can demux; see VideoReader for the promises.

    `start` and `end` are seconds from the film's beginning; `begin` and `until` the same on its own clock.
    `shift` is what was taken off every time stamp, in units of the time base; known with the first frame.
    `cut` is a part of the film by its time stamps, (first, last plus one), instead of seconds: nothing is
    taken off then, it may be empty, and `damaged` counts the frames that were decoded as well as could be.
    """

    def __init__(
        self,
        info: MediaInfo,
        *,
        start: float | None = None,
        end: float | None = None,
        cut: Stamps | None = None,
        threads: int,
        max_pixels: int,
    ) -> None:
        self.info = info
        self.warnings: list[str] = []
        self.shift = self.damaged = 0
        self._start, self._end, self._cut = start, end, cut
        self._threads, self._max_pixels = threads, max_pixels
        self._container, self._stream = self._open()
        # A film's seconds are counted from its own start, which some containers put well after zero.
        origin = max(Fraction(self._container.start_time or 0, av.time_base), Fraction(0))
        self.begin = None if start is None and end is None else origin + Fraction(str(start or 0))
        self.until = None if end is None else origin + Fraction(str(end))
        self._ledger = _Ledger()

    def _open(self) -> tuple[InputContainer, VideoStream]:
        container = probing.open_container(self.info.path, self._max_pixels)
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
        first, last = self.span()
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
                if index or self._cut:
                    break
                continue
            if (frame.width, frame.height) != coded:
                raise InputError(
                    f"{path}: the picture changes its size from {coded[0]} x {coded[1]} to {frame.width} x "
                    f"{frame.height} at {float(pts * time_base):.3f} s; cut the film there with --end"
                )
            if index == 0 and first is not None and self._cut is None:
                self.shift = pts
            self.damaged += frame.is_corrupt
            rgb = to_rgb(frame)
            yield Frame(
                pixels=turn.apply(rgb.pixels),
                pts=pts - self.shift,
                time_base=time_base,
                index=index,
                alpha=None if rgb.alpha is None else turn.apply(rgb.alpha),
                duration=frame.duration or None,
                coded=frame if turn == orient.UPRIGHT and rgb.alpha is None else None,
            )
            index += 1
        else:
            if first is None and last is None:
                self._require_all()
        if index == 0 and self._cut is None:
            raise InputError(f"{path}: has no frames between {self._start or 0:g} s and {self._end} s")

    def span(self) -> Stamps:
        """First and last-plus-one time stamp of the wanted part, or None where it is open."""
        if self._cut is not None:
            return self._cut
        time_base = self._stream.time_base or Fraction(1, 1000)
        first = None if self.begin is None else math.ceil(self.begin / time_base)
        last = None if self.until is None else math.ceil(self.until / time_base)
        if first is not None and not self._start:
            first = -(2**62)  # a film may begin a little before its zero
        return first, last

    def _decode(self, first: int | None) -> Iterator[VideoFrame]:
        """Decoded frames from a key frame at or before `first` on."""
        beginning = self._stream.start_time or 0
        if first is not None and first > beginning:
            second = 1 / (self._stream.time_base or Fraction(1, 1000))
            for retreat in _RETREATS:
                place = first - round(retreat * second)
                if place <= beginning:
                    break
                frames = self._decode_from(place, first)
                if (head := next(frames, None)) is not None:
                    yield head
                    yield from frames
                    return
            # The container cannot seek exactly: read from the beginning instead.
            self._container.close()
            self._container, self._stream = self._open()
        yield from self._decode_all()

    def _decode_from(self, place: int, first: int) -> Iterator[VideoFrame]:
        """Frames from `first` on, decoded after a jump to `place`; none if there was no key frame before."""
        try:
            self._container.seek(place, stream=self._stream)
            self._decoder.flush_buffers()
            whole = False
            frames = self._decode_all()
            for frame in frames:
                whole = whole or (frame.key_frame and frame.pts is not None and frame.pts <= first)
                if frame.pts is None or frame.pts >= first:
                    break
            else:
                return
        except (av.error.FFmpegError, OSError, InputError):
            return
        if whole:
            yield frame
            yield from frames

    def _decode_all(self) -> Iterator[VideoFrame]:
        path = self.info.path
        ledger = self._ledger = _Ledger()
        try:
            for packet in self._container.demux(self._stream):
                if not packet.size and packet.dts is not None:
                    continue  # "show the last frame once more", as AVI and Ogg say it
                ledger.enter_packet(packet)
                for frame in self._decoder.decode(packet):
                    ledger.enter_frame(frame)
                    yield frame
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"{path}: damaged or cut off: no more frames after {ledger.frames} ({reason(error)})"
            ) from None
        if ledger.damaged:
            self.warnings.append(
                f"{path.name}: {ledger.damaged} damaged frames were decoded as well as could be"
            )

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
        info, ledger = self.info, self._ledger
        fault = "truncated or damaged; fetch it again"
        if info.frames and "mp4" in info.format and ledger.frames < info.frames * 0.98:
            raise InputError(
                f"{info.path}: its index promises {info.frames} frames, {ledger.frames} are there: {fault}"
            )
        if ledger.last_packet is not None and ledger.last_frame is not None and info.frame_rate:
            lost = (ledger.last_packet - ledger.last_frame) * (self._stream.time_base or Fraction(0))
            if lost > 3 / info.frame_rate:
                raise InputError(f"{info.path}: its last {float(lost):.2f} s cannot be decoded: {fault}")
        if info.codec in FRAME_PER_PACKET and ledger.lost > 0:
            if ledger.lost > ledger.packets * 0.02:
                raise InputError(
                    f"{info.path}: {ledger.lost} of {ledger.packets} frames cannot be decoded: {fault}"
                )
            self.warnings.append(f"{info.path.name}: {ledger.lost} damaged frames were left out")


# Formats where each packet shows one frame; others have packets that show none.
FRAME_PER_PACKET = {"h264", "hevc", "av1", "vp9", "prores", "mjpeg", "dnxhd", "ffv1", "png"}


class _Ledger:
    """What went into a decoder and what came out."""

    def __init__(self) -> None:
        self.packets = self.frames = self.damaged = 0
        self.last_packet: int | None = None
        self.last_frame: int | None = None
        self._first_frame: int | None = None
        self._before: list[int] = []  # time stamps of packets until the first frame
        self._early = 0

    @property
    def lost(self) -> int:
        """Packets that gave no frame; those before the first frame hang on a key frame that was cut away."""
        return self.packets - self._early - self.frames

    def enter_packet(self, packet: Packet[Any]) -> None:
        """Note a packet that goes into the decoder."""
        self.damaged += packet.is_corrupt
        if not packet.size or packet.is_discard:
            return
        self.packets += 1
        if packet.pts is None:
            return
        self.last_packet = packet.pts if self.last_packet is None else max(packet.pts, self.last_packet)
        if self._first_frame is None:
            self._before.append(packet.pts)
        elif packet.pts < self._first_frame:
            self._early += 1

    def enter_frame(self, frame: VideoFrame) -> None:
        """Note a frame that came out."""
        self.frames += 1
        self.damaged += frame.is_corrupt
        if frame.pts is None:
            return
        if self._first_frame is None:
            self._first_frame = frame.pts
            self._early = sum(pts < frame.pts for pts in self._before)
            self._before.clear()
        self.last_frame = frame.pts if self.last_frame is None else max(frame.pts, self.last_frame)
