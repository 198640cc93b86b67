"""Where live pictures go: a file, a stream, a virtual camera, a window; the browser is in `live_browser`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
from av.video.frame import VideoFrame

from omote.errors import InputError, UsageError
from omote.media import Frame, MediaInfo, VideoWriter
from omote.media.atomic import Publish
from omote.media.sniff import reason
from omote.media.types import ColourTags
from omote.pipelines.live_source import Pixels

_TICKS = 1000
"""A second of the time stamps."""
_FORMATS = {"rtmp": "flv", "rtmps": "flv", "srt": "mpegts", "udp": "mpegts"}
_FILES = (".mp4", ".mov", ".mkv")
_HD = ColourTags(matrix=1, primaries=1, transfer=1, range=1)


class LiveOutput(Protocol):
    """Takes pictures one by one, all of one size, each with the seconds since the first."""

    def show(self, pixels: Pixels, seconds: float) -> None:
        """Put out (H, W, 3) RGB uint8."""
        ...

    def close(self) -> None:
        """Finish; called once, when all went well."""
        ...

    def abort(self) -> None:
        """End without finishing."""
        ...


class FileOutput:
    """A film of what was shown, each picture at its time; without sound.

    Args:
        path: .mp4, .mov or .mkv. It appears at the end.
        size: width and height in pixels.
        rate: pictures a second, about.
        publish: signs the finished file and gives it its name.

    Raises:
        UsageError: another suffix.
        InputError: it cannot be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float, publish: Publish) -> None:
        if path.suffix.lower() not in _FILES:
            raise UsageError(f"{path}: live pictures are kept as {', '.join(_FILES)}")
        self._writer = VideoWriter(path, live_info(size, rate), preset="ultrafast", publish=publish)
        self._last = -1

    def show(self, pixels: Pixels, seconds: float) -> None:
        """Encode a picture."""
        pts = max(round(seconds * _TICKS), self._last + 1)
        frame = Frame(pixels, pts=pts, time_base=Fraction(1, _TICKS), index=self._writer.frames)
        self._writer.write(frame)
        self._last = pts

    def close(self) -> None:
        """Finish, sign and name the file; if nothing was shown there is none."""
        if self._writer.frames:
            self._writer.close()
        else:
            self._writer.abort()

    def abort(self) -> None:
        """Throw it away."""
        self._writer.abort()


class StreamOutput:
    """A stream to a server or player: RTMP as FLV, SRT and UDP as MPEG-TS, H.264 without delay.

    Raises:
        UsageError: another protocol, or one that this FFmpeg was built without, as SRT is in PyAV's wheels.
        InputError: nobody answers there.
    """

    def __init__(self, url: str, size: tuple[int, int], rate: float) -> None:
        self._url = url
        muxer = _FORMATS.get(url.partition("://")[0].lower())
        if muxer is None:
            raise UsageError(f"{url}: stream to {', '.join(f'{name}://' for name in _FORMATS)}")
        try:
            self._container = av.open(url, "w", format=muxer, timeout=10)
            stream: Any = self._container.add_stream(
                "libx264", rate=round(rate), options={"preset": "ultrafast", "tune": "zerolatency"}
            )
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
            stream.codec_context.gop_size = 2 * round(rate)
            self._container.start_encoding()
        except av.ProtocolNotFoundError:
            raise UsageError(
                f"{url}: this PyAV was built without that protocol; use rtmp:// or udp://"
            ) from None
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{url}: cannot stream there ({reason(error)})") from None
        self._stream, self._last = stream, -1

    def show(self, pixels: Pixels, seconds: float) -> None:
        """Send a picture; raises InputError if the connection is lost."""
        frame = VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.time_base = Fraction(1, _TICKS)
        frame.pts = self._last = max(round(seconds * _TICKS), self._last + 1)
        self._send(frame)

    def close(self) -> None:
        """Send what the encoder holds, and hang up."""
        self._send(None)
        self.abort()

    def abort(self) -> None:
        """Hang up."""
        with suppress(av.FFmpegError, OSError):  # whoever listened may have gone
            self._container.close()

    def _send(self, frame: VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{self._url}: the stream broke off ({reason(error)})") from None


class VirtualCamera:
    """A camera that other programs can choose, by pyvirtualcam.

    Raises:
        UsageError: pyvirtualcam is not installed.
        InputError: this machine has no driver for it.
    """

    def __init__(self, size: tuple[int, int], rate: float) -> None:
        try:
            pyvirtualcam: Any = import_module("pyvirtualcam")
        except ImportError:
            raise UsageError("--virtual-camera needs pyvirtualcam: pip install pyvirtualcam") from None
        try:
            self._camera = pyvirtualcam.Camera(*size, rate)
        except RuntimeError as error:
            raise InputError(f"--virtual-camera: no driver for virtual cameras ({error})") from None

    def show(self, pixels: Pixels, seconds: float) -> None:
        """Give the picture to whoever watches."""
        self._camera.send(pixels)

    def close(self) -> None:
        """Take the camera away."""
        self._camera.close()

    abort = close


class Window:
    """A window, where this OpenCV was built with any.

    Raises:
        UsageError: it has none.
    """

    _TITLE = "omote live"

    def __init__(self) -> None:
        if not has_windows():
            raise UsageError(
                "--window: this OpenCV has no windows (headless); use --serve 8765 and a browser"
            )

    def show(self, pixels: Pixels, seconds: float) -> None:
        """Show the picture."""
        cv2.imshow(self._TITLE, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        cv2.waitKey(1)

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(self._TITLE)

    abort = close


class Outputs:
    """Several outputs as one.

    Args:
        outputs: in the order in which they are given pictures.
    """

    def __init__(self, outputs: Sequence[LiveOutput]) -> None:
        self._outputs = tuple(outputs)

    def show(self, pixels: Pixels, seconds: float) -> None:
        """Give all the same picture."""
        for output in self._outputs:
            output.show(pixels, seconds)

    def close(self) -> None:
        """Finish all; if one cannot, the others are finished nevertheless."""
        with ExitStack() as stack:
            for output in reversed(self._outputs):
                stack.callback(output.close)

    def abort(self) -> None:
        """End all."""
        with ExitStack() as stack:
            for output in reversed(self._outputs):
                stack.callback(output.abort)


def has_windows() -> bool:
    """Whether OpenCV can open windows."""
    lines = (line.split(":") for line in cv2.getBuildInformation().splitlines())
    gui = next((words[1].strip() for words in lines if words[0].strip() == "GUI"), "")
    return gui not in ("", "NONE")


def live_info(size: tuple[int, int], rate: float) -> MediaInfo:
    """What is known of live pictures: they have no file.

    Args:
        size: width and height in pixels.
        rate: pictures a second, about.
    """
    return MediaInfo(
        path=Path(),
        kind="film",
        format="live",
        codec="h264",
        width=size[0],
        height=size[1],
        frame_rate=Fraction(rate).limit_denominator(1001),
        time_base=Fraction(1, _TICKS),
        start_pts=0,
        pixel_format="yuv420p",
        colour=_HD,
    )
