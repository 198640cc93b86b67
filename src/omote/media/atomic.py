"""Outputs appear whole or not at all: written to a hidden file beside the target, then renamed over it.

The hidden file is locked while its writer lives, so that one left behind by a killed run can be told from
one in use; the next run for the same target sweeps it away.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from omote.errors import InputError
from omote.media.sniff import reason

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be removed there, which is lock enough
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".omote-part"

Publish = Callable[[Path], object]
"""Takes a finished file, makes of it what shall be seen, such as a signed copy, and gives that its name."""


class AtomicFile:
    """A hidden temporary file that becomes `target` on `commit()` and vanishes on `discard()`.

    Raises InputError at once if the target is a folder, or its folder is missing or cannot be written.
    As a context manager it commits on a clean exit and discards on any exception, Ctrl-C included.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        folder = target.parent
        if target.is_dir():
            raise InputError(f"{target}: is a folder; name a file to write")
        if not folder.is_dir():
            raise InputError(f"{target}: cannot be written: there is no folder {folder}")
        if target.exists() and not os.access(target, os.W_OK):
            raise InputError(f"{target}: cannot be overwritten (no permission)")
        _sweep(target)
        try:
            self.path, handle = _create(target)
        except OSError as error:
            raise InputError(f"{target}: cannot be written ({reason(error)})") from None
        self._handle: int | None = handle

    def commit(self) -> None:
        """Rename the finished file to the target, replacing what was there."""
        try:
            if self._handle is not None:
                os.fsync(self._handle)
            if fcntl is None:
                self._release()
            # Locked until it has its name, or a run that starts just now would sweep it away.
            os.replace(self.path, self.target)
            self._release()
        except OSError as error:
            self.discard()
            raise InputError(f"{self.target}: cannot be written ({reason(error)})") from None

    def discard(self) -> None:
        """Remove the temporary file; the target stays as it was."""
        self._release()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()


@contextlib.contextmanager
def published(target: Path, publish: Publish | None = None) -> Iterator[Path]:
    """A hidden file to write; at a clean exit it gets the name of `target`, by `publish` or by a rename."""
    file = AtomicFile(target)
    try:
        yield file.path
        if publish is None:
            file.commit()
        else:
            publish(file.path)
    finally:
        file.discard()


def _create(target: Path) -> tuple[Path, int]:
    """Make and lock a hidden file; another one if a run that sweeps got hold of it before it was locked."""
    while True:
        path = target.parent / f".{_short(target.name)}.{secrets.token_hex(4)}{_SUFFIX}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if fcntl is None:
            return path, handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        except OSError:  # a file system without locks: nothing is ever swept there
            return path, handle
        if path.exists():
            return path, handle
        os.close(handle)


def _short(name: str) -> str:
    """As much of a name as leaves room in the 255 bytes of a file name."""
    return name.encode()[:200].decode(errors="ignore")


def _sweep(target: Path) -> None:
    """Remove temporary files of dead runs for the same target."""
    for left in target.parent.glob(f".{_escape(_short(target.name))}.*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            if fcntl is None:
                left.unlink()
                continue
            handle = os.open(left, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(handle)


def _escape(name: str) -> str:
    """`name` with glob's special characters made literal."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
