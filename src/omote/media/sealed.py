"""Files that say themselves whether they are whole: records, a head in JSON, and a digest of all of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from omote.errors import InputError
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason

_MAGIC = b"omote sealed 1\n"
_SIZE = struct.Struct("<Q")
_CHUNK = 1 << 20


class SealedWriter:
    """Writes a sealed file: `add` records, then `seal`. It appears at `path` whole or not at all.

    Left without `seal`, nothing appears. Raises InputError if the folder is missing or cannot be written, or
    the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._atomic = AtomicFile(path)
        self._digest = hashlib.sha256()
        self._records = 0
        try:
            self._file = self._atomic.path.open("wb")
            self._put(_MAGIC)
        except BaseException:
            self._atomic.discard()
            raise

    def add(self, record: bytes) -> None:
        """Append a record."""
        self._put(_SIZE.pack(len(record)) + record)
        self._records += 1

    def seal(self, head: dict[str, Any]) -> None:
        """Add the head and the digest, and give the file its name."""
        text = json.dumps(head).encode()
        self._put(text + _SIZE.pack(self._records) + _SIZE.pack(len(text)))
        self._put(self._digest.digest())
        try:
            self._file.close()
        except OSError as error:
            raise self._refusal(error) from None
        self._atomic.commit()

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._refusal(error) from None
        self._digest.update(data)

    def _refusal(self, error: OSError) -> InputError:
        return InputError(f"{self._path}: cannot be written ({reason(error)})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._file.closed:
            with contextlib.suppress(OSError):  # what could not be flushed is thrown away
                self._file.close()
        self._atomic.discard()


class SealedFile:
    """A sealed file to be read; `head` is what it was sealed with.

    Raises InputError if it is missing or breaks off; whether each byte is right, `require_whole` says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        tail = 2 * _SIZE.size + hashlib.sha256().digest_size
        try:
            with path.open("rb") as file:
                length = file.seek(0, 2)
                file.seek(max(0, length - tail))
                sizes = file.read(2 * _SIZE.size)
                if length < tail + len(_MAGIC):
                    raise ValueError("too short")
                self._records, size = (value for (value,) in _SIZE.iter_unpack(sizes))
                if size > length - tail:
                    raise ValueError("too long a head")
                file.seek(length - tail - size)
                self.head: dict[str, Any] = json.loads(file.read(size))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({reason(error)})") from None
        except (ValueError, OverflowError):
            raise InputError(f"{path}: damaged") from None

    def require_whole(self) -> None:
        """Raise InputError unless every byte is as it was written."""
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                left = self.path.stat().st_size - digest.digest_size
                while left > 0 and (data := file.read(min(left, _CHUNK))):
                    digest.update(data)
                    left -= len(data)
                whole = file.read() == digest.digest()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({reason(error)})") from None
        if not whole:
            raise InputError(f"{self.path}: damaged")

    def records(self) -> Iterator[bytes]:
        """The records, one by one."""
        try:
            with self.path.open("rb") as file:
                file.seek(len(_MAGIC))
                for _ in range(self._records):
                    (size,) = _SIZE.unpack(file.read(_SIZE.size))
                    record = file.read(size)
                    if len(record) != size:
                        raise InputError(f"{self.path}: damaged")
                    yield record
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({reason(error)})") from None
        except (struct.error, OverflowError, MemoryError):
            raise InputError(f"{self.path}: damaged") from None
