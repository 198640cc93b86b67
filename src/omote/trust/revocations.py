"""Revoked consents: digests of records that no longer count on this computer.

A digest is enough to revoke a record, so a revocation can be passed on without passing on the record. The
list can only forbid; therefore it is not signed.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from omote.errors import InputError
from omote.trust.canonical import canonical, read_json
from omote.trust.home import make_private_folder, write_private
from omote.trust.moments import written
from omote.zoo.exclusive import exclusive

_FILE = "revoked.json"
_LARGEST = 16_000_000


def revoked(home: Path) -> dict[str, str]:
    """When which record was revoked, by digest.

    Raises:
        InputError: the list is damaged; then nobody knows what was revoked, and no consent counts.
    """
    path = home / _FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    value: Any = read_json(content, str(path), _LARGEST)
    if not isinstance(value, dict) or not all(isinstance(moment, str) for moment in value.values()):
        raise InputError(f"{path}: damaged; put back a copy, or delete it (what was revoked is then unknown)")
    return value


def revoke(home: Path, sha256: str, moment: datetime) -> None:
    """Put a record on the list, for good.

    Raises:
        InputError: no SHA-256, or the list is damaged or cannot be written.
    """
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise InputError(f"{sha256}: no digest of a consent (64 hexadecimal digits)")
    make_private_folder(home)
    with exclusive(home / f".{_FILE}.lock"):
        known = revoked(home)
        known.setdefault(sha256, written(moment))
        write_private(home / _FILE, canonical(known) + b"\n")
