"""A folder that appears whole or not at all."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType

from omote.errors import InputError, UsageError
from omote.media.sniff import reason

try:
    import fcntl
except ImportError:  # Windows: what a killed run left behind stays until it is removed by hand
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".omote-part"


class StagedFolder:
    """A hidden folder beside `target` that gets its name when all is written, and vanishes if that fails.

    The hidden folder is locked while its writer lives; the next run for the same target removes those of dead
    runs. As a context manager it commits on a clean exit and discards on any exception, Ctrl-C included.

    Attributes:
        target: the folder to make.
        path: where to write until then.

    Raises:
        UsageError: the target exists and is not an empty folder.
        InputError: its parent is missing or cannot be written.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise UsageError(f"{target}: is there already; name a new folder, or remove it first")
        if not target.absolute().parent.is_dir():
            raise InputError(f"{target}: cannot be made: there is no folder {target.absolute().parent}")
        self._sweep()
        self.path = target.absolute().parent / f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}"
        try:
            self.path.mkdir()
            self._handle = _lock(self.path)
        except OSError as error:
            raise InputError(f"{target}: cannot be made ({reason(error)})") from None

    def commit(self) -> None:
        """Give the folder its name."""
        try:
            if self.target.is_dir():
                self.target.rmdir()
            self.path.rename(self.target)
        except OSError as error:
            self.discard()
            raise InputError(f"{self.target}: cannot be made ({reason(error)})") from None
        self._release()

    def discard(self) -> None:
        """Remove what was written; the target stays as it was."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._release()

    def __enter__(self) -> "StagedFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()

    def _release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _sweep(self) -> None:
        """Remove hidden folders of dead runs for the same target."""
        beside = self.target.absolute().parent
        for left in beside.iterdir():
            if left.name.startswith(f".{self.target.name}.") and left.name.endswith(_SUFFIX):
                with contextlib.suppress(OSError):
                    handle = _lock(left)
                    if handle is not None:
                        shutil.rmtree(left, ignore_errors=True)
                        os.close(handle)


def _lock(folder: Path) -> int | None:
    """Lock a folder; None where locks cannot be had. Raises OSError if another process holds it."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
