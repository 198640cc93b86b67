"""The errors that Omote raises: each says what is wrong, with which input, and what to do.

Every error is one line of text. The command line prints that line and leaves with `exit_code`.
"""


class OmoteError(Exception):
    """Base of every error that Omote raises on purpose.

    What cannot be printed is shown by its escape: names of files and values in them come from anywhere, and
    must not steer a terminal.
    """

    exit_code = 1

    def __str__(self) -> str:
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in super().__str__())


class UsageError(OmoteError):
    """The request makes no sense: an unknown option value, an output that equals an input (exit 2)."""

    exit_code = 2


class InputError(OmoteError):
    """A file cannot be read, is not what it claims to be, or cannot be written (exit 3)."""

    exit_code = 3


class NoFaceError(OmoteError):
    """A picture has no face, or not the face that was asked for (exit 4)."""

    exit_code = 4


class RefusedError(OmoteError):
    """Rights or safety forbid the job (exit 5)."""

    exit_code = 5


class ModelError(OmoteError):
    """A network is missing or does not meet its contract (exit 6)."""

    exit_code = 6
