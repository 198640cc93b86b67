"""`omote live`: put a face into the pictures of a camera."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omote.cli import options
from omote.cli.live_keys import hot_keys
from omote.cli.rights import Project, RightsText, ask_for_rights
from omote.engines.native import MESH_ENGINE

if TYPE_CHECKING:
    from omote.pipelines.live_settings import Controls, LiveStatus

_KEYS = "keys: n next source, m mask, s swap, q quit"


def live(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="A photo of each person whose face can be given; several photos of one are joined by +.",
            show_default=False,
        ),
    ],
    camera: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|DEVICE|screen|FILM",
            help="Camera, screen[:WxH+X+Y], or a film that plays at its own pace.",
        ),
    ] = "0",
    serve: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Show in a browser; of this machine alone without a HOST."),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output", "-o", metavar="FILE|URL", help="Keep as a film, or stream: rtmp://, srt://, udp://."
        ),
    ] = None,
    virtual_camera: Annotated[
        bool, typer.Option("--virtual-camera", help="Be a camera for other programs (pyvirtualcam).")
    ] = False,
    window: Annotated[
        bool, typer.Option("--window", help="Show in a window, if this OpenCV has any.")
    ] = False,
    rights: RightsText = None,
    project: Project = None,
    max_latency: Annotated[
        float, typer.Option(help="Milliseconds from capture to output; older frames are dropped.")
    ] = 200.0,
    mirror: Annotated[bool, typer.Option("--mirror", help="Mirror the pictures.")] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Begin a film again at its end.")] = False,
    face: Annotated[
        str, typer.Option(help="Target face: largest, all, left, right, a number, or 'near X,Y'.")
    ] = "largest",
    source_face: Annotated[str, typer.Option(help="Face of the source photo; the same rules.")] = "largest",
    swapper: options.Swapper = MESH_ENGINE,
    mask: Annotated[str, typer.Option(help="What the mask is made of, as in omote swap.")] = "box,occlusion",
    keep: Annotated[
        str, typer.Option(metavar="AREAS", help="What stays the target's: eyes, mouth, ...")
    ] = "",
    opacity: Annotated[float, typer.Option(help="0 (as it was) to 1 (the new face in full).")] = 1.0,
    grain: Annotated[
        float, typer.Option(help="How much of the target's softness and noise it takes on, 0 to 1.")
    ] = 1.0,
    detector: options.Detector = "omote-detect",
    detector_size: options.DetectorSize = 320,
    score: options.Score = None,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    max_pixels: options.MaxPixels = 100_000_000,
) -> None:
    """Put the face of SOURCE into the pictures of a camera, live."""
    from omote.pipelines import SETTING_NAMES, JobInterrupted, SwapSettings
    from omote.pipelines.live import swap_live
    from omote.pipelines.live_settings import Controls, LiveSettings

    given: dict[str, Any] = dict(locals())
    wanted = LiveSettings(
        camera=camera,
        loop=loop,
        mirror=mirror,
        max_latency=max_latency,
        serve=serve,
        outputs=tuple(output or ()),
        virtual_camera=virtual_camera,
        window=window,
    )
    given["rights"] = str(ask_for_rights(rights))
    settings = SwapSettings(**{name: given[name] for name in SETTING_NAMES if name in given})
    people = [[source] if Path(source).exists() else source.split("+") for source in sources]
    terminal = sys.stderr.isatty()
    with hot_keys() as keys:
        controls = Controls(keys)

        def started(url: str) -> None:
            if url:
                print(f"open {url} in a browser", file=sys.stderr, flush=True)
            if terminal:
                print(_KEYS, file=sys.stderr, flush=True)

        def report(status: "LiveStatus") -> None:
            if terminal:
                print(f"\r{_line(status, controls, len(people))}\x1b[K", end="", file=sys.stderr, flush=True)

        try:
            status = swap_live(people, settings, wanted, controls, report, started)
        except KeyboardInterrupt:
            made = wanted.file if wanted.file is not None and wanted.file.exists() else None
            kept = f"; {made} is finished and signed" if made else ""
            raise JobInterrupted(f"interrupted{kept}") from None
        finally:
            if terminal:
                print(file=sys.stderr)
    print(_summary(status) + (f": {wanted.file}" if wanted.file and status.shown else ""))


def _line(status: "LiveStatus", controls: "Controls", people: int) -> str:
    """The state in one line."""
    return (
        f"{status.rate:.1f} fps, latency {_times(status)}, quality -{status.level}, "
        f"missed {status.missed}, late {status.late}, source {controls.source % people + 1}/{people}, "
        f"mask {_on(controls.mask)}, swap {_on(controls.swap)}"
    )


def _summary(status: "LiveStatus") -> str:
    return (
        f"{status.shown} of {status.captured} frames shown, {status.rate:.1f} fps, latency {_times(status)}, "
        f"{status.missed} missed, {status.late} too late, {status.seconds:.1f} s"
    )


def _times(status: "LiveStatus") -> str:
    if status.median is None or status.high is None:
        return "unknown"
    return f"{1000 * status.median:.0f} ms (95 %: {1000 * status.high:.0f} ms)"


def _on(wanted: bool) -> str:
    return "on" if wanted else "off"
