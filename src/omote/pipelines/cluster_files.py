"""Copies of a job's files on a node that does not see them, shared by the job's workers there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from omote.errors import InputError
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason
from omote.zoo.exclusive import exclusive

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

_HELD = "held"
"""Each folder of copies has a file of this name, locked by everybody who uses them."""


class NodeFiles:
    """The copies of one job on this node. The last worker to leave removes them; those of dead ones go, too.

    Args:
        job: a name of the job that no other job has.

    Raises:
        InputError: the folder for temporary files cannot be used.
    """

    def __init__(self, job: str) -> None:
        if fcntl is None:
            raise InputError("workers on Windows must see film, photos and job folder under the same paths")
        self._root = Path(tempfile.gettempdir()) / f"omote-cluster-{os.getuid()}"
        try:
            self._root.mkdir(mode=0o700, exist_ok=True)
            owner = self._root.lstat()
        except OSError as error:
            raise InputError(f"{self._root}: cannot be made ({reason(error)})") from None
        if self._root.is_symlink() or owner.st_uid != os.getuid():
            raise InputError(f"{self._root}: belongs to somebody else: remove it")
        self.path = self._root / job
        with exclusive(self._root / "lock"):
            _sweep(self._root)
            self.path.mkdir(exist_ok=True)
            self._held = os.open(self.path / _HELD, os.O_RDWR | os.O_CREAT)
            fcntl.flock(self._held, fcntl.LOCK_SH)

    def add(self, name: str, parts: Iterable[bytes]) -> Path:
        """Where a file lies; its parts are asked for if no other worker has written it before.

        Raises:
            InputError: it cannot be written.
        """
        path = self.path / name
        with exclusive(self.path / f"{name}.lock"):
            if not path.exists():
                with AtomicFile(path) as file:
                    for part in parts:
                        _append(file.path, part)
        return path

    def leave(self) -> None:
        """Use the copies no longer."""
        with exclusive(self._root / "lock"):
            os.close(self._held)
            _sweep(self._root)


def _append(path: Path, part: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(part)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({reason(error)})") from None


def _sweep(root: Path) -> None:
    """Remove the folders that nobody uses any more, whether they were left or their users died."""
    for folder in root.iterdir():
        with contextlib.suppress(OSError):  # in use, or no folder
            held = os.open(folder / _HELD, os.O_RDWR)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(held)
