"""Writing a film: the source's timing, tracks and tags with new pixels, in one piece or not at all."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from av.packet import Packet

from omote.errors import InputError, OmoteError, UsageError
from omote.media import probing
from omote.media.animation_header import read_header
from omote.media.animation_write import AnimationSink
from omote.media.atomic import AtomicFile, Publish
from omote.media.containers import CONTAINERS, choose, require_film_suffix
from omote.media.cutting import CutFilm
from omote.media.film_write import AV_ERRORS, FilmSink
from omote.media.integrity import require_whole
from omote.media.reader import VideoReader
from omote.media.sniff import reason, sniff
from omote.media.stamping import Stamp
from omote.media.types import Frame, MediaInfo


class _Sink(Protocol):
    warnings: list[str]

    def write(self, frame: Frame) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None: ...


class VideoWriter:
    """Writes Frames to `path` with everything else taken from the source film.

    `source` is the VideoReader that the frames come from (its `start` and `end` then cut the sound, too), a
    CutFilm whose pieces are joined (likewise) or a MediaInfo. Timing, size, pixel aspect, bit depth, chroma,
    colour tags, HDR data, sound, subtitles, chapters, attachments and metadata are those of the source where
    the container holds them.

    `codec` is a name from ENCODERS; the default is the source's own family, else what the container usually
    holds, at visually lossless quality. `quality` is 0..100, `preset` one of PRESETS. The suffix of `path`
    says which container: .mp4 .m4v .mov .mkv .webm .avi .ts .m2ts, or the animated pictures .gif .webp .apng.
    A `stamp` marks every frame that is written; see `omote.media.stamping`. `publish` gives the finished file
    its name, where more than a rename is asked for.

    The file appears at `path` when the context is left without an exception, verified and by atomic rename;
    otherwise nothing appears. The target folder, encoder and container are tried on construction: UsageError
    for an unknown suffix, codec, quality or preset, or an output that is the input; InputError if the folder
    cannot be written. `warnings` says what could not be kept, one line each.
    """

    def __init__(
        self,
        path: str | Path,
        source: VideoReader | CutFilm | MediaInfo,
        *,
        codec: str | None = None,
        quality: float | None = None,
        preset: str | None = None,
        stamp: Stamp | None = None,
        publish: Publish | None = None,
    ) -> None:
        self.path = Path(path)
        self.frames = 0
        span = None if isinstance(source, MediaInfo) else source
        info = source if isinstance(source, MediaInfo) else source.info
        suffix = require_film_suffix(self.path)
        if self.path.exists() and info.path.exists() and self.path.samefile(info.path):
            raise UsageError(f"{path}: the output is the input; name another file")
        container = CONTAINERS.get(suffix)
        entry = None if container is None else choose(self.path, container, info, codec)
        self._file, self._publish = AtomicFile(self.path), publish
        self._sink: _Sink
        try:
            if container is None or entry is None:
                self._sink = AnimationSink(
                    self._file.path, suffix, info, codec=codec, quality=quality, stamp=stamp
                )
            else:
                self._sink = FilmSink(
                    self._file.path, self.path, container, info, span, entry, quality, preset, stamp
                )
        except BaseException:
            self._file.discard()
            raise
        self._open = True

    @property
    def warnings(self) -> list[str]:
        """One line for each thing of the source that the output does not keep."""
        return self._sink.warnings

    def write(self, frame: Frame) -> None:
        """Encode one frame; they must come in the order of their time stamps and have the film's size."""
        try:
            self._sink.write(frame)
        except AV_ERRORS as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from None
        self.frames += 1

    def copy(self, packet: Packet[Any]) -> None:
        """Take over one encoded frame of a piece, instead of encoding it; not for animated pictures."""
        assert isinstance(self._sink, FilmSink)
        try:
            self._sink.copy(packet)
        except AV_ERRORS as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from None
        self.frames += 1

    @property
    def extradata(self) -> bytes:
        """What the encoder says to decoders at the head of the film; empty where it says it on the way."""
        return self._sink.extradata if isinstance(self._sink, FilmSink) else b""

    def close(self) -> None:
        """Finish, verify and rename; called by a clean exit of the context. Safe to call twice."""
        if not self._open:
            return
        self._open = False
        try:
            if self.frames == 0:
                raise InputError(f"{self.path}: not one frame was written")
            self._sink.finish()
            self._verify()
        except AV_ERRORS as error:
            self.abort()
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from None
        except BaseException:
            self.abort()
            raise
        if self._publish is None:
            self._file.commit()
            return
        try:
            self._publish(self._file.path)
        finally:
            self._file.discard()

    def abort(self) -> None:
        """Throw the unfinished file away; what was at `path` before stays."""
        self._open = False
        try:
            self._sink.abort()
        finally:
            self._file.discard()

    def _verify(self) -> None:
        """Raise InputError unless the finished file can be opened and holds the frames that were written."""
        path = self._file.path
        try:
            if isinstance(self._sink, AnimationSink):
                found = len(read_header(path, sniff(path)).delays)
            else:
                require_whole(path)
                with probing.open_container(path) as container:
                    stream = probing.video_stream(path, container)
                    found = stream.frames or sum(1 for p in container.demux(stream) if p.size)
        except OmoteError as error:
            raise InputError(
                f"{self.path}: the finished file cannot be read back; is the disk full? ({error})"
            ) from None
        if found < self.frames:
            raise InputError(f"{self.path}: {found} of {self.frames} frames reached the disk; is it full?")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif self._open:
            self.abort()
