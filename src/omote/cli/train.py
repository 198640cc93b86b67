"""`omote train`: train a network by a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from omote.errors import OmoteError


class InterruptedRun(OmoteError):
    """Training was stopped by the user; its checkpoint is there (exit 130)."""

    exit_code = 130


def train(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="Name of a recipe, or a .toml file.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Face shards (`omote dataset build`).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="For checkpoint, log and sheets.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the output folder's checkpoint.")
    ] = False,
    begin_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER|FILE",
            help="Begin with the networks of that checkpoint, perhaps with other teachers.",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Change the recipe; repeatable."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after so long; --resume goes on.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="A small run of minutes on a CPU that must learn; needs no data.")
    ] = False,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to train.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="How many of them.")] = 1,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keeps decoded faces and embeddings for the next run."),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Evaluate on the held-out people every run.evaluate samples by this."
        ),
    ] = None,
    expression: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Network of 52 blendshapes, for that evaluation.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the recipe as it would be run, and stop.")
    ] = False,
) -> None:
    """Train a network by a recipe. Needs the extra `train`: pip install 'omote[train]'."""
    from omote.cli.training_room import require_torch

    require_torch()
    from omote.training.command import Request, recipe_table, run

    if recipe is None:
        print(recipe_table())
        return
    stopped = run(
        Request(
            recipe,
            data,
            output,
            resume=resume,
            begin_from=begin_from,
            assignments=tuple(assignments or ()),
            minutes=minutes,
            smoke=smoke,
            device=device,
            devices=devices,
            cache=cache,
            show=show,
            judge=judge,
            expression=expression,
        )
    )
    if stopped:
        raise InterruptedRun(stopped)
