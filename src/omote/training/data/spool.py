"""Coded pictures in a file until it is known which of them are wanted, so that memory stays small."""

import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple


class Place(NamedTuple):
    """Where a picture lies in the file."""

    offset: int
    size: int


class Spool:
    """A file of pictures in a folder, as a context manager; gone in the end. Safe for threads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".pictures"
        self._file = self._path.open("w+b")
        self._end = 0
        self._lock = threading.Lock()

    def write(self, data: bytes) -> Place:
        """Keep a picture."""
        with self._lock:
            place = Place(self._end, len(data))
            self._file.seek(self._end)
            self._file.write(data)
            self._end += len(data)
            return place

    def read(self, place: Place) -> bytes:
        """Give it back."""
        with self._lock:
            self._file.seek(place.offset)
            return self._file.read(place.size)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
