"""The folder where keys, consents and the audit log are kept: private to the user who runs Omote.

It is data and no cache: nothing in it can be fetched again, so it does not lie beside the networks, which
clean-up tools may delete.
"""

import contextlib
import os
import secrets
import sys
from pathlib import Path

from omote.errors import InputError

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


def trust_folder() -> Path:
    """Where it is, made or not: `trust` in the folder of `OMOTE_HOME`, or in the user's data folder."""
    home = os.environ.get("OMOTE_HOME")
    if home:
        return Path(home) / "trust"
    if sys.platform == "win32":
        data = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(data) / "omote" / "trust"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "omote" / "trust"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "omote" / "trust"


def make_private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter, and return it; one that is there already is closed again.

    Raises:
        InputError: it cannot be made, or is not the user's own.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        if os.name == "posix" and folder.stat().st_mode & 0o777 != _FOLDER_MODE:
            folder.chmod(_FOLDER_MODE)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot make the folder for keys and records ({error.strerror}); "
            "set OMOTE_HOME to one that can be written"
        ) from error
    return folder


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file that only its owner may read (0600), whole or not at all, and make sure that it lasts.

    Args:
        path: the file; its folder exists.
        content: all of it.
        replace: whether a file of that name may be replaced; if not, the first writer wins.

    Raises:
        FileExistsError: there is such a file and `replace` is false.
        InputError: it cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        # Private from its first moment: a later chmod would leave a gap.
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _FILE_MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(fresh, path)
        else:
            _claim(fresh, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder outlast a power failure, where the platform can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _claim(fresh: Path, path: Path) -> None:
    """Give a finished file its name unless the name is taken."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: renaming there fails on Windows, and races elsewhere
        if path.exists():
            raise FileExistsError(path) from None
        os.rename(fresh, path)
