"""`omote evaluate`: say how good a swapper is."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from omote.cli import options
from omote.cli.console import film_progress


def evaluate(
    judge: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="Identity network that recognises people; one that had no part in the swapper's training.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the report.", show_default=False)
    ],
    swapper: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="mesh, a swapper of the catalogue, a file, a plug-in.")
    ] = "mesh",
    contract: Annotated[
        str | None, typer.Option(help="How a --swapper FILE is used: simswap, inswapper, ...")
    ] = None,
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
    """Swap faces of a set and report likeness, pose, expression, gaze, colour and realism."""
    from omote.evaluation.command import Chosen, run
    from omote.evaluation.report import report_folder
    from omote.pipelines import Progress, SwapSettings

    given: dict[str, Any] = dict(locals())
    names = ("swapper", "contract", "device", "precision", "max_pixels")
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
