"""`omote dataset`: build sets of aligned faces for training, and tell what they hold."""

import sys
from json import dumps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omote.cli import options
from omote.cli.console import film_progress, help_if_alone

if TYPE_CHECKING:
    from omote.training.data.build import BuildReport
    from omote.training.data.info import SetFacts

app = typer.Typer(
    help="Build sets of aligned faces for training, and tell what they hold.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def dataset(context: typer.Context) -> None:
    """Build sets of aligned faces for training, and tell what they hold."""
    help_if_alone(context)


@app.command("build")
def build_set(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Photos and films, at any depth.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to make; it must not exist.", show_default=False)
    ],
    size: Annotated[
        int, typer.Option(help="Side of the squares in pixels; a tenth on each side is border.")
    ] = 160,
    template: Annotated[
        str, typer.Option(help="Template of alignment of the crop inside the border.")
    ] = "arcface_112_v2",
    source: Annotated[str, typer.Option(help="What the photos are called [default: the folder's name]")] = "",
    licence: Annotated[str, typer.Option(help="Terms of the photos, kept with every face.")] = "",
    identities: Annotated[
        str | None,
        typer.Option(
            metavar="folders|cluster|none",
            help="Who is who: all that lies below a sub-folder of FOLDER, at any depth, is one person; by an "
            "identity network; or everybody is somebody else [default: cluster with --identity-network, "
            "else folders]. Only folders and people of labels.csv keep held-out people apart for sure: by "
            "cluster or none somebody may be in both splits, and by cluster change splits as a set grows",
        ),
    ] = None,
    identity_network: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Network that tells faces apart; it also finds duplicates."),
    ] = None,
    identity_contract: Annotated[
        str | None,
        typer.Option(help="How an --identity-network FILE is used: arcface, arcface_imagenet, ..."),
    ] = None,
    likeness: Annotated[
        float, typer.Option(help="For cluster: least cosine of a face and the mean of its person.")
    ] = 0.5,
    min_quality: Annotated[float, typer.Option(help="Least sharpness, 0 to 1.")] = 0.35,
    min_presence: Annotated[
        float, typer.Option(help="Least presence of a face, 0 to 1, by the mesh network.")
    ] = 0.98,
    max_enlargement: Annotated[
        float, typer.Option(help="Most pixels of the square per pixel of the photo.")
    ] = 1.5,
    min_valid: Annotated[float, typer.Option(help="Least share of the square inside the photo.")] = 0.7,
    max_yaw: Annotated[float, typer.Option(help="Most degrees that a head is turned aside.")] = 60,
    max_pitch: Annotated[float, typer.Option(help="Most degrees that a head looks up or down.")] = 45,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="Keep all copies of a picture.")
    ] = False,
    every: Annotated[float, typer.Option(help="Seconds between the frames of films.")] = 1.0,
    held_out: Annotated[
        str, typer.Option(help="Share of the people that are for validation: 5% or 0.05.")
    ] = "5%",
    shard_size: Annotated[float, typer.Option(help="Megabytes of a tar at most.")] = 64,
    coding: Annotated[int, typer.Option(help="Quality of WebP, 1 to 100; 101 loses nothing.")] = 95,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Pictures in work at a time [default: processors]")
    ] = None,
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
    """Turn a folder of photos and films into shards of aligned faces with a table.

    A file labels.csv in FOLDER may say more of each photo: columns name, which is the file's, and any of
    person, set, sex, age, licence.
    """
    from omote.faces.identity import RECOGNISERS
    from omote.pipelines import FIND_NAMES, FindSettings, Progress, make_finder, open_networks
    from omote.training.data.build import build
    from omote.training.data.build_settings import BuildSettings
    from omote.training.data.quality import Limits
    from omote.zoo.devices import cores

    given = dict(locals())
    finding = FindSettings(**{name: given[name] for name in FIND_NAMES})
    settings = BuildSettings(
        square=size,
        template=template,
        source=source,
        licence=licence,
        identities=identities or ("folders" if identity_network is None else "cluster"),  # type: ignore[arg-type]
        likeness=likeness,
        limits=Limits(
            presence=min_presence,
            enlargement=max_enlargement,
            valid=min_valid,
            yaw=max_yaw,
            pitch=max_pitch,
            sharpness=min_quality,
        ),
        keep_duplicates=keep_duplicates,
        every=every,
        held_out=_share(held_out),
        shard_bytes=_bytes(shard_size),
        coding=coding,
        max_pixels=max_pixels,
    )
    threads = workers or min(16, cores())
    networks = open_networks(finding, threads)
    recogniser = None
    if identity_network is not None:
        network = networks.open(identity_network, "identity", identity_contract)
        recogniser = RECOGNISERS[network.card.adapter](network)
    with film_progress("Building") as report:
        result = build(
            folder,
            output,
            settings,
            make_finder(finding, networks),
            recogniser,
            workers=threads,
            report=lambda done, files: report(Progress(done, files)),
        )
    _print_report(output, result)
    if settings.held_out and result.people_held_out < 2:
        held = f"{result.people_held_out or 'none'} of the {result.people} people held out"
        cure = "omote evaluate --data needs two at least; raise --held-out, or add people"
        print(f"note: {held}: {cure}", file=sys.stderr)


