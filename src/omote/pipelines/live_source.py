"""Where live pictures come from: a camera, or a film that stands in for one. The newest frame wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.media import MAX_PIXELS, VideoReader, probe

Pixels = npt.NDArray[np.uint8]
Item = TypeVar("Item")
Clock = Callable[[], float]
_USUAL_RATE = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture as it was captured: (H, W, 3) RGB uint8 with even sides, and the second of the clock."""

    pixels: Pixels
    captured: float


class Slot(Generic[Item]):
    """Holds one thing between two threads: what is put in replaces what nobody took.

    Attributes:
        missed: how many were replaced.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.missed = 0

    def put(self, item: Item) -> None:
        """Put a thing in; never waits."""
        with self._changed:
            self.missed += self._item is not None
            self._item = item
            self._changed.notify()

    def take(self, timeout: float | None = None) -> Item | None:
        """Take the newest out; None if there is none in time, or there will be none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Say that nothing more will be put in; what lies there may still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._closed and self._item is None


class Camera(Protocol):
    """Gives pictures as they come. `shots` is for one thread; `stop` may be called from any."""

    width: int
    height: int
    rate: float

    def shots(self) -> Iterator[Shot]:
        """Every picture until the end or `stop`; waits for each."""
        ...

    def stop(self) -> None:
        """End `shots` soon; safe to call twice."""
        ...


class FilmCamera:
    """A film that plays at its own pace, in place of a camera.

    Decoding that lags behind counts as latency: a picture is captured when its time stamp is due.

    Args:
        path: the film.
        loop: begin again at its end.
        clock: seconds.
        wait: waits so many seconds, or until it is stopped.
        max_pixels: as in `VideoReader`.

    Raises:
        InputError: it cannot be read, or is a photo.
    """

    def __init__(
        self,
        path: Path,
        *,
        loop: bool = False,
        clock: Clock = time.perf_counter,
        wait: Callable[[float], object] | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        info = probe(path, max_pixels=max_pixels)
        if not info.is_film:
            raise InputError(f"{path}: is a picture; as a camera stands a film or a device")
        self.width, self.height = info.width & ~1, info.height & ~1
        self.rate = float(info.frame_rate or _USUAL_RATE)
        self._path, self._loop, self._clock, self._max_pixels = path, loop, clock, max_pixels
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait

    def shots(self) -> Iterator[Shot]:
        """Every frame when its time has come; raises InputError if the film breaks off."""
        while not self._stopped.is_set():
            began: float | None = None
            with VideoReader(self._path, max_pixels=self._max_pixels, threads=1) as film:
                for frame in film:
                    if began is None:
                        began = self._clock() - frame.time
                    due = began + frame.time
                    ahead = due - self._clock()
                    if ahead > 0:
                        self._wait(ahead)
                    if self._stopped.is_set():
                        return
                    pixels = frame.pixels if frame.pixels.dtype == np.uint8 else frame.pixels >> 8
                    yield Shot(even(pixels.astype(np.uint8, copy=False)), due)
            if not self._loop:
                return

    def stop(self) -> None:
        """End at the next frame."""
        self._stopped.set()


class DeviceCamera:
    """A camera of this machine.

    Args:
        device: its number, or its path.
        clock: seconds.

    Raises:
        InputError: there is no such camera, or it gives no picture.
    """

    def __init__(self, device: int | str, clock: Clock = time.perf_counter) -> None:
        self._name, self._clock = f"camera {device}", clock
        self._capture = cv2.VideoCapture(device)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        good, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not good or first is None:
            self._capture.release()
            raise InputError(
                f"{self._name}: cannot be opened; is it connected, and used by no other program?"
            )
        self.height, self.width = (side & ~1 for side in first.shape[:2])
        told = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = float(told) if 1 <= told <= 1000 else _USUAL_RATE
        self._stopped = threading.Event()

    def shots(self) -> Iterator[Shot]:
        """Every picture; raises InputError if the camera is gone."""
        try:
            while not self._stopped.is_set():
                good = self._capture.grab()
                captured = self._clock()
                picture = self._capture.retrieve()[1] if good else None
                if picture is None:
                    raise InputError(f"{self._name}: gives no pictures any more; was it disconnected?")
                yield Shot(even(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)), captured)
        finally:
            self._capture.release()

    def stop(self) -> None:
        """End after the next picture."""
        self._stopped.set()


def even(pixels: Pixels) -> Pixels:
    """Without the last row or column where there is an odd number of them: encoders halve colours."""
    return pixels[: pixels.shape[0] & ~1, : pixels.shape[1] & ~1]
