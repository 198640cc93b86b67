"""`omote jobs`: films that broke off, how far they are, and how to go on with them or be rid of them."""

from pathlib import Path
from typing import Annotated

import typer


def jobs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER...", help="Where to look, with all below it [default: here]"),
    ] = None,
    remove: Annotated[
        list[Path] | None,
        typer.Option(metavar="JOB", help="Delete this job folder with all that is finished; repeatable."),
    ] = None,
) -> None:
    """List unfinished films, or remove what is left of them."""
    from omote.errors import InputError
    from omote.pipelines import JobFolder, job_folders

    for path in remove or ():
        folder = JobFolder(path)
        if not folder.begun():
            raise InputError(f"{path}: is no job folder of omote")
        with folder.locked():
            folder.remove()
        print(f"removed: {path}")
    if remove:
        return
    for place in folders or [Path()]:
        if not place.is_dir():
            raise InputError(f"{place}: there is no such folder")
        for folder in job_folders(place):
            found, made, count = folder.counts()
            state = "at work" if folder.is_locked() else "unfinished"
            print(f"{folder.path}: {state}, faces found in {found}, swapped in {made} of {count} segments")
            print(f"  go on:  {folder.command()}")
            print(f"  remove: omote jobs --remove {folder.path}")
