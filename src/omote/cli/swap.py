"""`omote swap`: put a face into a photo or film."""

from pathlib import Path
from typing import Annotated, Any

import typer

from omote.cli.console import film_progress, summary


def swap(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE... TARGET",
            help="One or more photos of the person (several are averaged), then the photo or film to change.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to make.", show_default=False)],
    face: Annotated[
        str, typer.Option(help="Target face: largest, all, left, right, a number, or 'near X,Y'.")
    ] = "largest",
    source_face: Annotated[str, typer.Option(help="Face of the source photo; the same rules.")] = "largest",
    colour: Annotated[str, typer.Option(help="Colour transfer: none, reinhard, transport, light.")] = "light",
    blend: Annotated[str, typer.Option(help="Blending: feather, multiband, poisson.")] = "feather",
    opacity: Annotated[float, typer.Option(help="0 (as it was) to 1 (the new face in full).")] = 1.0,
    allow_no_face: Annotated[
        bool, typer.Option("--allow-no-face", help="Copy a target without a face through.")
    ] = False,
    codec: Annotated[
        str | None, typer.Option(help="x264, x265, vp9, av1, prores, ... [default: as the target]")
    ] = None,
    quality: Annotated[float | None, typer.Option(help="0 to 100 [default: visually lossless]")] = None,
    preset: Annotated[str | None, typer.Option(help="Speed of the encoder, in its own words.")] = None,
    start: Annotated[float | None, typer.Option(help="Begin at this second of the film.")] = None,
    end: Annotated[float | None, typer.Option(help="End at this second of the film.")] = None,
    detector: Annotated[
        Path | None, typer.Option(help="ONNX file of a YuNet-like detector [default: Omote's own]")
    ] = None,
    detector_size: Annotated[int, typer.Option(help="Longest side, in pixels, for the detector.")] = 640,
    score: Annotated[float | None, typer.Option(help="Least detector score [default: the network's]")] = None,
    max_pixels: Annotated[
        int, typer.Option(help="Refuse pictures and frames larger than this.")
    ] = 100_000_000,
    workers: Annotated[
        int | None, typer.Option(help="Frames in work at a time [default: processors]")
    ] = None,
    stages: Annotated[bool, typer.Option("--stages", help="Print the time that each stage took.")] = False,
) -> None:
    """Put the face of SOURCE into TARGET, a photo or film."""
    from omote.errors import UsageError
    from omote.pipelines import SETTING_NAMES, SwapSettings, swap_file

    given: dict[str, Any] = dict(locals())
    if len(inputs) < 2:
        raise UsageError("give a source photo and a target: omote swap SOURCE... TARGET -o OUTPUT")
    settings = SwapSettings(**{name: given[name] for name in SETTING_NAMES})
    *sources, target = inputs
    with film_progress("Swapping") as report:
        result = swap_file(sources, target, output, settings, report)
    summary(result, stages)
