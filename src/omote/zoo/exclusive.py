"""One process at a time: a lock that its holder's death releases."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from omote.errors import InputError

if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


_PAUSE = 0.1
"""Seconds between two looks at a lock that is held."""


@contextlib.contextmanager
def exclusive(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock `path`; wait for whoever holds it, in another process or another thread.

    The file exists only while somebody holds or wants the lock. Where the file system knows no locks, there
    is none: two downloads may then spoil each other, which their digest finds.

    Args:
        path: the lock's file, in a folder that exists.
        on_wait: called once if the lock is held by somebody else.

    Raises:
        InputError: the folder cannot be written to.
    """
    handle = _acquire(path, on_wait)
    try:
        yield
    finally:
        # Removed while it is held, so that whoever waits on it sees that it has gone and makes a new one.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def _acquire(path: Path, on_wait: Callable[[], None] | None) -> int:
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except PermissionError as error:
            # Windows answers so while the holder removes the file.
            if sys.platform == "win32" and path.parent.is_dir() and os.access(path.parent, os.W_OK):
                time.sleep(_PAUSE)
                continue
            raise InputError(f"{path.parent}: cannot be written ({error.strerror})") from error
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be written ({error.strerror})") from error
        try:
            _try_lock(handle)
        except (BlockingIOError, PermissionError):
            os.close(handle)
            if on_wait is not None:
                on_wait()
                on_wait = None
            time.sleep(_PAUSE)
            continue
        except OSError:  # a file system without locks
            return handle
        if _is_still(path, handle):
            return handle
        os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    """Whether the locked file is the one that everybody sees under this name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
