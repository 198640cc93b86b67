"""Writing a film: the source's timing, tracks and tags with new pixels, in one piece or not at all."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
from av.video.stream import VideoStream

from omote.errors import InputError, OmoteError, UsageError
from omote.media import encoders, probing
from omote.media.atomic import AtomicFile
from omote.media.colour import FromRGB
from omote.media.integrity import require_whole
from omote.media.reader import VideoReader
from omote.media.sniff import reason
from omote.media.tracks import TrackCopier, kept_metadata
from omote.media.types import Frame, MediaInfo

# Suffix to muxer, and the encoders to fall back on (the second where the first has too few bits).
_CONTAINERS: dict[str, tuple[str, tuple[str, ...]]] = {
    ".mp4": ("mp4", ("x264",)),
    ".m4v": ("mp4", ("x264",)),
    ".mov": ("mov", ("x264",)),
    ".mkv": ("matroska", ("x264",)),
    ".webm": ("webm", ("vp9", "av1")),
    ".avi": ("avi", ("mpeg4", "ffv1")),
    ".ts": ("mpegts", ("x264",)),
    ".m2ts": ("mpegts", ("x264",)),
}
_ANIMATIONS = {".gif", ".webp", ".apng", ".png"}
FILM_SUFFIXES = (*_CONTAINERS, ".gif", ".webp", ".apng")

_AV_ERRORS = (av.error.FFmpegError, OSError, ValueError)


class _Sink(Protocol):
    warnings: list[str]

    def write(self, frame: Frame) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None: ...


class VideoWriter:
    """Writes Frames to `path` with everything else taken from the source film.

    `source` is the VideoReader that the frames come from (its `start` and `end` then cut the sound, too) or a
    MediaInfo. `codec` is a name from ENCODERS; the default is the source's own family, or what the container
    usually holds, at visually lossless quality. `quality` is 0..100, `preset` one of PRESETS.

    The file appears at `path` when the context is left without an exception, verified and by atomic rename;
    otherwise nothing appears. The target folder, the encoder and the container are tried on construction.
    `warnings` says what could not be kept, one line each.
    """

    def __init__(
        self,
        path: str | Path,
        source: VideoReader | MediaInfo,
        *,
        codec: str | None = None,
        quality: float | None = None,
        preset: str | None = None,
    ) -> None:
        self.path = Path(path)
        info = source.info if isinstance(source, VideoReader) else source
        suffix = self.path.suffix.lower()
        if suffix not in _CONTAINERS and suffix not in _ANIMATIONS:
            raise UsageError(f"{path}: unknown kind of film '{suffix}'; name it {', '.join(FILM_SUFFIXES)}")
        if self.path.exists() and info.path.exists() and self.path.samefile(info.path):
            raise UsageError(f"{path}: the output is the input; name another file")
        self._file = AtomicFile(self.path)
        self._sink: _Sink
        try:
            if suffix in _ANIMATIONS:
                from omote.media.animation_write import AnimationSink

                self._sink = AnimationSink(self._file.path, suffix, info, codec=codec, quality=quality)
            else:
                reader = source if isinstance(source, VideoReader) else None
                muxer, fallbacks = _CONTAINERS[suffix]
                entry = _choose(self.path, muxer, fallbacks, info, codec)
                self._sink = _FilmSink(
                    self._file.path, self.path, muxer, info, reader, entry, entry.options(quality, preset)
                )
        except BaseException:
            self._file.discard()
            raise
        self.frames = 0
        self._open = True

    @property
    def warnings(self) -> list[str]:
        """One line for each thing of the source that the output does not keep."""
        return self._sink.warnings

    def write(self, frame: Frame) -> None:
        """Encode one frame; they must come in the order of their time stamps."""
        try:
            self._sink.write(frame)
        except OmoteError:
            raise
        except _AV_ERRORS as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from None
        self.frames += 1

    def close(self) -> None:
        """Finish, verify and rename; called by a clean exit of the context."""
        if not self._open:
            return
        self._open = False
        try:
            if self.frames == 0:
                raise InputError(f"{self.path}: no frames were written")
            self._sink.finish()
            self._verify()
        except OmoteError:
            self.abort()
            raise
        except _AV_ERRORS as error:
            self.abort()
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from None
        except BaseException:
            self.abort()
            raise
        self._file.commit()

    def abort(self) -> None:
        """Throw the unfinished file away."""
        self._open = False
        self._sink.abort()
        self._file.discard()

    def _verify(self) -> None:
        """Raise InputError unless the finished file holds the frames that were written."""
        if self.path.suffix.lower() in _ANIMATIONS:
            return
        require_whole(self._file.path)
        with probing.open_container(self._file.path) as container:
            stream = probing.video_stream(self._file.path, container)
            found = stream.frames
            if not found:
                found = sum(1 for p in container.demux(stream) if p.size)
        if found < self.frames:
            raise InputError(
                f"{self.path}: only {found} of {self.frames} frames reached the disk; is it full?"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif self._open:
            self.abort()


def _choose(
    path: Path, muxer: str, fallbacks: tuple[str, ...], info: MediaInfo, codec: str | None
) -> encoders.Encoder:
    """The encoder asked for, or else the first that the container takes and that keeps the source's depth."""
    if codec is not None:
        entry = encoders.encoder(codec)
        if not encoders.opens(entry):
            raise UsageError(
                f"the encoder '{entry.name}' does not work on this machine; `omote doctor` lists those that do"
            )
        if not _holds(muxer, entry):
            raise UsageError(
                f"{path}: a {muxer} file cannot hold {entry.title}; write .mkv or .mov, or choose another --codec"
            )
        return entry
    family = [e for e in encoders.ENCODERS.values() if e.family == info.codec and not e.hardware]
    candidates = [e for e in (*family, *(encoders.ENCODERS[n] for n in fallbacks)) if _holds(muxer, e)]
    for entry in candidates:
        if not any("bits" in loss for loss in encoders.pixel_format(entry, info).lost):
            return entry
    return candidates[0]


