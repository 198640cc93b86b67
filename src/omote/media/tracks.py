"""Sound, subtitles and whatever else runs beside the pictures: copied packet by packet where it can be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import av
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Discard, Disposition, Stream

from omote.media import probing
from omote.media.containers import Container
from omote.media.sound import SoundEncoder
from omote.media.subtitles import FORM_OF, TEXT_FORMS, SubtitleConverter
from omote.media.types import MediaInfo

if TYPE_CHECKING:
    from av.container.core import Chapter

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
    """True if a container can hold a track: its muxer is asked to write a header with it."""
    try:
        trial = av.open(io.BytesIO(), "w", format=muxer)
        trial.add_stream_from_template(template, opaque=True)
        trial.start_encoding()
    except (av.error.FFmpegError, ValueError, OSError):
        return False
    return True


def _unlabelled_pcm(muxer: str, stream: Stream) -> bool:
    """True for plain samples whose channels have no names: MP4 must name them."""
    return (
        muxer == "mp4"
        and isinstance(stream, AudioStream)
        and stream.codec_context is not None
        and stream.codec_context.name.startswith("pcm_")
        and stream.layout.name.endswith("channels")
    )


class _Target(Protocol):
    """Where a source track's packets go."""

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]: ...

    def flush(self) -> list[Packet[Any]]: ...


