"""What `omote live` can be told, before it begins and while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omote.errors import UsageError
from omote.media import MAX_PIXELS
from omote.media.atomic import Publish
from omote.pipelines.live_browser import Browser, parse_address
from omote.pipelines.live_screen import Screen, ScreenCamera
from omote.pipelines.live_sink import FileOutput, LiveOutput, Outputs, StreamOutput, VirtualCamera, Window
from omote.pipelines.live_source import Camera, DeviceCamera, FilmCamera

_NOWHERE = Path(os.devnull)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """Settings of live pictures. Every one is an option of `omote live`.

    Attributes:
        camera: number of a camera, path of a device, `screen`, `screen:WIDTHxHEIGHT+X+Y`, or a film that
            plays at its own pace.
        loop: whether such a film begins again at its end.
        mirror: whether pictures are mirrored, as one knows oneself.
        max_latency: milliseconds from capture to output; older pictures are dropped, and quality steps down
            from 60 % of it.
        serve: `PORT` or `HOST:PORT` where browsers find the pictures.
        outputs: files and URLs to which they go.
        virtual_camera: whether other programs are offered a camera.
        window: whether a window shows them.

    Raises:
        UsageError: nowhere to go, more than one file, or an option is out of range.
    """

    camera: str = "0"
    loop: bool = False
    mirror: bool = False
    max_latency: float = 200.0
    serve: str | None = None
    outputs: tuple[str, ...] = ()
    virtual_camera: bool = False
    window: bool = False

    def __post_init__(self) -> None:
        if not 10 <= self.max_latency <= 5000:
            raise UsageError(f"--max-latency {self.max_latency:g} is outside 10..5000 milliseconds")
        Screen.parse(self.camera)
        if self.serve is not None:
            parse_address(self.serve)
        if sum("://" not in output for output in self.outputs) > 1:
            raise UsageError("--output: one file is enough; the others may be URLs")
        if not (self.serve or self.outputs or self.virtual_camera or self.window):
            raise UsageError(
                "say where the pictures go: --serve 8765, --output FILE|URL, or --virtual-camera"
            )

    @property
    def file(self) -> Path | None:
        """The file among the outputs."""
        return next((Path(output) for output in self.outputs if "://" not in output), None)

    @property
    def place(self) -> Path:
        """The file, or one that keeps nothing."""
        return self.file or _NOWHERE

    @property
    def camera_path(self) -> Path:
        """The camera as a path, which need not exist."""
        return Path(self.camera)

    @staticmethod
    def photos(people: Sequence[Sequence[str]]) -> list[list[Path]]:
        """The photos of every person; raises UsageError if there is nobody."""
        if not people or not all(people):
            raise UsageError("give a photo of the person: omote live SOURCE... --serve 8765")
        return [[Path(photo) for photo in photos] for photos in people]

    def open_camera(self, max_pixels: int = MAX_PIXELS) -> Camera:
        """Open the camera that is named.

        Args:
            max_pixels: of a picture, at most.

        Raises:
            UsageError: the screen cannot be grabbed on this machine.
            InputError: there is no such thing.
        """
        if self.camera.isdecimal():
            return DeviceCamera(int(self.camera))
        if (screen := Screen.parse(self.camera)) is not None:
            return ScreenCamera(screen, max_pixels=max_pixels)
        if self.camera_path.is_char_device():
            return DeviceCamera(self.camera)
        return FilmCamera(self.camera_path, loop=self.loop, max_pixels=max_pixels)

    def open_outputs(self, size: tuple[int, int], rate: float, publish: Publish) -> LiveOutputs:
        """Open all outputs; if one cannot be opened, none stays open.

        Args:
            size: width and height of the pictures.
            rate: pictures a second, about.
            publish: signs a finished file and gives it its name.

        Raises:
            UsageError, InputError: see the outputs.
        """
        opened: list[LiveOutput] = []
        makers: list[Callable[[], LiveOutput]] = []
        if self.window:
            makers.append(Window)
        if self.virtual_camera:
            makers.append(lambda: VirtualCamera(size, rate))
        if self.file is not None:
            path = self.file
            makers.append(lambda: FileOutput(path, size, rate, publish))
        for url in self.outputs:
            if "://" in url:
                makers.append(lambda url=url: StreamOutput(url, size, rate))  # type: ignore[misc]
        if self.serve is not None:
            address = parse_address(self.serve)
            makers.append(lambda: Browser(address))
        try:
            for make in makers:
                opened.append(make())
        except BaseException:
            Outputs(opened).abort()
            raise
        return LiveOutputs(opened)


class LiveOutputs(Outputs):
    """The outputs that settings name."""

    @property
    def url(self) -> str:
        """Where a browser finds the pictures; empty if nowhere."""
        return next((output.url for output in self._outputs if isinstance(output, Browser)), "")


class Controls:
    """What the user wants just now. Attributes may be set by any thread.

    Attributes:
        source: number of the person whose face is given; counted on without end.
        mask: whether networks are asked what lies before the face.
        swap: whether faces are swapped at all.
        quit: whether it is enough.

    Args:
        keys: gives the next key that was pressed, or nothing.
    """

    def __init__(self, keys: Callable[[], str] = lambda: "") -> None:
        self.source, self.mask, self.swap, self.quit = 0, True, True, False
        self._keys = keys

    def press(self, key: str) -> None:
        """`n` next source, `m` mask on or off, `s` swap on or off, `q` quit; other keys do nothing."""
        match key.lower():
            case "n":
                self.source += 1
            case "m":
                self.mask = not self.mask
            case "s":
                self.swap = not self.swap
            case "q":
                self.quit = True

    def poll(self) -> bool:
        """Take the keys that were pressed; whether to go on."""
        while key := self._keys():
            self.press(key)
        return not self.quit


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """Figures of live pictures.

    Attributes:
        rate: pictures a second that came out.
        median: latency, capture to output, in seconds, that half of the pictures do not exceed; None before
            the first.
        high: the same for 95 of 100.
        level: of quality, 0 is the best.
        captured: pictures of the camera.
        shown: pictures that came out.
        missed: pictures for which a newer one came before there was time.
        late: pictures that were dropped because they were too old.
        swapped: faces.
        seconds: since the beginning.
    """

    rate: float
    median: float | None
    high: float | None
    level: int
    captured: int
    shown: int
    missed: int
    late: int
    swapped: int
    seconds: float
