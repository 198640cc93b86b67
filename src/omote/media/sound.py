"""Re-encoding one sound track, for a container that cannot hold it as it is."""

from __future__ import annotations

from typing import Any, cast

from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.packet import Packet

_OPUS_RATES = (48_000, 24_000, 16_000, 12_000, 8_000)
_BITS_PER_CHANNEL = 96_000
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


class SoundEncoder:
    """Decodes packets of a source track and encodes them anew at 96 kbit/s a channel, in the same layout."""

    def __init__(self, output: OutputContainer, source: AudioStream, codec: str) -> None:
        rate = source.codec_context.sample_rate
        if (codec == "libopus" and rate not in _OPUS_RATES) or (codec == "libmp3lame" and rate > 48_000):
            rate = 48_000
        self._source = source
        self.stream = cast(AudioStream, output.add_stream(codec, rate=rate))
        context: Any = self.stream.codec_context
        channels = source.layout.nb_channels
        if codec == "libmp3lame" and channels > 2:
            context.layout = "stereo"
        elif source.layout.name.endswith("channels"):  # unnamed, as in plain WAV sound
            context.layout = _USUAL_LAYOUTS.get(channels, "stereo")
        else:
            context.layout = source.layout
        context.bit_rate = _BITS_PER_CHANNEL * context.layout.nb_channels
        context.open()
        self._resampler = AudioResampler(
            format=context.format, layout=context.layout, rate=rate, frame_size=context.frame_size
        )
        self.name = context.codec.canonical_name

    def packets(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Encoded packets that are ready after one packet of the source."""
        ready: list[Packet[Any]] = []
        for frame in self._source.codec_context.decode(packet):
            for part in self._resampler.resample(frame):
                ready += self.stream.encode(part)
        return ready

    def flush(self) -> list[Packet[Any]]:
        """The last packets."""
        ready: list[Packet[Any]] = []
        for part in self._resampler.resample(None):
            ready += self.stream.encode(part)
        return ready + self.stream.encode(None)
