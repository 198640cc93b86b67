"""JSON in one form only, so that equal records have equal bytes and can be signed.

The form is that of RFC 8785 (JSON Canonicalization Scheme) for what records hold: text, whole numbers, true,
false, null, lists and objects with sorted keys. Fractions are not allowed, since their digits differ between
languages.
"""

import json
from typing import Any

from omote.errors import InputError

_SAFE = 2**53 - 1
"""Whole numbers beyond are not exact in every language (RFC 7493)."""

_DEEPEST = 12


def canonical(value: Any) -> bytes:
    """Write a value in the one form, UTF-8 without spaces.

    Raises:
        ValueError: it holds something else than text, whole numbers, booleans, null, lists and objects, or
            text that is no Unicode.
    """
    _require_plain(value, _DEEPEST)
    # RFC 8785 sorts keys by UTF-16 code units; those of records are ASCII, where all orders agree.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8")


def read_json(content: bytes, label: str, largest: int) -> Any:
    """Read JSON of records, in whatever form; the value can be written with `canonical`.

    Args:
        content: the bytes.
        label: what to call them in messages.
        largest: most bytes.

    Raises:
        InputError: it is too large, no JSON, has a key twice, or holds what records do not.
    """
    if len(content) > largest:
        raise InputError(f"{label}: too large for such a file ({len(content)} bytes, at most {largest})")
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
        canonical(value)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{label}: damaged, or no such file at all ({_line(error)})") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _require_plain(value: Any, depth: int) -> None:
    if not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        if not all(isinstance(key, str) and key.isascii() for key in value):
            raise ValueError("keys must be ASCII")
        for entry in value.values():
            _require_plain(entry, depth - 1)
    elif isinstance(value, list):
        for entry in value:
            _require_plain(entry, depth - 1)
    elif isinstance(value, int):
        if abs(value) > _SAFE:
            raise ValueError("a number is too large")
    elif isinstance(value, str):
        value.encode("utf-8")  # lone surrogates are a UnicodeEncodeError, which is a ValueError
    elif value is not None:
        raise ValueError(f"{type(value).__name__} values are not allowed")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
