"""The store's folder: where it is by default, and what happens when it cannot be written to."""

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from omote.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CURE = "free some space, or set OMOTE_HOME to a folder on another disk"


def default_folder() -> Path:
    """`models` in the folder that `OMOTE_HOME` names, or in the cache folder that the platform provides."""
    home = os.environ.get("OMOTE_HOME")
    if home:
        return Path(home) / "models"
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(cache) / "omote" / "cache" / "models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "omote" / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omote" / "models"


def make_folder(folder: Path) -> None:
    """Make the store's folder.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot make the folder ({error.strerror}); set OMOTE_HOME to one that can be written"
        ) from error


@contextlib.contextmanager
def writing(path: Path, discard: Callable[[], None]) -> Iterator[None]:
    """Make errors of the disk one line; a full disk gets its room back.

    Args:
        path: what is written.
        discard: removes it.

    Raises:
        InputError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            discard()
            raise InputError(f"{path.parent}: the disk is full; {_CURE}") from error
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def require_room(folder: Path, size: int) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        folder: where it shall go.
        size: bytes that it needs.

    Raises:
        InputError: there is not so much room.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    if free < size:
        raise InputError(
            f"{folder}: the disk is full: {size / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free; {_CURE}"
        )
