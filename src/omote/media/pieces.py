"""Finished pieces of a film: what an encoder made of one segment, to be joined without encoding again.

A piece holds the packets as they left the encoder, and no container: the film's container is then written
once, at the end, by the same code that writes a film in a single pass.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
from av.packet import Packet

from omote.errors import InputError
from omote.media.atomic import Publish
from omote.media.colour import has_alpha
from omote.media.containers import CONTAINERS, choose
from omote.media.cutting import CutFilm
from omote.media.film_encode import FrameEncoder, require_later
from omote.media.film_write import AV_ERRORS
from omote.media.sealed import SealedFile, SealedWriter
from omote.media.sniff import reason
from omote.media.stamping import Stamp
from omote.media.types import Frame, MediaInfo
from omote.media.writer import VideoWriter

_HEADER = struct.Struct("<qQ?")  # presentation time, duration, key frame


@dataclass(frozen=True)
class Encoding:
    """How pieces of a film are encoded: for which output, by which encoder, how well and fast, how marked."""

    output: Path
    codec: str | None = None
    quality: float | None = None
    preset: str | None = None
    stamp: Stamp | None = None

    def joinable(self, info: MediaInfo) -> bool:
        """Whether pieces can be joined by packet copy: not animations, nor VP9 with transparency."""
        container = CONTAINERS.get(self.output.suffix.lower())
        if container is None or info.extra.get("animation"):
            return False
        entry = choose(self.output, container, info, self.codec)
        encoder = FrameEncoder(self.output, container.muxer, info, entry, self.quality, self.preset)
        # Its alpha lies beside the packets, where PyAV can read but not write it.
        return not (entry.family == "vp9" and has_alpha(encoder.pixel_format))

    def writer(self, film: CutFilm | MediaInfo, publish: Publish | None = None) -> VideoWriter:
        """What writes the output, and gives it its name by `publish`."""
        return VideoWriter(
            self.output,
            film,
            codec=self.codec,
            quality=self.quality,
            preset=self.preset,
            stamp=self.stamp,
            publish=publish,
        )


class PieceWriter:
    """Encodes the frames of one segment into a piece; it appears at `path` whole or not at all.

    Raises InputError if the folder cannot be written or the disk is full.
    """

    def __init__(self, path: Path, film: CutFilm, encoding: Encoding) -> None:
        self._path, self._film = path, film
        container = CONTAINERS[encoding.output.suffix.lower()]
        entry = choose(encoding.output, container, film.info, encoding.codec)
        self._encoder = FrameEncoder(
            encoding.output,
            container.muxer,
            film.info,
            entry,
            encoding.quality,
            encoding.preset,
            encoding.stamp,
        )
        # Opened for the flags that this container asks of an encoder; nothing is ever written to it.
        self._container = av.open(io.BytesIO(), "w", format=container.muxer)
        self._stream = self._encoder.add_to(self._container)
        self._stamps: list[int] = []
        self._file = SealedWriter(path)

    def write(self, frame: Frame) -> None:
        """Encode one frame; its time stamp is that in the whole film."""
        try:
            packets = self._encoder.encode(replace(frame, pts=frame.pts - self._film.shift))
        except AV_ERRORS as error:
            raise InputError(f"{self._path}: cannot be encoded ({reason(error)})") from None
        self._add(packets)

    def flush(self) -> None:
        """Take what the encoder still holds."""
        try:
            packets = self._encoder.flush() if self._stream.codec_context.is_open else []
        except AV_ERRORS as error:
            raise InputError(f"{self._path}: cannot be encoded ({reason(error)})") from None
        self._add(packets)

    def seal(self, facts: dict[str, Any]) -> None:
        """Give the flushed piece its name; `facts` are kept with it."""
        extradata = bytes(self._stream.codec_context.extradata or b"")
        ranks = {stamp: rank for rank, stamp in enumerate(sorted(self._stamps))}
        self._file.seal(
            {
                "facts": facts,
                "stamps": sorted(self._stamps),
                "delay": max((place - ranks[stamp] for place, stamp in enumerate(self._stamps)), default=0),
                "time_base": self._encoder.time_base.as_integer_ratio(),
                "extradata": hashlib.sha256(extradata).hexdigest(),
            }
        )

    def _add(self, packets: Sequence[Packet[Any]]) -> None:
        for packet in packets:
            assert packet.pts is not None
            self._stamps.append(packet.pts)
            self._file.add(_HEADER.pack(packet.pts, packet.duration or 0, packet.is_keyframe) + bytes(packet))

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)
        self._container.close()


def join(
    pieces: Sequence[Path], film: CutFilm, encoding: Encoding, publish: Publish | None = None
) -> list[str]:
    """Make the film of its pieces, in the order of the segments; returns what of the source is not kept.

    The packets go over as they are. Times of decoding are counted anew over the whole film, since each
    encoder began its own count. The output appears complete or not at all.

    Raises:
        InputError: a piece is missing or damaged, or of another encoder; the output cannot be written.
        UsageError: the container cannot hold the film's timing.
    """
    files = [_whole(path) for path in pieces]
    delay = max((file.head["delay"] for file in files), default=0)
    with encoding.writer(film, publish) as writer:
        extradata = hashlib.sha256(writer.extradata).hexdigest()
        decoding = _decoding_times(files, delay)
        last = None
        for file in files:
            if file.head["stamps"] and file.head["extradata"] != extradata:
                raise InputError(
                    f"{file.path}: was made by another version of the encoder; remove it and begin anew"
                )
            for stamp in file.head["stamps"]:
                last = require_later(encoding.output, stamp, last, Fraction(*file.head["time_base"]))
            for record in file.records():
                pts, duration, key = _HEADER.unpack_from(record)
                packet: Packet[Any] = Packet(record[_HEADER.size :])
                packet.pts, packet.dts, packet.is_keyframe = pts, next(decoding), key
                if duration:
                    packet.duration = duration
                writer.copy(packet)
    return writer.warnings


def _whole(path: Path) -> SealedFile:
    try:
        file = SealedFile(path)
        file.require_whole()
    except InputError as error:
        raise InputError(f"{error}; --resume makes it again") from None
    if "delay" not in file.head:
        raise InputError(f"{path}: is no piece of a film; remove it, and --resume makes it")
    return file


def _decoding_times(files: Sequence[SealedFile], delay: int) -> Iterator[int]:
    """When each packet of the film is decoded: when the frame that comes `delay` places earlier is shown.

    The first ones lie as far before the first frame as x264 puts them.
    """
    stamps = (stamp for file in files for stamp in file.head["stamps"])
    head = [stamp for _, stamp in zip(range(delay + 1), stamps, strict=False)]
    if not head:
        return
    lead = head[-1] - head[0] + (delay + 1 - len(head))
    waiting = deque(head)
    yield from (stamp - lead for stamp in head[:delay])
    while waiting:
        yield waiting.popleft()
        waiting.extend(stamp for _, stamp in zip(range(1), stamps, strict=False))
