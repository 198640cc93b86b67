"""Decoding VP8 and VP9 with transparency: libav's own decoders drop it, libvpx knows no limit of size."""

from __future__ import annotations

from typing import Any, Final, Protocol

from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

_LIBVPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_ADDED: Final = "matroska_block_additional"
_ADDED_HEAD = 8
"""Bytes before the coded alpha: the number that says what is added (Matroska's BlockAddID)."""


class Decoder(Protocol):
    """What turns packets into frames."""

    def decode(self, packet: Packet[Any] | None = None) -> list[VideoFrame]:
        """The frames that are finished; an empty packet asks for the last ones."""

    def flush_buffers(self) -> None:
        """Forget all frames, for a jump."""


class ClearDecoder:
    """Decodes with libvpx what libav's own decoder has found to be no larger than the limit.

    Pictures and alpha are coded apart, so each has its guard. Without them a few
    changed bytes make libvpx take 3 GB.

    Args:
        codec: "vp8" or "vp9".
        threads: of libvpx; 0 lets it choose.
        limit: the option that limits sizes.
    """

    def __init__(self, codec: str, threads: int, limit: dict[str, str]) -> None:
        self._clear = _opened(_LIBVPX[codec], threads, limit)
        self._colour, self._alpha = (_opened(codec, 1, limit) for _ in range(2))

    def decode(self, packet: Packet[Any] | None = None) -> list[VideoFrame]:
        """See `Decoder`. Raises libav's errors, for a picture beyond the limit as well."""
        self._colour.decode(packet)
        if packet is not None and packet.has_sidedata(_ADDED):
            self._alpha.decode(Packet(bytes(packet.get_sidedata(_ADDED))[_ADDED_HEAD:]))
        return self._clear.decode(packet)

    def flush_buffers(self) -> None:
        """See `Decoder`."""
        for decoder in (self._clear, self._colour, self._alpha):
            decoder.flush_buffers()


def knows(codec: str) -> bool:
    """Whether this is a codec whose transparency libav's own decoder drops."""
    return codec in _LIBVPX


def _opened(name: str, threads: int, limit: dict[str, str]) -> VideoCodecContext:
    context = CodecContext.create(name, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = threads
    context.options = limit
    return context
