"""Small films and pictures that the media tests make for themselves, and how they look at the results."""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from omote.media.encoders import ENCODERS, after_opening, before_opening


def texture(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """A smooth colour picture `(H, W, 3)` uint8 that codecs like."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin((x * a + y * b + seed * 7) / 9) for a, b in ((0.9, 0.3), (0.2, 0.8), (-0.5, 0.6))]
    return np.clip(np.stack(waves, axis=2) * 60 + 128, 0, 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two arrays of one dtype; 99 for equal ones."""
    error = np.square(a.astype(np.float64) - b.astype(np.float64)).mean()
    return 99.0 if error == 0 else float(10 * np.log10(np.iinfo(a.dtype).max ** 2 / error))


def make_film(
    path: Path,
    *,
    count: int = 12,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    pts: list[int] | None = None,
    time_base: Fraction = Fraction(1, 600),
    rate: int = 25,
    tags: tuple[int, int, int, int] | None = None,
    options: dict[str, str] | None = None,
    extras: bool = False,
    rotation: float | None = None,
    matroska_language: str = "deu",
) -> Path:
    """A film of moving waves. `extras` adds two AAC tracks, an SRT track (in .mkv), chapters and metadata."""
    width, height = size
    stamps = pts or [i * time_base.denominator // rate for i in range(count)]
    if codec == "libsvtav1":
        before_opening(ENCODERS["av1"])
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, pixel_format
        context.time_base = time_base
        if tags:
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
        if rotation is not None:
            stream.set_display_rotation(rotation)
        sounds = []
        if extras:
            out.metadata["title"] = "Waves"
            for language in ("eng", matroska_language):
                sound = out.add_stream("aac", rate=44100)
                sound.codec_context.layout = "stereo"
                sound.metadata["language"] = language
                sounds.append(sound)
            subtitles = out.add_stream("srt") if path.suffix == ".mkv" else None
            if subtitles is not None:
                subtitles.metadata["language"] = "eng"
                subtitles.codec_context.subtitle_header = _ASS
            half = stamps[len(stamps) // 2]
            out.set_chapters(
                [
                    {"id": 1, "start": 0, "end": half, "time_base": time_base, "metadata": {"title": "One"}},
                    {
                        "id": 2,
                        "start": half,
                        "end": stamps[-1],
                        "time_base": time_base,
                        "metadata": {"title": "Two"},
                    },
                ]
            )
        for index, stamp in enumerate(stamps):
            frame = VideoFrame.from_ndarray(texture(height, width, index), format="rgb24")
            frame = frame.reformat(format=pixel_format)
            if tags:
                frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = tags
            frame.pts, frame.time_base = stamp, time_base
            out.mux(stream.encode(frame))
            if codec == "libsvtav1" and not index:  # or the tests that follow would run in real time
                after_opening(ENCODERS["av1"])
        out.mux(stream.encode(None))
        if extras:
            _mux_sound(out, sounds, float(stamps[-1] * time_base))
            if subtitles is not None:
                _mux_subtitles(out, subtitles)
    return path


_ASS = (
    b"[Script Info]\nScriptType: v4.00+\n\n"
    b"[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,16\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


def _mux_sound(out, sounds, seconds: float) -> None:
    for number, sound in enumerate(sounds):
        for block in range(max(2, int(seconds * 44100 / 1024))):
            t = np.arange(block * 1024, (block + 1) * 1024) / 44100
            wave = (np.sin(2 * np.pi * (330 + 110 * number) * t) * 0.3).astype(np.float32)
            frame = AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 44100, block * 1024, Fraction(1, 44100)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))


def _mux_subtitles(out, stream) -> None:
    for number, text in enumerate((b"first line", b"second line")):
        packet = av.Packet(text)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = number * 150
        packet.duration = 100
        out.mux(packet)


@dataclass(frozen=True)
class Looked:
    """What a film holds, as libav shows it: independent of the code under test."""

    times: list[Fraction]
    durations: list[Fraction]
    size: tuple[int, int]
    aspect: Fraction
    codec: str
    pixel_format: str
    tags: tuple[int, int, int, int]
    rotation: int
    tracks: dict[int, tuple[str, str, str | None, str, tuple[Fraction, ...]]]
    duration: Fraction
    chapters: list[tuple[float, float, str]]
    metadata: dict[str, str]

    @property
    def standing(self) -> list[Fraction]:
        """How long each frame stands, shortest first.

        MP4 keeps the steps of decoding, so `durations` are not that where a film's frames are reordered.
        """
        times = [*sorted(self.times), self.duration]
        return sorted(after - before for before, after in pairwise(times))


def look(path: Path) -> Looked:
    """Decode a film's pictures and hash the packets of its other tracks."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        frames = list(film.decode(stream))
        first = frames[0]
        base = stream.time_base
        context = stream.codec_context
        tracks = {}
        for other in film.streams:
            if other.index == stream.index or other.codec_context is None:
                continue
            digest, times = hashlib.sha256(), []
            with av.open(str(path)) as again:
                for packet in again.demux(again.streams[other.index]):
                    if packet.size:
                        digest.update(bytes(packet))
                        stamp = packet.dts if packet.pts is None else packet.pts
                        times.append((stamp or 0) * packet.time_base)
            name = other.codec_context.codec.canonical_name
            tracks[other.index] = (
                other.type,
                name,
                other.metadata.get("language"),
                digest.hexdigest(),
                tuple(times),
            )
        stamps = [(f.dts or 0) if f.pts is None else f.pts for f in frames]
        end = max(s + (f.duration or 0) for s, f in zip(stamps, frames, strict=True)) * base
        return Looked(
            times=[s * base for s in stamps],
            durations=sorted((f.duration or 0) * base for f in frames),
            size=(first.width, first.height),
            aspect=stream.sample_aspect_ratio or Fraction(1),
            codec=context.codec.canonical_name,
            pixel_format=first.format.name,
            tags=(first.color_primaries, first.color_trc, first.colorspace, first.color_range),
            rotation=first.rotation,
            tracks=tracks,
            duration=end,
            chapters=[
                (
                    float(c["start"] * c["time_base"]),
                    float(c["end"] * c["time_base"]),
                    c["metadata"].get("title", ""),
                )
                for c in film.chapters()
            ],
            metadata=dict(film.metadata),
        )
