"""Frames become packets: pixel format, colour, timing and HDR data of one encoded picture track."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container.output import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from omote.errors import UsageError
from omote.media import encoders, hdr
from omote.media.coded import repaint, repaintable
from omote.media.colour import FromRGB, has_alpha, is_full_range, tags_for
from omote.media.stamping import Stamp, has_luma_plane, stamp_luma
from omote.media.types import Frame, MediaInfo, as_pixels

_LONGEST_DELAY = 60  # seconds that an encoder may decode a picture before it is shown, and more than any does


class FrameEncoder:
    """Encodes the frames of a film for a container; the same film and settings give the same track.

    `target` is only named in messages. A `stamp` marks every frame. `warnings` tells what of the source the
    encoder cannot hold.
    """

    def __init__(
        self,
        target: Path,
        muxer: str,
        info: MediaInfo,
        entry: encoders.Encoder,
        quality: float | None,
        preset: str | None,
        stamp: Stamp | None = None,
    ) -> None:
        self._target, self._muxer, self._info, self._entry = target, muxer, info, entry
        self._quality, self._stamp = quality, stamp
        self._options = entry.options(quality, preset)
        beside = entry.family == "vp9" and muxer == "mp4"  # VP9 keeps alpha beside the pictures
        pixel_format = encoders.pixel_format(entry, info, alpha=not beside)
        self.warnings = [f"{target.name}: with {entry.name}, {loss}" for loss in pixel_format.lost]
        self._tags = tags_for(pixel_format.name, info.colour, info.height, jpeg=entry.family == "mjpeg")
        self.pixel_format = pixel_format.name
        self._convert = FromRGB(self.pixel_format, self._tags)
        self._durations: dict[int, int] = {}
        self._last: int | None = None
        self._rate = info.frame_rate or Fraction(25)
        self.time_base = info.time_base or 1 / self._rate
        if muxer == "avi":  # it counts frames, not seconds
            self.time_base = 1 / self._rate
        if info.extra.get("interlaced"):
            self.warnings.append(f"{info.path.name}: is interlaced; the output is not marked so")
        if info.extra.get("dynamic hdr"):
            self.warnings.append(f"{info.path.name}: its HDR data for each scene is lost")
        if isinstance(light := info.extra.get("hdr"), hdr.Hdr):
            self._add_hdr(light)
        self._stream: VideoStream

    def _add_hdr(self, light: hdr.Hdr) -> None:
        extra = hdr.encoder_options(self._entry.codec, light)
        if extra is None:
            name = self._entry.name
            self.warnings.append(f"{self._target.name}: with {name}, the HDR mastering data is lost")
            return
        name, value = extra
        self._options[name] = f"{self._options[name]}:{value}" if name in self._options else value

    def add_to(self, container: OutputContainer) -> VideoStream:
        """Add the picture track to a container whose muxer is the one that was named; call it once."""
        info, entry = self._info, self._entry
        stream: Any = container.add_stream(entry.codec, rate=self._rate)
        context = stream.codec_context
        context.width, context.height = info.width, info.height
        context.pix_fmt = self.pixel_format
        context.time_base = self.time_base
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.color_range, context.colorspace = self._tags.range, self._tags.matrix
        context.color_primaries, context.color_trc = self._tags.primaries, self._tags.transfer
        encoders.configure(context, entry, self._options, self._quality)
        if entry.family == "hevc" and self._muxer in ("mp4", "mov"):
            context.codec_tag = "hvc1"
        stream.time_base = self.time_base
        if has_alpha(self.pixel_format) and self._muxer in ("matroska", "webm"):
            stream.metadata["alpha_mode"] = "1"
        assert isinstance(stream, VideoStream)
        self._stream = stream
        return stream

    def encode(self, frame: Frame) -> list[Packet[Any]]:
        """The packets that come out when a frame goes in; their times are in `time_base`."""
        info, (height, width) = self._info, frame.pixels.shape[:2]
        if (width, height) != (info.width, info.height):
            raise UsageError(
                f"{self._target}: frame {frame.index} has {width} x {height} pixels, "
                f"the film {info.width} x {info.height}"
            )
        picture = self._picture(frame)
        first = self._last is None
        pts = round(frame.pts * frame.time_base / self.time_base)
        self._last = require_later(self._target, pts, self._last, self.time_base)
        picture.pts = pts
        picture.time_base = self.time_base
        if frame.duration:
            self._durations[pts] = round(frame.duration * frame.time_base / self.time_base)
        packets = [self._timed(packet) for packet in self._stream.encode(picture)]
        if first:
            encoders.after_opening(self._entry)
        return packets

    def flush(self) -> list[Packet[Any]]:
        """The packets that the encoder still holds."""
        return [self._timed(packet) for packet in self._stream.encode(None)]

    def _picture(self, frame: Frame) -> VideoFrame:
        """The frame as the encoder takes it, marked."""
        if self._stamp is None:
            return self._unmarked(frame)
        if not has_luma_plane(self.pixel_format):
            return self._convert(as_pixels(self._stamp.mark(frame.pixels)), frame.alpha)
        picture = self._unmarked(frame)
        stamp_luma(picture, self._stamp, full_range=is_full_range(self._tags, self.pixel_format))
        return picture

    def _unmarked(self, frame: Frame) -> VideoFrame:
        """A new frame as the encoder takes it; what did not change comes from the decoder if it can."""
        coded, changed = frame.coded, frame.changed
        same = self._tags == self._info.colour and frame.alpha is None
        if coded is not None and changed is not None and same and repaintable(coded, self.pixel_format):
            return repaint(coded, frame.pixels, changed, self._convert)
        return self._convert(frame.pixels, frame.alpha)

    def _timed(self, packet: Packet[Any]) -> Packet[Any]:
        # Encoders guess durations from the frame rate; the last one decides how long the film is.
        duration = self._durations.pop(packet.pts, None) if packet.pts is not None else None
        if duration:
            packet.duration = duration
        if packet.pts is not None and packet.dts is not None:
            # x265 makes decoding times up from uninitialised memory for films shorter than its delay.
            farthest = round(_LONGEST_DELAY / self.time_base)
            if not packet.pts - farthest <= packet.dts <= packet.pts:
                packet.dts = packet.pts
        return packet


def require_later(target: Path, pts: int, last: int | None, time_base: Fraction) -> int:
    """The time stamp of a frame; raises UsageError if the container cannot tell it from the one before."""
    if last is not None and pts <= last:
        raise UsageError(
            f"{target}: {target.suffix} cannot hold the timing of this film "
            f"(two frames at {float(pts * time_base):.3f} s are too close); write .mp4 or .mkv"
        )
    return pts
