"""Encoding a film's pictures into a container, with the source's other tracks beside them."""

from __future__ import annotations

import contextlib
import math
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
from av.packet import Packet

from omote.errors import OmoteError, UsageError
from omote.media import encoders, matroska
from omote.media.containers import Container
from omote.media.film_encode import FrameEncoder
from omote.media.sniff import reason
from omote.media.stamping import Stamp
from omote.media.tracks import TrackCopier, kept_metadata
from omote.media.types import Frame, MediaInfo

AV_ERRORS = (av.error.FFmpegError, OSError, ValueError)


class Span(Protocol):
    """The part of a film that is written: in seconds on its own clock, and what is taken off time stamps."""

    @property
    def begin(self) -> Fraction | None:
        """Where it begins; None for the whole film."""

    @property
    def until(self) -> Fraction | None:
        """Where it ends; None if it is open."""

    @property
    def shift(self) -> int:
        """In the time base of the film's pictures."""


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
        span: Span | None,
        entry: encoders.Encoder,
        quality: float | None,
        preset: str | None,
        stamp: Stamp | None = None,
    ) -> None:
        self._temporary, self._target = temporary, target
        self._info, self._span = info, span
        self._muxer = container.muxer
        self._tracks: TrackCopier | None = None
        self._encoder = FrameEncoder(target, self._muxer, info, entry, quality, preset, stamp)
        self.warnings = list(self._encoder.warnings)
        self._copied = False
        self._aspect_room = (
            self._muxer in ("matroska", "webm")
            and info.sample_aspect_ratio != 1
            and entry.family in ("vp9", "av1")
        )
        try:
            self._container = av.open(f"file:{temporary}", "w", format=self._muxer, options=self._muxing())
            self._stream = self._encoder.add_to(self._container)
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
        unit = self._encoder.time_base.denominator
        common = math.lcm(unit, *(track.sample_rate or 1 for track in self._info.audio))
        return {
            "movflags": flags,
            "video_track_timescale": str(unit),
            "movie_timescale": str(common if common < 1 << 24 else unit),
        }

    def _add_the_rest(self, container: Container) -> None:
        """Other tracks, chapters and metadata of the source."""
        info, metadata = self._info, self._stream.metadata
        if info.is_film and not info.extra.get("animation") and info.path.is_file():
            self._tracks = TrackCopier(info, self._container, container)
            self.warnings += self._tracks.warnings
            metadata.update(self._tracks.picture_metadata)
            self._stream.disposition = self._tracks.picture_disposition
            start = self._span.begin if self._span is not None else None
            until = self._span.until if self._span is not None else None
            chapters = self._tracks.chapters(start or Fraction(0), until)
            if chapters:
                self._container.set_chapters(chapters)
        if self._aspect_room:
            metadata["title"] = metadata.get("title", "") + matroska.PADDING
        self._container.metadata.update(kept_metadata(info.metadata))

    def write(self, frame: Frame) -> None:
        """Encode one frame and mux what comes out, with the sound that is due."""
        for packet in self._encoder.encode(frame):
            self._mux(packet)

    @property
    def extradata(self) -> bytes:
        """What the encoder says to decoders at the head of the film."""
        return bytes(self._stream.codec_context.extradata or b"")

    def copy(self, packet: Packet[Any]) -> None:
        """Mux a packet of another encoder of the same film and settings, with the times that it gave."""
        self._copied = True
        packet.stream = self._stream
        packet.time_base = self._encoder.time_base
        self._mux(packet)

    def _mux(self, packet: Packet[Any]) -> None:
        if self._tracks is not None and packet.dts is not None:
            self._tracks.pump(packet.dts * packet.time_base, **self._shifted())
        self._container.mux_one(packet)

    def _shifted(self) -> dict[str, Any]:
        if self._span is None:
            return {}
        shift = self._span.shift * (self._info.time_base or Fraction(0))
        return {"shift": shift, "end": self._span.until}

    def finish(self) -> None:
        """Flush the encoder and the other tracks and write the trailer."""
        if not self._copied:
            for packet in self._encoder.flush():
                self._mux(packet)
        if self._tracks is not None:
            self._tracks.pump(None, **self._shifted())
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
