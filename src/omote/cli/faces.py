"""`omote faces`: list the faces of a picture."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omote.cli import options

if TYPE_CHECKING:
    from omote.faces.face import Array, Face
    from omote.media import Picture


def faces(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A photo or film.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    mesh: Annotated[
        bool, typer.Option("--mesh", help="With --json: print the 478 mesh points, too.")
    ] = False,
    draw: Annotated[
        Path | None, typer.Option(help="Write the picture with boxes, points and mesh to this file.")
    ] = None,
    at: Annotated[float, typer.Option(help="For a film: look at the frame of this second.")] = 0.0,
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
    """List the faces of FILE, left to right: box, score, pose."""
    from dataclasses import replace

    from omote.faces.draw import draw_faces
    from omote.media import require_picture_suffix
    from omote.pipelines import FIND_NAMES, FindSettings, make_finder, open_networks, refuse_overwriting
    from omote.pipelines.provenance import save_signed

    given = dict(locals())
    if draw is not None:
        refuse_overwriting([file], draw)
        require_picture_suffix(draw)
    settings = FindSettings(**{name: given[name] for name in FIND_NAMES})
    finder = make_finder(settings, open_networks(settings, workers=1))
    picture = _picture(file, at, max_pixels)
    found = finder.find(picture.pixels)
    if draw is not None:
        drawn = replace(picture, pixels=draw_faces(picture.pixels, found))
        save_signed(draw, drawn, "faces drawn", file)
    if json:
        print(dumps([_as_dict(face, mesh) for face in found], indent=1))
    else:
        _print_table(found)


def _picture(file: Path, at: float, max_pixels: int) -> "Picture":
    from omote.errors import InputError
    from omote.media import Picture, VideoReader, open_image, probe

    if probe(file, max_pixels=max_pixels).kind == "picture":
        return open_image(file, max_pixels=max_pixels)
    with VideoReader(file, start=at, max_pixels=max_pixels) as reader:
        for frame in reader:
            return Picture(frame.pixels)
    raise InputError(f"{file}: no frame at {at:g} s")


def _as_dict(face: "Face", mesh: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "box": _rounded(face.box),
        "score": round(face.score, 4),
        "points": _rounded(face.points),
        "presence": face.presence and round(face.presence, 4),
        "pose": face.pose
        and dict(zip(("yaw", "pitch", "roll"), (round(v, 1) for v in face.pose), strict=True)),
    }
    if mesh and face.mesh is not None:
        result["mesh"] = _rounded(face.mesh)
    return result


def _rounded(values: "Array") -> Any:
    """As lists, to a hundredth of a pixel; float32 would print all its digits."""
    return values.astype(float).round(2).tolist()


def _print_table(found: "list[Face]") -> None:
    if not found:
        print("no face found")
        return
    titles = ("x0", "y0", "x1", "y1", "score", "yaw", "pitch", "roll")
    print("face " + " ".join(f"{title:>6}" for title in titles))
    for number, face in enumerate(found):
        box = " ".join(f"{value:6.0f}" for value in face.box)
        pose = " ".join(f"{value:6.1f}" for value in face.pose or ())
        print(f"{number:>4} {box} {face.score:6.3f} {pose}")
