"""`omote batch`: many swaps from one file, one after the other, whatever becomes of each."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from omote.cli import options
from omote.cli.console import film_progress, kept_when_interrupted, summary
from omote.cli.rights import RightsText, ask_for_rights


def batch(
    jobs: Annotated[
        Path, typer.Argument(metavar="JOBS.toml", help="Says what goes into what.", show_default=False)
    ],
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with unfinished films, and leave out what is there already."),
    ] = False,
    rights: RightsText = None,
    cluster: options.Cluster = None,
) -> None:
    """Do all swaps of a file; leaves with the exit code of the first that failed."""
    from omote.errors import OmoteError
    from omote.pipelines import read_batch, swap_file

    items = read_batch(jobs)
    if not all(item.settings.rights for item in items):  # asked once, before any work
        stated = str(ask_for_rights(rights))
        items = [item.with_rights(stated) for item in items]
    if cluster is not None:
        items = [replace(item, settings=replace(item.settings, cluster=cluster)) for item in items]
    done, there = 0, 0
    failures: list[tuple[Path, str, int]] = []
    for number, item in enumerate(items, 1):
        if resume and item.output.exists():
            there += 1
            continue
        try:
            title = f"{number}/{len(items)} {item.target.name}"
            with film_progress(title) as report, kept_when_interrupted(item.output):
                item.output.parent.mkdir(parents=True, exist_ok=True)
                result = swap_file(
                    item.sources, item.target, item.output, item.settings, report, resume=resume
                )
            summary(result)
            done += 1
        except OmoteError as error:
            if error.exit_code == 130:
                raise
            failures.append((item.target, str(error), error.exit_code))
        except Exception as error:  # a defect of ours in one job is no reason to leave the others undone
            failures.append((item.target, f"unexpected {type(error).__name__}: {error}", 1))
    for target, message, _ in failures:
        print(f"failed: {target.name}: {' '.join(message.split())}", file=sys.stderr)
    already = f", {there} there already" if there else ""
    print(f"{done} of {len(items)} done{already}, {len(failures)} failed: {jobs}")
    if failures:
        raise typer.Exit(failures[0][2])
