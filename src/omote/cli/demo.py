"""`omote demo`: swap a face in a photo and in a film, with what ships in the package."""

from pathlib import Path
from typing import Annotated

import typer

from omote.cli.console import film_progress, summary

_RIGHTS = "public-domain"  # of the portraits that ship


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path(
        "omote-demo"
    ),
    seconds: Annotated[float, typer.Option(help="Length of the film.")] = 4.0,
) -> None:
    """Swap a face in a photo and in a film; needs nothing but this package."""
    from omote.demo import SIZE, make_film, portraits
    from omote.errors import InputError
    from omote.pipelines import SwapSettings, swap_file
    from omote.pipelines.provenance import plain_work

    source, target = portraits()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot make the folder ({error.strerror})") from error
    photo, plain, film = output / "photo.jpg", output / "film-before.mp4", output / "film.mp4"
    settings = SwapSettings(rights=_RIGHTS)
    summary(swap_file([source], target, photo, settings))
    animated = plain_work(plain, SIZE, "portrait animation", target, rights={"basis": _RIGHTS})
    make_film(target, plain, seconds, SIZE, animated.stamp, animated.publish)
    with film_progress("Swapping") as report:
        summary(swap_file([source], plain, film, settings, report))
