"""`omote swap`: put a face into a photo or film."""

from pathlib import Path
from typing import Annotated, Any

import typer

from omote.cli import options
from omote.cli.console import film_progress, kept_when_interrupted, summary, write_record
from omote.cli.rights import Project, RightsText, ask_for_rights
from omote.engines.native import DEFAULT_SWAPPER, NATIVE_ENGINES


def swap(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE... TARGET",
            help="One or more photos of the person (several are averaged), then the photo or film to change.",
            show_default=False,
        ),
    ],
    output: options.OutputFile,
    rights: RightsText = None,
    project: Project = None,
    face: Annotated[
        str, typer.Option(help="Target face: largest, all, left, right, a number, or 'near X,Y'.")
    ] = "largest",
    source_face: Annotated[str, typer.Option(help="Face of the source photo; the same rules.")] = "largest",
    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE:PERSON",
            help="Whose face a person gets; repeatable. PERSON is a number of `omote people`, or a photo; "
            "several photos of SOURCE are joined by +.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PERSON", help="Of the others, who gets the face of SOURCE; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--except", "--exclude", metavar="PERSON", help="Who keeps his face; repeatable."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file with --map, --only and --except of a whole film.")
    ] = None,
    recogniser: options.Recogniser = "omote-identity",
    likeness: options.Likeness = 0.5,
    swapper: options.Swapper = DEFAULT_SWAPPER,
    contract: Annotated[
        str | None, typer.Option(help="How a --swapper FILE is used: simswap, inswapper, ...")
    ] = None,
    strength: options.Strength = 1.0,
    boost: Annotated[
        int | None, typer.Option(help="Side of a network's crops, in pixels: a multiple of its own.")
    ] = None,
    mask: Annotated[
        str,
        typer.Option(
            help="By commas: box, face, occlusion[:NETWORK+...], area:NAME+... (face, upper-face, "
            "lower-face, mouth, eyes), region[:NAME+...]."
        ),
    ] = "box,occlusion",
    keep: Annotated[
        str, typer.Option(metavar="AREAS", help="What stays the target's: eyes, mouth, upper-face, ...")
    ] = "",
    mask_parser: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Network that finds the regions of the mask.")
    ] = "omote-parse",
    mask_edge: Annotated[float, typer.Option(help="Percent of the crop over which its box fades.")] = 5.0,
    mask_padding: Annotated[
        str, typer.Option(help="Percent left out of the box: one number, or top,right,bottom,left.")
    ] = "0",
    mask_grow: Annotated[float, typer.Option(help="Percent by which the mask grows (or shrinks).")] = 0.0,
    mask_blur: Annotated[float, typer.Option(help="Percent over which the mask's edge is softened.")] = 0.0,
    mask_adapt: Annotated[
        bool, typer.Option("--mask-adapt", help="Fit the edge to the shape of a network's new face.")
    ] = False,
    restore: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Restorer that makes the new face sharp.")
    ] = None,
    restore_blend: Annotated[float, typer.Option(help="How much of it is laid over, 0 to 1.")] = 0.8,
    restore_weight: Annotated[
        float | None, typer.Option(help="Its fidelity, 0 to 1, where it takes one.")
    ] = None,
    colour: Annotated[
        str | None,
        typer.Option(help="Colour transfer: none, reinhard, transport, light [default: the engine's]"),
    ] = None,
    grain: Annotated[
        float, typer.Option(help="How much of the target's softness and noise it takes on, 0 to 1.")
    ] = 1.0,
    blend: Annotated[str, typer.Option(help="Blending: feather, multiband, poisson.")] = "feather",
    opacity: Annotated[float, typer.Option(help="0 (as it was) to 1 (the new face in full).")] = 1.0,
    fade: Annotated[
        bool, typer.Option("--fade/--no-fade", help="Fade faces in profile, or looking far down.")
    ] = True,
    visible_label: Annotated[
        bool, typer.Option("--visible-label", help="Write `synthetic` into a corner of every picture.")
    ] = False,
    allow_no_face: Annotated[
        bool, typer.Option("--allow-no-face", help="Copy a target without a face through.")
    ] = False,
    codec: Annotated[
        str | None, typer.Option(help="x264, x265, vp9, av1, prores, ... [default: as the target]")
    ] = None,
    quality: Annotated[float | None, typer.Option(help="0 to 100 [default: visually lossless]")] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Speed of the encoder: ultrafast ... medium ... veryslow, as x264 names them."),
    ] = None,
    start: Annotated[float | None, typer.Option(help="Begin at this second of the film.")] = None,
    end: Annotated[float | None, typer.Option(help="End at this second of the film.")] = None,
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
    threads: Annotated[
        int | None, typer.Option(help="Frames in work at a time in each process [default: processors]")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that share the segments of a film [default: 1, on a cluster all]"),
    ] = None,
    cluster: options.Cluster = None,
    segment: Annotated[
        float, typer.Option(help="Seconds of a long film that are finished at a time; 0 never cuts.")
    ] = 10.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished film of this output.")
    ] = False,
    preview: Annotated[
        float | None, typer.Option(help="Swap so many seconds only, in a film named OUTPUT.preview-TIME.")
    ] = None,
    preview_at: Annotated[
        list[float] | None,
        typer.Option(help="Second in the middle of a preview; repeatable [default: the film's middle]"),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Write what was done, by which networks and licences, as JSON.")
    ] = None,
    stages: Annotated[bool, typer.Option("--stages", help="Print the time that each stage took.")] = False,
) -> None:
    """Put the face of SOURCE into TARGET, a photo or film."""
    from omote.errors import UsageError
    from omote.pipelines import (
        SETTING_NAMES,
        SwapSettings,
        previews,
        read_mapping,
        refuse_overwriting,
        swap_file,
    )

    given: dict[str, Any] = dict(locals())
    if mapping is not None:
        said = read_mapping(mapping)
        given |= {name: [*(given[name] or ()), *getattr(said, name)] for name in ("map", "only", "exclude")}
        inputs = [*said.source, *inputs]
    given |= {name: tuple(given[name] or ()) for name in ("map", "only", "exclude")}
    # A DFM network knows its person already.
    if len(inputs) < 2 and swapper in NATIVE_ENGINES and not given["map"]:
        raise UsageError("give a source photo and a target: omote swap SOURCE... TARGET -o OUTPUT")
    if record is not None:
        refuse_overwriting([*inputs, output], record)
    given["rights"] = str(ask_for_rights(rights))
    settings = SwapSettings(**{name: given[name] for name in SETTING_NAMES})
    *sources, target = inputs
    if preview is None:
        if preview_at:
            raise UsageError("--preview-at says where --preview SECONDS is taken: give both")
        films = [(output, settings)]
    else:
        if resume or record is not None:
            raise UsageError("--preview is short: leave --resume and --record out")
        films = previews(target, output, settings, preview, preview_at or ())
    for made, chosen in films:
        with film_progress("Swapping") as report, kept_when_interrupted(made):
            result = swap_file(sources, target, made, chosen, report, resume=resume)
        summary(result, stages)
    if record is not None:
        write_record(record, result)
