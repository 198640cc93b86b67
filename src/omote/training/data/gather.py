"""The pictures of a folder: photos as they are, films by a frame every so many seconds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.media import MAX_PIXELS, VideoReader, open_image, probe
from omote.media.sniff import reason
from omote.training.data.labels import LABELS_FILE

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class View:
    """A picture to be looked at.

    Attributes:
        file: path below the folder, with forward slashes.
        load: gives (H, W, 3) uint8 RGB, or raises InputError; for photos this is where they are decoded.
        time: in a film, in seconds.
    """

    file: str
    load: Callable[[], Bytes]
    time: float | None = None


def media_files(folder: Path) -> list[Path]:
    """All files below a folder that are not hidden, in order of their names.

    Raises:
        InputError: there is no such folder, it cannot be read, or has no files.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that holds photos or films")
    try:
        found = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({reason(error)})") from None
    hidden = [any(part.startswith(".") for part in path.relative_to(folder).parts) for path in found]
    files = [path for path, skip in zip(found, hidden, strict=True) if not skip and path.name != LABELS_FILE]
    if not files:
        raise InputError(f"{folder}: holds no files; give a folder of photos or films")
    return files


def views(folder: Path, files: list[Path], every: float, max_pixels: int = MAX_PIXELS) -> Iterator[View]:
    """Yield the pictures of files, of a film one `every` seconds; one that cannot be had fails in `load`."""
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            if probe(path, max_pixels=max_pixels).is_film:
                yield from _frames(path, name, every, max_pixels)
            else:
                yield View(name, _photo(path, max_pixels))
        except InputError as error:
            yield View(name, _failing(error))


def _photo(path: Path, max_pixels: int) -> Callable[[], Bytes]:
    return lambda: _eight_bits(open_image(path, max_pixels=max_pixels).pixels)


def _frames(path: Path, name: str, every: float, max_pixels: int) -> Iterator[View]:
    with VideoReader(path, max_pixels=max_pixels) as reader:
        due = 0.0
        for frame in reader:
            if frame.time >= due - 1e-6:
                due = max(due + every, frame.time)
                yield View(name, _at_hand(_eight_bits(frame.pixels)), frame.time)


def _at_hand(pixels: Bytes) -> Callable[[], Bytes]:
    return lambda: pixels


def _failing(error: InputError) -> Callable[[], Bytes]:
    def fail() -> Bytes:
        raise error

    return fail


def _eight_bits(pixels: npt.NDArray[Any]) -> Bytes:
    return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
