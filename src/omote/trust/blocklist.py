"""The do-not-swap list: faces that are never used as a source on this computer, whatever rights are stated.

It is the user's own list, in the private folder; Omote ships none and sends it nowhere. It can only forbid;
therefore it is not signed.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy.typing as npt

from omote.errors import InputError, RefusedError, UsageError
from omote.trust.canonical import canonical, read_json
from omote.trust.home import make_private_folder, write_private
from omote.trust.moments import written
from omote.trust.template import THRESHOLD, FaceTemplate
from omote.zoo.exclusive import exclusive

_FILE = "blocked.json"
_LARGEST = 64_000_000
_KEYS = {"name", "codes", "photos", "network", "since"}


@dataclass(frozen=True, slots=True)
class Blocked:
    """A face of the list.

    Attributes:
        name: by which it is listed and unblocked.
        face: its template.
        network: SHA-256 of the identity network that made it.
        since: when it was blocked.
    """

    name: str
    face: FaceTemplate
    network: str
    since: str


class BlockedError(RefusedError):
    """A source face is on the list (exit 5).

    Attributes:
        reason: in a few words, for the log, which names nobody.
    """

    reason = "do-not-swap list"


def blocked(home: Path) -> tuple[Blocked, ...]:
    """The list, in the order in which faces were blocked.

    Raises:
        InputError: it is damaged; then nobody knows who is on it, and nothing is made.
    """
    path = home / _FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    rows = read_json(content, str(path), _LARGEST)
    damaged = InputError(
        f"{path}: damaged; put back a copy, or delete it (who is on the list is then unknown)"
    )
    if not isinstance(rows, list):
        raise damaged
    found = []
    for row in rows:
        if not isinstance(row, dict) or set(row) != _KEYS or not isinstance(row["photos"], int):
            raise damaged
        if not all(isinstance(row[key], str) for key in _KEYS - {"photos"}):
            raise damaged
        face = FaceTemplate(row["codes"], row["photos"])
        try:
            face.vector()
        except InputError:
            raise damaged from None
        found.append(Blocked(row["name"], face, row["network"], row["since"]))
    return tuple(found)


def block(home: Path, name: str, face: FaceTemplate, network: str, moment: datetime) -> None:
    """Put a face on the list. A name may have several faces: another photo of the same person helps.

    Raises:
        InputError: the name is empty or too long, or the list is damaged or cannot be written.
    """
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise InputError("--name: give the blocked face a name of at most 200 characters")
    make_private_folder(home)
    with exclusive(home / f".{_FILE}.lock"):
        _write(home, (*blocked(home), Blocked(name, face, network, written(moment))))


def unblock(home: Path, name: str) -> int:
    """Take all faces of a name off the list; returns how many.

    Raises:
        UsageError: there is no such name.
        InputError: the list is damaged or cannot be written.
    """
    make_private_folder(home)
    with exclusive(home / f".{_FILE}.lock"):
        known = blocked(home)
        left = tuple(entry for entry in known if entry.name != name)
        if len(left) == len(known):
            raise UsageError(f"nobody is blocked under the name '{name}': omote consent blocked lists them")
        _write(home, left)
        return len(known) - len(left)


def require_not_blocked(home: Path, sources: npt.ArrayLike, network: str) -> None:
    """Make sure that no source is on the list.

    Args:
        home: the private folder.
        sources: (N, D) embeddings; N may be 0.
        network: SHA-256 of the network that they are of.

    Raises:
        BlockedError: one is, or the list was made with another network.
        InputError: the list is damaged.
    """
    for entry in blocked(home):
        if entry.network != network:
            raise BlockedError(
                f"the do-not-swap list has '{entry.name}' by another identity network: unblock and block it "
                "anew: omote consent unblock, omote consent block"
            )
        if (entry.face.likeness(sources) >= THRESHOLD).any():
            raise BlockedError(
                f"the source face is on the do-not-swap list as '{entry.name}' since {entry.since[:10]}; "
                "omote consent blocked shows the list"
            )


def _write(home: Path, entries: tuple[Blocked, ...]) -> None:
    rows = [
        {**asdict(entry.face), "name": entry.name, "network": entry.network, "since": entry.since}
        for entry in entries
    ]
    write_private(home / _FILE, canonical(rows) + b"\n")
