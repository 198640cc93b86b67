"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Detector = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="Detector of the catalogue, several joined by +, or a file.")
]
DetectorSize = Annotated[int, typer.Option(help="Longest side, in pixels, for the detector.")]
DetectorAngles = Annotated[str, typer.Option(help="Turned faces to look for: 0,90,180,270.")]
DetectorMargin = Annotated[
    str, typer.Option(help="Percent of black around the picture: one number, or top,right,bottom,left.")
]
Score = Annotated[float | None, typer.Option(help="Least detector score [default: the network's]")]
Smallest = Annotated[float, typer.Option(help="Faces smaller than this many pixels do not count.")]
Landmarks = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="Landmark network for the five points.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda[:N], tensorrt[:N], coreml, directml[:N], openvino.")]
Precision = Annotated[str, typer.Option(help="fp32, or fp16 on devices that can halve a network.")]
MaxPixels = Annotated[int, typer.Option(help="Refuse pictures and frames larger than this.")]
OutputFile = Annotated[Path, typer.Option("--output", "-o", help="File to make.", show_default=False)]
Swapper = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="A swapper of the catalogue, mesh, a file, a plug-in.")
]
Strength = Annotated[float, typer.Option(help="Share of the source's identity, 0 to 1.5.")]
Recogniser = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="Network that knows people again, or a file.")
]
Likeness = Annotated[float, typer.Option(help="Least likeness of two groups of faces of one person, 0 to 1.")]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT", help="Share the segments of films with the machines of a Ray cluster."
    ),
]