@app.command("info")
def info(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A set of aligned faces.", show_default=False)
    ],
    size: Annotated[
        int | None, typer.Option(help="Side of the squares, where there are several [default: the smallest]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Tell what a set holds: faces, people, splits, sources, licences, poses, ages."""
    from omote.training.data.info import describe

    facts = describe(folder, size)
    if json:
        print(dumps(facts.record(), indent=1))
    else:
        _print_facts(facts)


@app.command("regions")
def regions(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A set of aligned faces.", show_default=False)
    ],
    parser: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="What finds the regions.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for parsingN.tar.", show_default=False)
    ],
    faces: Annotated[int, typer.Option(min=1, help="How many are wanted.")] = 3_000,
    witness: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A parser that knows clothes: hats must be some.")
    ] = None,
    min_valid: Annotated[float, typer.Option(help="Least share of the square inside the photo.")] = 0.98,
    cache: Annotated[Path | None, typer.Option(help="As for omote train.")] = None,
) -> None:
    """Give faces masks that a parser finds: omote train omote-parse takes them beside those drawn by hand."""
    from omote.cli.training_room import require_torch

    require_torch()
    from omote.pipelines import Progress
    from omote.training.data.faces import FaceSet
    from omote.training.data.parsed import parse_faces

    found = FaceSet.open(folder, split="train", where=(f"valid >= {min_valid}",), cache=cache)
    with film_progress("Parsing") as report:
        shown = parse_faces(
            found, parser, output, faces, lambda done, count: report(Progress(done, count)), witness
        )
    for region, count in shown.items():
        print(f"{region:<12}{count:>6} faces")


def _share(text: str) -> float:
    from omote.errors import UsageError

    try:
        return float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise UsageError(f"--held-out '{text}': give a share as 5% or 0.05") from None


def _bytes(megabytes: float) -> int:
    from omote.errors import UsageError

    if not isfinite(megabytes):
        raise UsageError(f"--shard-size {megabytes:g}: give a number of megabytes, 0.0625 at least")
    return round(megabytes * 2**20)


def _print_report(output: Path, result: "BuildReport") -> None:
    from omote.training.data.quality import REASONS

    rows = [
        ("files", result.files, f"{len(result.unreadable)} could not be read" if result.unreadable else ""),
        ("pictures", result.pictures, f"{result.empty} without a face" if result.empty else ""),
        ("faces", result.found, ""),
        *((f"- {name}", count, REASONS[name]) for name, count in result.dropped.items()),
        ("kept", result.kept, f"{result.held_out} held out"),
        ("people", result.people, f"{result.several} with several photos"),
    ]
    for name, count, note in rows:
        print(f"{name:<12}{count:>8}  {note}".rstrip())
    shards = f"{result.shards} shard" + "s" * (result.shards > 1)
    print(f"{output}: {shards}, {result.size / 2**20:.1f} MB")
    for line in result.unreadable[:5]:
        print(f"note: {line}", file=sys.stderr)
    if len(result.unreadable) > 5:
        print(f"note: and {len(result.unreadable) - 5} others", file=sys.stderr)


def _print_facts(facts: "SetFacts") -> None:
    print(f"pictures  {facts.square} px, {facts.side} px inside the border, template {facts.template}")
    print(f"faces     {facts.faces}")
    print(f"people    {facts.people}, {facts.several} with several photos")
    for split, (faces, people) in facts.splits.items():
        print(f"{split:<9} {faces} faces of {people} people")
    width = max(6, *(len(group.source) for group in facts.groups))
    print(f"\n{'SOURCE':<{width}} {'FACES':>7} {'PEOPLE':>7} {'TRAIN':>7} {'VAL':>6}  LICENCE")
    for group in facts.groups:
        counts = f"{group.faces:>7} {group.people:>7} {group.train:>7} {group.val:>6}"
        print(f"{group.source:<{width}} {counts}  {group.licence or 'not said'}")
    for title, bands in (("YAW", facts.yaw), ("AGE", facts.age)):
        print(f"\n{title:<8} {'FACES':>7}")
        for band, count in bands.items():
            bar = "#" * round(40 * count / max(facts.faces, 1))
            print(f"{band:<8} {count:>7}  {bar}".rstrip())
