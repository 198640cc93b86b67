"""Text subtitles from one container's form to another's: the words and their times, not the styling."""

from __future__ import annotations

import re
import struct
from typing import Any, Final

from av.container.output import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

TEXT_FORMS: Final = frozenset({"subrip", "mov_text", "webvtt", "ass", "text"})
FORM_OF: Final = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}

_ENCODERS = {"mov_text": "mov_text", "subrip": "srt", "webvtt": "webvtt"}
_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
    b"Style: Default,Arial,16\n\n[Events]\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


class SubtitleConverter:
    """Turns one source track's packets into another text form; empty ones (gaps) are dropped."""

    def __init__(self, output: OutputContainer, source: Stream, form: str) -> None:
        stream: Any = output.add_stream(_ENCODERS[form])
        stream.codec_context.subtitle_header = _HEADER
        stream.time_base = source.time_base
        stream.codec_context.time_base = source.time_base
        self.stream: SubtitleStream = stream
        self.name = form
        self._from = source.codec_context.codec.canonical_name

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """The same words at the same time."""
        text = read_text(self._from, bytes(packet))
        if not text:
            return []
        fresh: Packet[Any] = Packet(write_text(self.name, text))
        fresh.stream, fresh.time_base = self.stream, packet.time_base
        fresh.pts, fresh.dts, fresh.duration = packet.pts, packet.pts, packet.duration
        fresh.is_keyframe = True
        return [fresh]

    def flush(self) -> list[Packet[Any]]:
        """Nothing waits."""
        return []


def read_text(form: str, data: bytes) -> str:
    """The words of one subtitle packet, with <i>, <b> and <u> where the form has them."""
    if form == "mov_text":
        (length,) = struct.unpack_from(">H", data.ljust(2, b"\0"))
        return data[2 : 2 + length].decode("utf-8", "replace").strip()
    text = data.decode("utf-8", "replace")
    if form == "ass":  # eight fields before the words
        text = text.split(",", 8)[-1].replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    return re.sub(r"\{\\[^}]*\}|</?font[^>]*>", "", text).strip()


def write_text(form: str, text: str) -> bytes:
    """One subtitle packet in another form."""
    if form != "mov_text":
        return text.encode()
    plain = re.sub(r"</?[a-zA-Z][^>]*>", "", text).encode()
    return struct.pack(">H", len(plain)) + plain
