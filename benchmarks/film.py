"""Frames per second of a film swap, end to end, and the share of each stage.

    python benchmarks/film.py [--seconds 12] [--size 1280x720] [--threads N] [--film FILE] [--repeat 3]

Without --film the target is the demo film: one talking head. Time runs from the call of the swap to the
finished file: networks loaded, source read, every frame decoded, found, swapped, composed, encoded. A stage's
figure is its work summed over all threads, per frame.
"""

import argparse
import tempfile
from pathlib import Path

from films import demo_film
from machine import describe

from omote.demo import portraits
from omote.pipelines import SwapReport, SwapSettings, swap_file


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12.0, help="length of the demo film")
    parser.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT of the demo film")
    parser.add_argument("--film", type=Path, help="another target than the demo film")
    parser.add_argument("--threads", type=int, help="frames in work at a time [default: processors]")
    parser.add_argument("--codec", help="encoder [default: as the target]")
    parser.add_argument("--preset", help="its speed")
    parser.add_argument("--face", default="largest", help="which faces are swapped")
    parser.add_argument("--swapper", default=SwapSettings().swapper, help="engine or network")
    parser.add_argument("--repeat", type=int, default=3, help="runs; the fastest counts")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    settings = SwapSettings(
        rights="own",
        swapper=options.swapper,
        threads=options.threads,
        codec=options.codec,
        preset=options.preset,
        face=options.face,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = options.film or demo_film(folder, options.seconds, (width, height))
        reports = [
            swap_file([portraits()[0]], film, folder / f"out{film.suffix}", settings)
            for _ in range(options.repeat)
        ]
    print(describe())
    print("runs:", ", ".join(f"{report.frame_rate:.1f} fps" for report in reports))
    print_report(min(reports, key=lambda report: report.seconds), settings.parallel)


def print_report(report: SwapReport, workers: int) -> None:
    """The figures of one run."""
    print(
        f"{report.frames} frames, {report.swapped} faces, {workers} workers: "
        f"{report.seconds:.2f} s = {report.frame_rate:.1f} fps"
    )
    print("| stage | ms/frame | share of the work |\n|---|---|---|")
    total = sum(report.stages.values())
    for stage, seconds in report.stages.items():
        print(f"| {stage} | {1000 * seconds / report.frames:.1f} | {100 * seconds / total:.0f} % |")
    print(f"| all | {1000 * total / report.frames:.1f} | 100 % |")


if __name__ == "__main__":
    main()
