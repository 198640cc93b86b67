"""The options by which commands learn why they may use a face, and the question where that is not said."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from omote.trust.rights import Rights

RightsText = Annotated[
    str | None,
    typer.Option(
        "--rights",
        metavar="WHY",
        envvar="OMOTE_RIGHTS",
        help="Why you may use the source face: own, consent[:FILE], synthetic, public-domain, "
        "licensed:REFERENCE.",
    ),
]
"""What `--rights` or the environment says; hand it to `ask_for_rights`."""

Project = Annotated[
    str | None,
    typer.Option(
        "--project", envvar="OMOTE_PROJECT", help="Name of the work, for consents that are given for one."
    ),
]

_QUESTION = """Why may you use the source face?
  1  it is my own face (own)
  2  the person agreed (consent); with a record: consent:FILE
  3  it is nobody's: generated (synthetic)
  4  it is in the public domain (public-domain)
  5  I have a licence for it: licensed:REFERENCE
Number or words: """
_NUMBERS = {"1": "own", "2": "consent", "3": "synthetic", "4": "public-domain"}


def ask_for_rights(text: str | None) -> "Rights":
    """The rights that were stated; on a terminal one question is asked if none were.

    Args:
        text: what the option or the environment says.

    Raises:
        RefusedError: nothing was stated, and there is nobody to ask, or no answer.
        UsageError: the statement makes no sense.
    """
    from omote.trust.rights import require_rights

    if text is None and sys.stdin.isatty() and sys.stderr.isatty():
        print(_QUESTION, end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline().strip()
        text = _NUMBERS.get(answer, answer)
    return require_rights(text)
