"""What a file is and holds, from its header and at most one decoded frame."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container.input import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from omote.errors import InputError
from omote.media import colour, orient
from omote.media.clear_decoder import ClearDecoder, Decoder, knows
from omote.media.hdr import read_hdr
from omote.media.integrity import require_whole
from omote.media.limits import require_length, require_size
from omote.media.sniff import ANIMATIONS, PICTURES, reason, require_file, sniff
from omote.media.types import MAX_PIXELS, ColourTags, MediaInfo, Track

# Demuxers that may read a file given by the user. Play lists and image sequences are left out: they open
# other files, and by name.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,nut,ivf,obu,"
    "h264,hevc,m4v,av1,rm,dv,wtv,yuv4mpegpipe,dirac,vc1,roq,swf,gxf,y4m"
)


def open_container(path: Path, max_pixels: int | None = None) -> InputContainer:
    """Open a film for demuxing. Raises InputError if it is no film; never follows play lists or addresses.

    libav decodes a few frames of some films to learn what they are: none larger than `max_pixels`.
    """
    try:
        return av.open(
            f"file:{path}",
            "r",
            options={} if max_pixels is None else _limit(max_pixels),
            container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: is not a picture or film that can be read ({reason(error)})") from None


def video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The first real video track: a cover picture does not count. Raises InputError if there is none."""
    for stream in container.streams.video:
        if stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            continue
        if stream.codec_context is None:
            raise InputError(f"{path}: its pictures are coded in a way that cannot be decoded here")
        return stream
    raise InputError(f"{path}: has no moving pictures (sound only?)")


def open_decoder(stream: VideoStream, threads: int, max_pixels: int) -> Decoder:
    """A decoder for a film's pictures that refuses larger ones; `threads` 0 lets it choose."""
    context = stream.codec_context
    limit = _limit(max_pixels)
    codec = context.codec.canonical_name
    if knows(codec) and stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1":
        return ClearDecoder(codec, threads, limit)
    context.thread_count = threads
    context.options = limit
    context.thread_type = "NONE" if threads == 1 else "AUTO"
    return context


def _limit(max_pixels: int) -> dict[str, str]:
    """The option by which decoders refuse larger pictures; they round sides up."""
    return {"max_pixels": str(max_pixels + max_pixels // 8 + 65_536)}


def probe(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> MediaInfo:
    """What a picture or film is: see MediaInfo.

    Reads the header and, for a film, decodes one frame (rotation and pixel format stand there). Raises
    InputError if the file is missing, empty, no picture or film, truncated, or beyond `max_pixels` or the
    limits of `omote.media.limits`.
    """
    path = Path(path)
    require_file(path)
    kind = sniff(path)
    if kind in ANIMATIONS:
        from omote.media.animation import probe_animation

        info = probe_animation(path, max_pixels=max_pixels)
        if info is not None:
            return info
    if kind in PICTURES:
        from omote.media.picture import probe_picture

        return probe_picture(path, max_pixels=max_pixels)
    require_whole(path)
    with open_container(path, max_pixels) as container:
        stream = video_stream(path, container)
        require_size(path, stream.codec_context.width, stream.codec_context.height, max_pixels)
        seconds = _duration(container, stream)
        require_length(path, seconds, stream.frames, stream.average_rate, len(container.streams))
        first = _first_frame(path, container, stream, max_pixels)
        return describe(path, container, stream, first)


def _first_frame(
    path: Path, container: InputContainer, stream: VideoStream, max_pixels: int
) -> av.VideoFrame:
    for other in container.streams:
        if other is not stream:
            other.discard = av.stream.Discard.all
    try:
        decoder = open_decoder(stream, 1, max_pixels)
        for packet in container.demux(stream):
            if not packet.size and packet.dts is not None:
                continue
            for frame in decoder.decode(packet):
                return frame
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: its first frame cannot be decoded ({reason(error)})") from None
    raise InputError(f"{path}: has no frames")


def describe(path: Path, container: InputContainer, stream: VideoStream, frame: av.VideoFrame) -> MediaInfo:
    """The MediaInfo of an open film whose first decoded frame is given."""
    context = stream.codec_context
    orientation = frame_orientation(frame)
    width, height = frame.width, frame.height
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1)
    if aspect <= 0:
        aspect = Fraction(1)
    if orientation.swaps_sides:
        width, height, aspect = height, width, 1 / aspect
    rate = stream.average_rate or stream.guessed_rate
    light = read_hdr(frame)
    extra: dict[str, Any] = {} if light is None else {"hdr": light}
    if frame.interlaced_frame:
        extra["interlaced"] = True
    if any(frame.side_data.get(name) is not None for name in ("DYNAMIC_HDR_PLUS", "DOVI_METADATA")):
        extra["dynamic hdr"] = True
    tracks = list(other_tracks(container, stream))
    return MediaInfo(
        path=path,
        kind="film",
        format=container.format.name,
        codec=context.codec.canonical_name,
        width=width,
        height=height,
        frames=_frame_count(container, stream),
        duration=_duration(container, stream),
        frame_rate=rate,
        time_base=stream.time_base,
        start_pts=stream.start_time,
        bit_depth=colour.depth(frame.format.name),
        pixel_format=frame.format.name,
        rotation=orientation.turn,
        flipped=orientation.flipped,
        alpha=colour.has_alpha(frame.format.name),
        sample_aspect_ratio=aspect,
        colour=ColourTags(
            int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc), int(frame.color_range)
        ),
        audio=tuple(t for t in tracks if t.kind == "audio"),
        subtitles=tuple(t for t in tracks if t.kind == "subtitle"),
        others=tuple(t for t in tracks if t.kind not in ("audio", "subtitle")),
        metadata=dict(container.metadata),
        extra=extra,
    )


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds, as the header says."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base


def _frame_count(container: InputContainer, stream: VideoStream) -> int | None:
    """How many frames the header promises; without those that an edit list cuts away."""
    if stream.frames and "mp4" in container.format.name:
        shown = sum(1 for entry in stream.index_entries if not entry.is_discard)
        return min(stream.frames, shown) or stream.frames
    return stream.frames or None


def frame_orientation(frame: av.VideoFrame) -> orient.Orientation:
    """How a decoded frame must be turned to stand upright, from its display matrix."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    return orient.UPRIGHT if matrix is None else orient.from_display_matrix(bytes(matrix))


def other_tracks(container: InputContainer, chosen: VideoStream) -> Iterator[Track]:
    """Every track but the chosen pictures."""
    for stream in container.streams:
        if stream.index == chosen.index:
            continue
        context: Any = stream.codec_context
        codec = "unknown"
        if context is not None:
            codec = context.codec.canonical_name
        elif stream.type == "data":
            codec = stream.name or "unknown"
        sound = stream.type == "audio" and context is not None
        with contextlib.suppress(AttributeError):
            yield Track(
                index=stream.index,
                kind=stream.type,
                codec=codec,
                language=stream.metadata.get("language"),
                title=stream.metadata.get("title") or stream.metadata.get("filename"),
                channels=context.channels if sound else None,
                sample_rate=context.sample_rate if sound else None,
            )
