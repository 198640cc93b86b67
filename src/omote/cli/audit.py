"""`omote audit`: what was made on this computer, and whether the record of it is whole."""

from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from omote.cli.console import help_if_alone

app = typer.Typer(
    help="Show and verify the log of what was made on this computer.",
    epilog="docs/trust.md says what a line holds, and what the log does not protect against.",
    invoke_without_command=True,
    callback=help_if_alone,
    rich_markup_mode=None,
)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("show")
def show(
    of: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|ID", help="Only what has to do with this file, SHA-256 or watermark identifier."
        ),
    ] = None,
    last: Annotated[int, typer.Option(help="Show so many of the newest lines; 0 shows all.")] = 20,
    json: _Json = False,
) -> None:
    """Show the newest lines, oldest first. Lines that were edited are left out: see `verify`."""
    from collections import deque

    from omote.trust.audit import AuditLog
    from omote.trust.audit_verify import entries, find_entries
    from omote.trust.digests import sha256_of
    from omote.trust.home import trust_folder

    log = AuditLog(trust_folder())
    if of is None:
        found = deque(entries(log), maxlen=last or None)
    else:
        mark = sha256_of(Path(of)) if Path(of).is_file() else of
        found = deque(find_entries(log, mark), maxlen=last or None)
    if json:
        print(dumps(list(found), indent=1, ensure_ascii=False))
        return
    for line in found:
        print(_line(line))
    if not found:
        print("nothing was logged" if of is None else f"nothing was logged of {of}")


@app.command("verify")
def verify(
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="N:DIGEST", help="What an earlier `verify` printed; the log must go on from it."
        ),
    ] = None,
    json: _Json = False,
) -> None:
    """Check every line, their order, and the end of the log (exit 3 if it was changed)."""
    from dataclasses import asdict

    from omote.errors import InputError
    from omote.trust.audit import AuditLog
    from omote.trust.audit_verify import verify_log
    from omote.trust.home import trust_folder

    log = AuditLog(trust_folder())
    state = verify_log(log, anchor)
    if json:
        print(dumps({"whole": state.fault is None, "anchor": state.anchor, **asdict(state)}, indent=1))
    if state.fault:
        raise InputError(f"{log.path}: {state.fault}")
    if not json:
        print(f"{log.path}: {state.lines} {'line' if state.lines == 1 else 'lines'}, nothing was changed")
        if state.unfinished:
            print("a run was killed while it wrote: half a line stands at the end, the next job repairs that")
        print(f"anchor: {state.anchor}")


@app.command("restart")
def restart() -> None:
    """Put a log that does not verify aside, and begin a new one whose first line says so."""
    from omote.trust.audit import AuditLog
    from omote.trust.home import trust_folder
    from omote.trust.moments import now

    print(f"the old log is kept: {AuditLog(trust_folder()).restart(now())}")


def _line(line: dict[str, Any]) -> str:
    facts = [str(line["number"] + 1), line["time"], line["operation"]]
    facts += [f"output {line['output'][:12]}"] if line["output"] else []
    facts += [f"rights {line['rights'].get('basis')}"] if line["rights"] else []
    facts += [f"gate {line['gate'].get('state')}"] if line["gate"] else []
    facts += [f"watermark {line['watermark']}"] if line["watermark"] else []
    facts += [f"{name} {value}" for name, value in line["detail"].items()]
    return "  ".join(facts)