def _holds(muxer: str, entry: encoders.Encoder) -> bool:
    if muxer == "mp4" and entry.family in ("mjpeg", "mpeg4"):
        return False  # allowed by the format, played by nobody
    return entry.codec in _codecs_of(muxer, entry)


def _codecs_of(muxer: str, entry: encoders.Encoder) -> set[str]:
    import io

    with av.open(io.BytesIO(), "w", format=muxer) as trial:
        try:
            trial.add_stream(entry.codec)  # type: ignore[call-overload]
        except ValueError:
            return set()
    return {entry.codec}


class _FilmSink:
    """An open container with one encoded picture track and the source's other tracks beside it."""

    def __init__(
        self,
        temporary: Path,
        target: Path,
        muxer: str,
        info: MediaInfo,
        reader: VideoReader | None,
        entry: encoders.Encoder,
        options: dict[str, str],
    ) -> None:
        self._target = target
        self._info = info
        self._reader = reader
        self._tracks: TrackCopier | None = None
        pixel_format = encoders.pixel_format(entry, info)
        self.warnings = [
            f"{target.name}: {entry.name} cannot hold all of the source: {lost}" for lost in pixel_format.lost
        ]
        self._convert = FromRGB(pixel_format.name, info.colour)
        self._durations: dict[int, int] = {}
        self._last: int | None = None
        rate = info.frame_rate or Fraction(25)
        self._time_base = info.time_base or 1 / rate
        if muxer == "avi":
            self._time_base = 1 / rate
        try:
            self._container = av.open(
                f"file:{temporary}", "w", format=muxer, container_options=self._muxer_options(muxer)
            )
            self._stream = self._add_pictures(entry, pixel_format.name, rate, muxer, options)
            if not info.extra.get("animation") and info.is_film and info.path.exists():
                self._tracks = TrackCopier(info, self._container, muxer)
                self.warnings += self._tracks.warnings
                self._stream.metadata.update(self._tracks.picture_metadata)
                self._stream.disposition = self._tracks.picture_disposition
                if (
                    self._tracks.chapters
                    and reader is not None
                    and reader.start is None
                    and reader.end is None
                ):
                    self._container.set_chapters(self._tracks.chapters)
            self._container.metadata.update(kept_metadata(info.metadata))
            self._container.start_encoding()
        except OmoteError:
            self.abort()
            raise
        except _AV_ERRORS as error:
            self.abort()
            raise UsageError(
                f"{target}: {entry.name} cannot encode this film into a {muxer} file ({reason(error)})"
            ) from None

    def _muxer_options(self, muxer: str) -> dict[str, str]:
        if muxer not in ("mp4", "mov"):
            return {}
        return {"movflags": "+faststart", "video_track_timescale": str(self._time_base.denominator)}

    def _add_pictures(
        self, entry: encoders.Encoder, pixel_format: str, rate: Fraction, muxer: str, options: dict[str, str]
    ) -> VideoStream:
        info = self._info
        stream: Any = self._container.add_stream(entry.codec, rate=rate, options=options)  # type: ignore[call-overload]
        context = stream.codec_context
        context.width, context.height = info.width, info.height
        context.pix_fmt = pixel_format
        context.time_base = self._time_base
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.color_range = info.colour.range
        context.colorspace = info.colour.matrix
        context.color_primaries = info.colour.primaries
        context.color_trc = info.colour.transfer
        if entry.qscale:
            context.qscale = True
            context.global_quality = int(entry.level(None) * 118)
        if entry.family == "hevc" and muxer in ("mp4", "mov"):
            context.codec_tag = "hvc1"
        stream.time_base = self._time_base
        assert isinstance(stream, VideoStream)
        return stream

    def write(self, frame: Frame) -> None:
        """Encode one frame and mux what comes out, with the sound that is due."""
        height, width = frame.pixels.shape[:2]
        if (width, height) != (self._info.width, self._info.height):
            raise UsageError(
                f"{self._target}: frame {frame.index} is {width} x {height}, the film {self._info.width} x {self._info.height}"
            )
        picture = self._convert(frame.pixels, frame.alpha)
        pts = round(frame.pts * frame.time_base / self._time_base)
        if self._last is not None and pts <= self._last:
            raise UsageError(
                f"{self._target}: its container cannot hold the film's timing (two frames at {frame.time:.3f} s); "
                "write .mp4 or .mkv"
            )
        self._last = pts
        picture.pts = pts
        picture.time_base = self._time_base
        if frame.duration:
            self._durations[pts] = round(frame.duration * frame.time_base / self._time_base)
        for packet in self._stream.encode(picture):
            self._mux(packet)

    def _mux(self, packet: Any) -> None:
        duration = self._durations.pop(packet.pts, None)
        if duration:
            packet.duration = duration
        if self._tracks is not None:
            self._tracks.pump(packet.dts * packet.time_base, shift=self._shift(), end=self._end())
        self._container.mux_one(packet)

    def _shift(self) -> Fraction:
        if self._reader is None or not self._reader.shift:
            return Fraction(0)
        return self._reader.shift * (self._info.time_base or Fraction(0))

    def _end(self) -> Fraction | None:
        if self._reader is None or self._reader.end is None:
            return None
        return Fraction(str(self._reader.end))

    def finish(self) -> None:
        """Flush the encoder and the other tracks and write the trailer."""
        for packet in self._stream.encode(None):
            self._mux(packet)
        if self._tracks is not None:
            self._tracks.pump(None, shift=self._shift(), end=self._end())
            self._tracks.close()
        self._container.close()

    def abort(self) -> None:
        """Let go of everything without caring how the file looks."""
        if self._tracks is not None:
            with contextlib.suppress(*_AV_ERRORS):
                self._tracks.close()
        if hasattr(self, "_container"):
            with contextlib.suppress(*_AV_ERRORS):
                self._container.close()
