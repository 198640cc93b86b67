"""`omote export`: make a network file of what was trained."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint, or a run's folder.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.onnx", help="The card comes beside it.")
    ],
    half: Annotated[bool, typer.Option("--half", help="Store the weights in half precision.")] = False,
    int8: Annotated[
        Path | None,
        typer.Option(
            metavar="FACES",
            help="Compute with 8-bit integers; their ranges are taken from these faces, as for omote train.",
        ),
    ] = None,
    settle: Annotated[
        Path | None,
        typer.Option(
            metavar="FACES",
            help="Of omote-identity: solve for the last layer, by least squares over these faces.",
        ),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="As for omote train; for --int8 and --settle.")] = None,
) -> None:
    """Write a trained network as an ONNX file with its card: omote swap --swapper FILE.onnx uses it."""
    from omote.cli.training_room import require_torch

    require_torch()
    from omote.training.export import export as write
    from omote.training.shown import Shown

    made = write(
        checkpoint,
        output,
        half=half,
        int8=Shown(int8, cache) if int8 else None,
        settle=Shown(settle, cache) if settle else None,
    )
    print("\n".join(map(str, made.files)))
    print(f"{made.samples:,} samples seen; differs from torch by {made.difference:.1g} at most")
