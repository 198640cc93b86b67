"""Which commands read files that nobody vouches for, and what they may use meanwhile."""

import os
from collections.abc import Sequence
from pathlib import Path

from omote.confinement import Limits, half_of_memory
from omote.trust.home import trust_folder

OFF = "--no-confine"
_OFF_VARIABLE = "OMOTE_NO_CONFINE"
_YES = frozenset({"1", "true", "t", "yes", "y", "on"})
"""What switches an option on in the environment, as typer has it."""

_WRITING = frozenset({"swap", "batch", "faces", "people", "consent", "evaluate"})
_LOOKING = "verify"
_STREAMING = "live"
_SECONDS = 600
"""Of processor time, for a look at one file; the largest that Omote takes need a tenth."""

_FILE_SIZE = 1 << 26
"""What a command that only looks may print into a file."""


def limits_of(arguments: Sequence[str]) -> Limits | None:
    """The limits of a command line; None if it reads no foreign media, or the user wants none."""
    command = next((word for word in arguments if not word.startswith("-")), None)
    if OFF in arguments or os.environ.get(_OFF_VARIABLE, "").strip().lower() in _YES:
        return None
    if command == _LOOKING:
        return Limits(half_of_memory(), _SECONDS, _FILE_SIZE, writable=(), alone=True)
    if command == _STREAMING:
        return Limits(half_of_memory(), network=True)
    if command in _WRITING:
        return Limits(half_of_memory(), network=_asks_cluster(arguments) or _asks_authority())
    return None


def _asks_cluster(arguments: Sequence[str]) -> bool:
    """Whether segments go to other machines; what stands in omote.toml or a batch file opens no network."""
    return any(word == "--cluster" or word.startswith("--cluster=") for word in arguments)


def _asks_authority() -> bool:
    """Whether signing asks a time-stamp authority; see `omote.trust.keys`, too heavy to be imported here."""
    setting: Path = trust_folder() / "keys" / "timestamp-authority"
    try:
        return bool(setting.read_text().strip())
    except OSError:
        return False
