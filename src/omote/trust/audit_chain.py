"""One line of the audit log: what must be true of it where it stands."""

import hashlib
from typing import Any

from omote.errors import InputError
from omote.trust.canonical import canonical, read_json
from omote.trust.signing import Signer, signed

FIRST = "0" * 64
"""What the first line has for the digest of the line before."""

LONGEST = 262_144
"""Bytes of a line."""


def make_line(fields: dict[str, Any], number: int, previous: str, signer: Signer) -> bytes:
    """A line, without its end.

    Args:
        fields: what it says.
        number: how many lines are before.
        previous: digest of the line before.
        signer: signs it.

    Raises:
        InputError: it would be longer than `LONGEST`.
    """
    whole = {**fields, "number": number, "previous": previous}
    line = canonical({**whole, "signature": signer.sign("audit entry", canonical(whole))})
    if len(line) > LONGEST:
        raise InputError(f"an entry of the audit log is too long ({len(line)} bytes)")
    return line


def read_line(line: bytes, public: str) -> dict[str, Any] | None:
    """What a line says; None if it is not, to the byte, what the holder of the key wrote."""
    try:
        whole = read_json(line, "line", LONGEST)
        if not isinstance(whole, dict) or canonical(whole) != line:
            return None
        signature = whole.pop("signature", None)
        if not isinstance(signature, str) or not signed("audit entry", canonical(whole), public, signature):
            return None
    except InputError:
        return None
    return whole


def follows(fields: dict[str, Any], number: int, previous: str) -> bool:
    """Whether a line stands where it was written."""
    return bool(fields.get("number") == number and fields.get("previous") == previous)


def digest(line: bytes) -> str:
    """By which the next line names this one."""
    return hashlib.sha256(line).hexdigest()
