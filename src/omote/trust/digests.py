"""Digests of files: by them the log and credentials name what was used and made."""

import hashlib
from pathlib import Path

from omote.errors import InputError


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits; it is read piece by piece.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