class _Copy:
    """Packets go over as they are."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        packet.stream = self._stream
        return [packet]

    def flush(self) -> list[Packet[Any]]:
        return []


class TrackCopier:
    """Adds the source's other tracks to an output and feeds their packets in step with the pictures.

    The source is read a second time, beside the decoder, so only one packet waits at any moment. A track
    that the container cannot hold is named in `warnings`; if it is sound, it is re-encoded to the container's
    usual codec instead of being lost, and named all the same.
    """

    def __init__(self, info: MediaInfo, output: OutputContainer, container: Container) -> None:
        self.warnings: list[str] = []
        self._path, self._name = info.path, info.path.name
        self._container = probing.open_container(info.path)
        self._output = output
        self._targets: dict[int, _Target] = {}
        self._waiting: Packet[Stream] | None = None
        self._heads: list[Packet[Any]] = []
        pictures = probing.video_stream(info.path, self._container)
        self.picture_metadata = kept_metadata(pictures.metadata)
        self.picture_disposition = pictures.disposition
        data = 0
        for stream in self._container.streams:
            if stream.index == pictures.index:
                continue
            if isinstance(stream, AttachmentStream):
                self._attach(stream, container.muxer)
            elif not self._add(stream, container):
                data += 1
        if data:
            self.warnings.append(f"{self._name}: {data} data tracks are not kept")
        chosen = []
        for stream in self._container.streams:
            if stream.index in self._targets:
                chosen.append(stream)
            else:
                stream.discard = Discard.all
        self._packets: Iterator[Packet[Stream]] = iter(self._container.demux(*chosen) if chosen else ())

    def _add(self, stream: Stream, container: Container) -> bool:
        """Add one track; False for a data track that is left out without a line of its own."""
        muxer = container.muxer
        codec: Any = stream.codec_context
        name = "unknown codec" if codec is None else codec.codec.canonical_name
        lost = f"{self._name}: {stream.type} track {stream.index} ({name}) is not kept: "
        hint = "" if muxer == "matroska" else "; write .mkv to keep it as it is"
        second = stream.type == "video" and not stream.disposition & Disposition.attached_pic
        if second:
            self.warnings.append(f"{lost}only the first picture track is worked on")
        elif stream.disposition & Disposition.attached_pic:
            self._add_cover(stream, muxer)
        elif stream.type == "data" and stream.name in (None, "none", "bin_data"):
            # A chapter list or time code, which is kept in another form, or something nameless.
            return "timecode" in self.picture_metadata or bool(self._container.chapters())
        elif name not in container.unfit and not _unlabelled_pcm(muxer, stream) and takes(muxer, stream):
            target = self._output.add_stream_from_template(stream, opaque=True)
            self._dress(stream, target)
            self._targets[stream.index] = _Copy(target)
        elif name in TEXT_FORMS and muxer in FORM_OF and stream.type == "subtitle":
            converter = SubtitleConverter(self._output, stream, FORM_OF[muxer])
            self._dress(stream, converter.stream)
            self._targets[stream.index] = converter
            self.warnings.append(
                f"{self._name}: subtitle track {stream.index} ({name}) is rewritten as {converter.name}, "
                "without its styling"
            )
        elif isinstance(stream, AudioStream) and codec is not None:
            encoder = SoundEncoder(self._output, stream, container.sound)
            self._dress(stream, encoder.stream)
            self._targets[stream.index] = encoder
            self.warnings.append(
                f"{self._name}: sound track {stream.index} ({name}) is re-encoded as {encoder.name}: "
                f"{container.suffixes} cannot hold it{hint}"
            )
        elif stream.type == "data":
            return False
        else:
            self.warnings.append(f"{lost}{container.suffixes} cannot hold it{hint}")
        return True

    def _add_cover(self, stream: Stream, muxer: str) -> None:
        """A cover picture: one packet at the head of MP4 and MOV, an attachment in Matroska."""
        with probing.open_container(self._path) as again:
            packet = next((p for p in again.demux(again.streams[stream.index]) if p.size), None)
            data = b"" if packet is None else bytes(packet)
        name = stream.codec_context.codec.canonical_name
        kind = {"mjpeg": "jpeg"}.get(name, name)
        if muxer == "matroska":
            file_name = stream.metadata.get("filename", f"cover.{kind.replace('jpeg', 'jpg')}")
            self._output.add_attachment(file_name, f"image/{kind}", data)
        elif muxer in ("mp4", "mov") and name in ("mjpeg", "png"):
            target = self._output.add_stream_from_template(stream, opaque=True)
            target.disposition = Disposition.attached_pic
            cover: Packet[Any] = Packet(data)
            cover.stream, cover.time_base = target, Fraction(1, 90_000)
            cover.pts = cover.dts = 0
            cover.is_keyframe = True
            self._heads.append(cover)
        else:
            self.warnings.append(f"{self._name}: the cover picture is not kept")

    def _dress(self, stream: Stream, target: Stream) -> None:
        target.metadata.update(kept_metadata(stream.metadata))
        target.disposition = stream.disposition

    def _attach(self, stream: AttachmentStream, muxer: str) -> None:
        name = stream.name or "attachment"
        if muxer == "matroska":
            self._output.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
        else:
            self.warnings.append(f"{self._name}: attachment '{name}' is not kept: write .mkv to keep it")

    def chapters(self, start: Fraction, end: Fraction | None) -> list[Chapter]:
        """The source's chapters between two times in seconds, counted from the first of them."""
        kept: list[Chapter] = []
        for chapter in self._container.chapters():
            base = chapter["time_base"]
            if base is None:
                continue
            first, last = chapter["start"] * base - start, chapter["end"] * base - start
            if end is not None:
                last = min(last, end - start)
            if last > 0 and first < last:
                moved = chapter.copy()
                moved["start"], moved["end"] = round(max(first, Fraction(0)) / base), round(last / base)
                kept.append(moved)
        return kept

    def pump(
        self, until: Fraction | None, *, shift: Fraction = Fraction(0), end: Fraction | None = None
    ) -> None:
        """Mux every packet that is due before `until` seconds (all of them for None).

        `shift` seconds are taken off each time stamp; packets before it, or from `end` on, are left out.
        """
        while self._heads:
            self._output.mux_one(self._heads.pop())
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = None
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is None or not packet.size:
                continue
            if until is not None and stamp * packet.time_base - shift > until:
                self._waiting = packet
                return
            shown = (stamp if packet.pts is None else packet.pts) * packet.time_base
            if (shift and shown < shift) or (end is not None and shown >= end):
                continue
            offset = round(shift / packet.time_base)
            if offset:
                packet.pts = None if packet.pts is None else packet.pts - offset
                packet.dts = None if packet.dts is None else packet.dts - offset
            for ready in self._targets[packet.stream_index].packets(packet):
                self._output.mux_one(ready)

    def flush(self) -> None:
        """Mux what re-encoding still holds."""
        for target in self._targets.values():
            for packet in target.flush():
                self._output.mux_one(packet)

    def close(self) -> None:
        """Close the second reader."""
        self._container.close()
