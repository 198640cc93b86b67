"""`omote evaluate`: say how good a swapper is."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omote.cli import options
from omote.cli.console import film_progress
from omote.engines.native import DEFAULT_SWAPPER

if TYPE_CHECKING:
    from omote.evaluation.film_report import Coding
    from omote.pipelines import PeopleSettings


def evaluate(
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Identity network that recognises people; one that had no part in the swapper's training. "
            "Only --film does without [default there: omote-identity].",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for the report; only --film does without.", show_default=False
        ),
    ] = None,
    swapper: options.Swapper = DEFAULT_SWAPPER,
    contract: Annotated[
        str | None, typer.Option(help="How a --swapper FILE is used: simswap, inswapper, ...")
    ] = None,
    strength: options.Strength = 1.0,
    data: Annotated[
        Path | None, typer.Option(help="Folder of aligned faces; those that are held out are used.")
    ] = None,
    sources: Annotated[Path | None, typer.Option(help="Folder of photos whose faces are given.")] = None,
    targets: Annotated[Path | None, typer.Option(help="Folder of photos that get them.")] = None,
    films: Annotated[Path | None, typer.Option(help="Folder of films: the FaceForensics++ protocol.")] = None,
    film_pairs: Annotated[
        Path | None, typer.Option(help="JSON list of film pairs [default: a random derangement]")
    ] = None,
    frames_per_film: Annotated[int, typer.Option(min=1, help="Frames of each film, evenly.")] = 10,
    film: Annotated[
        Path | None, typer.Option(help="An untouched film: how steady is what a swap made of it?")
    ] = None,
    swapped: Annotated[Path | None, typer.Option(help="That --film after the swap.")] = None,
    quality: Annotated[float | None, typer.Option(help="The --quality that --swapped was made with.")] = None,
    preset: Annotated[str | None, typer.Option(help="The --preset that it was made with.")] = None,
    pairs: Annotated[int | None, typer.Option(min=2, help="At most so many pairs [default: all]")] = None,
    through: Annotated[
        str | None,
        typer.Option(
            metavar="crops|pipeline",
            help="The engine on aligned faces alone (the only way for --data), or whole pictures.",
        ),
    ] = None,
    expression: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Network of 52 blendshapes.")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="ONNX file whose features measure realism, such as Inception.")
    ] = None,
    mesh: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="Mesh network by which pose, expression and gaze are read."),
    ] = "omote-mesh",
    sheet_source: Annotated[
        str | None, typer.Option(help="Sets whose faces the contact sheet may show, by commas.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of pairs, intervals and halves.")] = 1,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    max_pixels: options.MaxPixels = 100_000_000,
) -> None:
    """Swap faces of a set and report likeness, pose, expression, gaze, colour and realism; or say how steady
    a film is that was swapped.
    """
    from omote.errors import UsageError
    from omote.evaluation.command import Chosen, run
    from omote.evaluation.film_report import Coding
    from omote.evaluation.report import report_folder
    from omote.pipelines import PeopleSettings, Progress, SwapSettings

    given: dict[str, Any] = dict(locals())
    if film is not None or swapped is not None:
        if film is None or swapped is None:
            raise UsageError("--film and --swapped belong together: give both films")
        if any(folder is not None for folder in (data, sources, targets, films)):
            raise UsageError("--film is no set of faces: leave --data, --sources, --targets and --films out")
        found = {name: given[name] for name in ("device", "precision", "max_pixels")}
        found |= {"recogniser": judge} if judge is not None else {}
        _film(film, swapped, PeopleSettings(**found), Coding(quality, preset), output)
        return
    if quality is not None or preset is not None:
        raise UsageError("--quality and --preset are for --film and --swapped")
    if judge is None or output is None:
        raise UsageError("give a judge and a folder for the report: --judge NAME|FILE --output FOLDER")
    names = ("swapper", "contract", "strength", "device", "precision", "max_pixels")
    settings = SwapSettings(**{name: given[name] for name in names}, threads=1)
    faces = Chosen(data, sources, targets, films, film_pairs, frames_per_film, pairs)
    with report_folder(output), film_progress("Evaluating") as report:
        made = run(
            faces,
            settings,
            judge=judge,
            expression=expression,
            features=features,
            mesh=mesh,
            through=through,
            seed=seed,
            progress=lambda done, total: report(Progress(done, total)),
        )
        shown = None if sheet_source is None else [name.strip() for name in sheet_source.split(",")]
        made.write(output, shown)
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    for row in made.result.rows:
        print(f"{row.metric.title:<38} {row.swap.value:8.3f} {row.metric.unit}")
    print(f"{len(made.pairs)} pairs, {made.seconds:.0f} s: {output}")


def _film(
    untouched: Path, swapped: Path, settings: "PeopleSettings", coding: "Coding", output: Path | None
) -> None:
    """Print how steady a swapped film is beside the untouched one."""
    from omote.evaluation.film_report import evaluate_film
    from omote.evaluation.report import report_folder

    with report_folder(output) if output is not None else nullcontext(), film_progress("Comparing") as report:
        made = evaluate_film(untouched, swapped, settings, coding, report)
        if output is not None:
            made.write(output)
    print("\n".join(made.lines()))
