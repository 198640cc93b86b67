"""`omote verify`: what is known of a file, whoever made it."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any picture or film.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print everything that was found as JSON.")] = False,
    watermark: Annotated[
        bool, typer.Option("--watermark/--no-watermark", help="Look for a watermark in the pixels, too.")
    ] = True,
) -> None:
    """Tell whether FILE is what its maker signed: one verdict, and why.

    Exit code: 0 intact, 10 no credentials, 11 credentials removed, 12 untrusted signer, 13 expired, 14 broken
    history, 15 contradicted, 16 tampered; 3 if FILE cannot be read.
    """
    from omote.trust.mark_search import search_mark
    from omote.trust.verify import verify_file

    found = verify_file(file, search=search_mark if watermark else None)
    if json:
        print(dumps(found.as_dict(), indent=1))
    else:
        print(f"{file}: {found.verdict.words}")
        for line in found.reasons:
            print(f"  {line}")
    raise typer.Exit(found.verdict.exit_code)
