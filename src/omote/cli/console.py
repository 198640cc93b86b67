"""What commands print: a progress bar, and a closing line that says what was done."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from omote.pipelines import Progress, SwapReport


@contextmanager
def film_progress(title: str) -> "Iterator[Callable[[Progress], None]]":
    """Show frames, frames per second and time left on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=None, rate="")

        def report(progress: "Progress") -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                rate=f"{speed:.1f} fps" if speed else "",
            )

        yield report


@contextmanager
def kept_when_interrupted(output: Path) -> Iterator[None]:
    """Say after Ctrl-C how to go on with a film of which something is finished."""
    from omote.pipelines import JobFolder, JobInterrupted, job_path

    try:
        yield
    except KeyboardInterrupt:
        folder = JobFolder(job_path(output))
        if not folder.begun():
            raise
        raise JobInterrupted(
            f"interrupted; {folder.path} keeps what is finished: go on with --resume"
        ) from None


def help_if_alone(context: typer.Context) -> None:
    """Show the help of a group of commands that is called without a command (exit 2)."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


def summary(result: "SwapReport", stages: bool = False) -> None:
    """Print what a swap did, in one line; then its notes, and on request its stage table."""
    faces = _count(result.swapped, "face")
    frames = f" in {_count(result.frames, 'frame')}, {result.frame_rate:.1f} fps" if result.frames > 1 else ""
    kept = f", {_count(result.kept, 'frame')} of them kept from before" if result.kept else ""
    empty = f", {result.empty} without a face" if result.empty else ""
    print(f"{faces} swapped{frames}{kept}{empty}, {result.seconds:.1f} s: {result.output}")
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    for card in result.networks:
        if card.native is None:
            print(f"network {card.name}: licence {card.licence}: {card.consequence}")
    if stages:
        for name, seconds in result.stages.items():
            print(f"  {name:<8} {1000 * seconds / max(result.frames, 1):7.1f} ms/frame")


def write_record(path: Path, result: "SwapReport") -> None:
    """Write what a swap did as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    from omote.errors import InputError

    try:
        path.write_text(dumps(result.record(), indent=1) + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot write the record ({error.strerror})") from error


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
