"""A file that is half here, with a little file beside it that says what it is the beginning of."""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from omote.zoo.folder import writing


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known of a file that is half here: needed to go on with it.

    Attributes:
        url: where the part is from.
        total: bytes of the whole file.
        validator: strong ETag or date, by which the server tells whether the file is still the same.
    """

    url: str
    total: int
    validator: str | None


def discard(part: Path) -> None:
    """Remove a part and what is known of it."""
    for path in (part, _notes(part)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def note(part: Path, beginning: Beginning) -> None:
    """Write down what a part is the beginning of.

    Raises:
        InputError: it cannot be written.
    """
    with writing(part, lambda: discard(part)):
        _notes(part).write_text(json.dumps(asdict(beginning)), "utf-8")


def beginning_of(part: Path) -> Beginning | None:
    """What is known of a part; None if there is none, or nothing is known of it."""
    if size_of(part) == 0:
        return None
    try:
        known = Beginning(**json.loads(_notes(part).read_text("utf-8")))
        return known if size_of(part) <= known.total else None
    except (OSError, ValueError, TypeError):
        return None


def size_of(path: Path) -> int:
    """Bytes that are here."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")
