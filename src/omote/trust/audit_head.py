"""The head of the audit log: how long the log is and how it ends, signed."""

from dataclasses import asdict, dataclass
from pathlib import Path

from omote.errors import InputError, RefusedError
from omote.trust.canonical import canonical, read_json
from omote.trust.home import write_private
from omote.trust.signing import Signer, signed

HEAD = "audit.head"
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """What the log should be.

    Attributes:
        count: lines.
        size: bytes of all lines with their ends.
        length: bytes of the last line with its end.
        last: digest of the last line without its end.
    """

    count: int
    size: int
    length: int
    last: str


def read_head(home: Path, public: str) -> Head | None:
    """Read the head of a folder's log; None if there is none.

    Args:
        home: the folder.
        public: the key that must have signed it.

    Raises:
        RefusedError: it was changed.
        InputError: it cannot be read.
    """
    path = home / HEAD
    changed = RefusedError(f"{path}: was changed; omote audit restart begins a new log")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        value = read_json(content, str(path), _LARGEST)
        signature = value.pop("signature")
        if canonical({**value, "signature": signature}) + b"\n" != content:
            raise changed
        if not signed("audit head", canonical(value), public, signature):
            raise changed
        return Head(**value)
    except (InputError, TypeError, KeyError, AttributeError):
        raise changed from None


def write_head(home: Path, head: Head, signer: Signer) -> None:
    """Replace the head of a folder's log.

    Raises:
        InputError: it cannot be written.
    """
    value = asdict(head)
    value["signature"] = signer.sign("audit head", canonical(value))
    write_private(home / HEAD, canonical(value) + b"\n")
