"""Encoding a film's pictures into a container, with the source's other tracks beside them."""

from __future__ import annotations

import contextlib
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from omote.errors import OmoteError, UsageError
from omote.media import encoders, hdr, matroska
from omote.media.coded import repaint, repaintable
from omote.media.colour import FromRGB, has_alpha, tags_for
from omote.media.containers import Container
from omote.media.reader import VideoReader
from omote.media.sniff import reason
from omote.media.tracks import TrackCopier, kept_metadata
from omote.media.types import Frame, MediaInfo

_LONGEST_DELAY = 60  # seconds that an encoder may decode a picture before it is shown, and more than any does

AV_ERRORS = (av.error.FFmpegError, OSError, ValueError)


class FilmSink:
    """An open container with one encoded picture track; takes Frames, gives a finished file.

    `temporary` is written to, `target` only named in messages. Raises UsageError if the encoder or the
    container refuse the film; `warnings` tells what of the source they cannot hold.
    """

    def __init__(
        self,
        temporary: Path,
        target: Path,
        container: Container,
        info: MediaInfo,
        reader: VideoReader | None,
        entry: encoders.Encoder,
        quality: float | None,
        preset: str | None,
    ) -> None:
        self._temporary, self._target = temporary, target
        self._info, self._reader = info, reader
        self._muxer = container.muxer
        self._tracks: TrackCopier | None = None
        options = entry.options(quality, preset)
        beside = entry.family == "vp9" and self._muxer == "mp4"  # VP9 keeps alpha beside the pictures
        pixel_format = encoders.pixel_format(entry, info, alpha=not beside)
        self.warnings = [f"{target.name}: with {entry.name}, {loss}" for loss in pixel_format.lost]
        self._tags = tags_for(pixel_format.name, info.colour, info.height, jpeg=entry.family == "mjpeg")
        self._format = pixel_format.name
        self._convert = FromRGB(self._format, self._tags)
        self._durations: dict[int, int] = {}
        self._last: int | None = None
        self._rate = info.frame_rate or Fraction(25)
        self._time_base = info.time_base or 1 / self._rate
        if self._muxer == "avi":  # it counts frames, not seconds
            self._time_base = 1 / self._rate
        if info.extra.get("interlaced"):
            self.warnings.append(f"{info.path.name}: is interlaced; the output is not marked so")
        if info.extra.get("dynamic hdr"):
            self.warnings.append(f"{info.path.name}: its HDR data for each scene is lost")
        if isinstance(light := info.extra.get("hdr"), hdr.Hdr):
            self._add_hdr(options, entry, light)
        self._aspect_room = (
            self._muxer in ("matroska", "webm")
            and info.sample_aspect_ratio != 1
            and entry.family in ("vp9", "av1")
        )
        try:
            self._container = av.open(f"file:{temporary}", "w", format=self._muxer, options=self._muxing())
            self._stream = self._add_pictures(entry, pixel_format.name, options, quality)
            self._add_the_rest(container)
            self._container.start_encoding()
        except OmoteError:
            self.abort()
            raise
        except AV_ERRORS as error:
            self.abort()
            raise UsageError(
                f"{target}: {entry.name} cannot encode this film into {target.suffix} ({reason(error)})"
            ) from None

    def _add_hdr(self, options: dict[str, str], entry: encoders.Encoder, light: hdr.Hdr) -> None:
        extra = hdr.encoder_options(entry.codec, light)
        if extra is None:
            self.warnings.append(f"{self._target.name}: with {entry.name}, the HDR mastering data is lost")
            return
        name, value = extra
        options[name] = f"{options[name]}:{value}" if name in options else value

    def _muxing(self) -> dict[str, str]:
        if self._muxer in (
            "avi",
            "matroska",
            "webm",
        ):  # sound that starts a hair early must not push the pictures
            return {"avoid_negative_ts": "disabled"}
        if self._muxer not in ("mp4", "mov"):
            return {}
        flags = "+faststart"
        if any(key.startswith("com.") for key in self._info.metadata):
            flags += "+use_metadata_tags"  # a phone's own entries, which the plain form has no names for
        # Delays between tracks are kept in the film's own unit: it must divide those of pictures and sound.
        unit = self._time_base.denominator
        common = math.lcm(unit, *(track.sample_rate or 1 for track in self._info.audio))
        return {
            "movflags": flags,
            "video_track_timescale": str(unit),
            "movie_timescale": str(common if common < 1 << 24 else unit),
        }

    def _add_pictures(
        self, entry: encoders.Encoder, pixel_format: str, options: dict[str, str], quality: float | None
    ) -> VideoStream:
        info = self._info
        stream: Any = self._container.add_stream(entry.codec, rate=self._rate)
        context = stream.codec_context
        context.width, context.height = info.width, info.height
        context.pix_fmt = pixel_format
        context.time_base = self._time_base
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.color_range, context.colorspace = self._tags.range, self._tags.matrix
        context.color_primaries, context.color_trc = self._tags.primaries, self._tags.transfer
        encoders.configure(context, entry, options, quality)
        if entry.family == "hevc" and self._muxer in ("mp4", "mov"):
            context.codec_tag = "hvc1"
        stream.time_base = self._time_base
        if has_alpha(pixel_format) and self._muxer in ("matroska", "webm"):
            stream.metadata["alpha_mode"] = "1"
        assert isinstance(stream, VideoStream)
        return stream

    def _add_the_rest(self, container: Container) -> None:
        """Other tracks, chapters and metadata of the source."""
        info, metadata = self._info, self._stream.metadata
        if info.is_film and not info.extra.get("animation") and info.path.is_file():
            self._tracks = TrackCopier(info, self._container, container)
            self.warnings += self._tracks.warnings
            metadata.update(self._tracks.picture_metadata)
            self._stream.disposition = self._tracks.picture_disposition
            start = self._reader.begin if self._reader is not None else None
            until = self._reader.until if self._reader is not None else None
            chapters = self._tracks.chapters(start or Fraction(0), until)
            if chapters:
                self._container.set_chapters(chapters)
        if self._aspect_room:
            metadata["title"] = metadata.get("title", "") + matroska.PADDING
        self._container.metadata.update(kept_metadata(info.metadata))

    def write(self, frame: Frame) -> None:
        """Encode one frame and mux what comes out, with the sound that is due."""
        info, (height, width) = self._info, frame.pixels.shape[:2]
        if (width, height) != (info.width, info.height):
            raise UsageError(
                f"{self._target}: frame {frame.index} has {width} x {height} pixels, "
                f"the film {info.width} x {info.height}"
            )
        picture = self._picture(frame)
        pts = round(frame.pts * frame.time_base / self._time_base)
        if self._last is not None and pts <= self._last:
            raise UsageError(
                f"{self._target}: {self._target.suffix} cannot hold the timing of this film "
                f"(two frames at {frame.time:.3f} s are too close); write .mp4 or .mkv"
            )
        self._last = pts
        picture.pts = pts
        picture.time_base = self._time_base
        if frame.duration:
            self._durations[pts] = round(frame.duration * frame.time_base / self._time_base)
        for packet in self._stream.encode(picture):
            self._mux(packet)

    def _picture(self, frame: Frame) -> VideoFrame:
        """The frame as the encoder takes it; what did not change comes from the decoder if it can."""
        coded, changed = frame.coded, frame.changed
        same = self._tags == self._info.colour and frame.alpha is None
        if coded is not None and changed is not None and same and repaintable(coded, self._format):
            return repaint(coded, frame.pixels, changed, self._convert)
        return self._convert(frame.pixels, frame.alpha)

    def _mux(self, packet: Packet[Any]) -> None:
        # Encoders guess durations from the frame rate; the last one decides how long the film is.
        duration = self._durations.pop(packet.pts, None) if packet.pts is not None else None
        if duration:
            packet.duration = duration
        if packet.pts is not None and packet.dts is not None:
            # x265 makes decoding times up from uninitialised memory for films shorter than its delay.
            farthest = round(_LONGEST_DELAY / self._time_base)
            if not packet.pts - farthest <= packet.dts <= packet.pts:
                packet.dts = packet.pts
        if self._tracks is not None and packet.dts is not None:
            self._tracks.pump(packet.dts * packet.time_base, **self._span())
        self._container.mux_one(packet)

    def _span(self) -> dict[str, Any]:
        if self._reader is None:
            return {}
        shift = self._reader.shift * (self._info.time_base or Fraction(0))
        return {"shift": shift, "end": self._reader.until}

    def finish(self) -> None:
        """Flush the encoder and the other tracks and write the trailer."""
        for packet in self._stream.encode(None):
            self._mux(packet)
        if self._tracks is not None:
            self._tracks.pump(None, **self._span())
            self._tracks.flush()
            self._tracks.close()
        self._container.close()
        if self._aspect_room:
            info = self._info
            matroska.write_display_size(
                self._temporary, round(info.width * info.sample_aspect_ratio), info.height
            )

    def abort(self) -> None:
        """Let go of everything without caring how the file looks."""
        if self._tracks is not None:
            with contextlib.suppress(*AV_ERRORS):
                self._tracks.close()
        if hasattr(self, "_container"):
            with contextlib.suppress(*AV_ERRORS):
                self._container.close()
