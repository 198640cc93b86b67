"""Sound, subtitles and whatever else runs beside the pictures: copied packet by packet, never re-encoded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.container.output import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from omote.errors import UsageError
from omote.media import probing
from omote.media.types import MediaInfo

# Written anew by every muxer, or true only for the old file.
_STALE = {"encoder", "vendor_id", "duration", "major_brand", "minor_version", "compatible_brands"}
_STALE_STARTS = ("bps", "number_of_", "_statistics_")


def kept_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata without the entries that describe the old file's coding."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE and not key.lower().startswith(_STALE_STARTS)
    }


def takes(muxer: str, template: Stream) -> bool:
    """True if a container format can hold a track: its muxer is asked to write a header with it."""
    trial: Any = None
    try:
        trial = av.open(io.BytesIO(), "w", format=muxer)
        trial.add_stream_from_template(template, opaque=True)
        trial.start_encoding()
    except (av.error.FFmpegError, ValueError, OSError):
        return False
    return True


class TrackCopier:
    """Adds the source's other tracks to an output and feeds their packets in step with the pictures.

    The source is read a second time, beside the decoder, so that only one packet waits at any moment.
    """

    def __init__(self, info: MediaInfo, output: OutputContainer, muxer: str) -> None:
        self.warnings: list[str] = []
        self._container = probing.open_container(info.path)
        self._output = output
        pictures = probing.video_stream(info.path, self._container)
        self._targets: dict[int, Stream] = {}
        for stream in self._container.streams:
            if stream.index == pictures.index:
                stream.discard = av.stream.Discard.all
                continue
            self._add(info, stream, muxer)
        self._packets: Iterator[Packet[Stream]] = iter(())
        if self._targets:
            chosen = [s for s in self._container.streams if s.index in self._targets]
            self._packets = iter(self._container.demux(*chosen))
        self._waiting: Packet[Stream] | None = None
        self.picture_metadata = kept_metadata(pictures.metadata)
        self.picture_disposition = pictures.disposition
        self.chapters = self._container.chapters()

    def _add(self, info: MediaInfo, stream: Stream, muxer: str) -> None:
        if stream.type == "attachment":
            self._attach(info, stream, muxer)
            return
        name = stream.codec_context.codec.canonical_name if stream.codec_context is not None else stream.type
        label = f"{stream.type} track {stream.index} ({name})"
        extra_pictures = stream.type == "video" and not stream.disposition & Disposition.attached_pic
        if extra_pictures or not takes(muxer, stream):
            if stream.type == "audio":
                raise UsageError(
                    f"{info.path}: its sound ({name}) cannot be copied into a {muxer} file; write .mkv, which takes all"
                )
            if stream.type in ("subtitle", "video"):
                self.warnings.append(f"{info.path.name}: {label} is not kept: a {muxer} file cannot hold it")
            return
        target = self._output.add_stream_from_template(stream, opaque=True)
        target.metadata.update(kept_metadata(stream.metadata))
        target.disposition = stream.disposition
        self._targets[stream.index] = target

    def _attach(self, info: MediaInfo, stream: Any, muxer: str) -> None:
        if muxer == "matroska":
            self._output.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
        else:
            self.warnings.append(
                f"{info.path.name}: attachment '{stream.name}' is not kept: write .mkv to keep it"
            )

    def pump(
        self, until: Fraction | None, *, shift: Fraction = Fraction(0), end: Fraction | None = None
    ) -> None:
        """Mux every packet that is due before `until` seconds (all of them for None).

        `shift` is taken off each time stamp; packets before it, or from `end` on, are left out.
        """
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None:
                return
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is None or not packet.size:
                continue
            when = stamp * packet.time_base
            shown = (packet.pts if packet.pts is not None else stamp) * packet.time_base
            if until is not None and when - shift > until:
                self._waiting = packet
                return
            if (shift and shown < shift) or (end is not None and shown >= end):
                continue
            offset = round(shift / packet.time_base)
            if offset:
                packet.pts = None if packet.pts is None else packet.pts - offset
                packet.dts = None if packet.dts is None else packet.dts - offset
            packet.stream = self._targets[packet.stream_index]
            self._output.mux_one(packet)

    def close(self) -> None:
        """Close the second reader."""
        self._container.close()
