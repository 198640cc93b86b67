"""What the log keeps of a job that was refused: why, in a word, and never in the words of the message."""

from collections.abc import Sequence

from omote.errors import RefusedError
from omote.trust.audit import Entry
from omote.trust.consent_rules import ConsentRefusedError
from omote.trust.safety import SafetyRefusedError


def refused_entry(error: RefusedError, inputs: Sequence[tuple[str, str]]) -> Entry:
    """The line of a refused job. Messages name files and people, so none of their text is kept.

    Args:
        error: why it was refused.
        inputs: role and SHA-256 of each file; left out where the gate saw an apparent minor, as nobody shall
            be able to find such material by the log.
    """
    if isinstance(error, SafetyRefusedError):
        kept = () if error.verdict.young else tuple(inputs)
        return Entry(
            "refused", inputs=kept, gate=error.verdict.as_dict(), detail={"why": error.verdict.reason}
        )
    why = f"consent: {error.reason}" if isinstance(error, ConsentRefusedError) else "rights"
    return Entry("refused", inputs=tuple(inputs), detail={"why": why})
