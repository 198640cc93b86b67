"""`omote people`: list the people of a film or photo."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omote.cli import options
from omote.cli.console import film_progress

if TYPE_CHECKING:
    from omote.pipelines.people_list import Listed


def people(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A film or photo.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a contact sheet with faces and times.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    start: Annotated[float | None, typer.Option(help="Begin at this second of the film.")] = None,
    end: Annotated[float | None, typer.Option(help="End at this second of the film.")] = None,
    recogniser: options.Recogniser = "omote-identity",
    likeness: options.Likeness = 0.5,
    detector: options.Detector = "omote-detect",
    detector_size: options.DetectorSize = 640,
    detector_angles: options.DetectorAngles = "0",
    detector_margin: options.DetectorMargin = "0",
    score: options.Score = None,
    smallest: options.Smallest = 0,
    landmarks: options.Landmarks = None,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    max_pixels: options.MaxPixels = 100_000_000,
) -> None:
    """List the people of FILE by the numbers that `omote swap --map` takes, with their times on screen."""
    from omote.media import require_picture_suffix
    from omote.pipelines import PEOPLE_NAMES, PeopleSettings, refuse_overwriting
    from omote.pipelines.people_list import contact_sheet, list_people
    from omote.pipelines.provenance import save_signed

    given: dict[str, Any] = dict(locals())
    if output is not None:
        refuse_overwriting([file], output)
        require_picture_suffix(output)
    settings = PeopleSettings(**{name: given[name] for name in PEOPLE_NAMES})
    with film_progress("Looking") as report:
        found = list_people(file, settings, report)
    if output is not None:
        save_signed(output, contact_sheet(file, found, settings), "people of a film", file)
    if json:
        print(dumps([person.record() for person in found], indent=1))
    else:
        _print_table(found)


def _print_table(found: "list[Listed]") -> None:
    from omote.pipelines.people_list import clock_time

    if not found[0].seconds:
        print("person " + " ".join(f"{title:>6}" for title in ("x0", "y0", "x1", "y1")))
        for person in found:
            print(f"{person.number:>6} " + " ".join(f"{value:6.0f}" for value in person.sights[0].face.box))
        return
    print(f"person {'seconds':>8} {'first':>10} {'last':>10} {'best':>10}  times on screen")
    for person in found:
        first, last = person.spans[0][0], person.spans[-1][1]
        times = " ".join(f"{clock_time(begin)}-{clock_time(end)}" for begin, end in person.spans[:6])
        more = f" and {len(person.spans) - 6} more" if len(person.spans) > 6 else ""
        moments = " ".join(f"{clock_time(t):>10}" for t in (first, last, person.sights[0].second))
        print(f"{person.number:>6} {person.seconds:8.1f} {moments}  {times}{more}")
