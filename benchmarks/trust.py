"""What gate, watermark, signature and log cost a film, end to end, as a Markdown table.

    python benchmarks/trust.py [--seconds 8] [--repeat 5]

The demo film, 1280 × 720, one face, mesh engine, x264; with everything, and with mark, signature and log
taken out of the program. Both take turns. Processor time is of the whole process, threads included, and
less disturbed by other programs than wall time.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

from films import demo_film

from omote.demo import portraits
from omote.pipelines import SwapSettings, provenance, swap_file
from omote.trust.credentials import Signed


def renamed(finished: Path, output: Path, *_: object, **__: object) -> Signed:
    """What `publish` would be without signature and log."""
    finished.rename(output)
    return Signed(None)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["OMOTE_HOME"] = str(folder / "home")
        film = demo_film(folder, options.seconds, (1280, 720))
        settings = SwapSettings(rights="public-domain")

        def run() -> tuple[float, float]:
            began, worked = time.perf_counter(), time.process_time()
            swap_file([portraits()[0]], film, folder / "out.mp4", settings)
            return time.perf_counter() - began, time.process_time() - worked

        def bare() -> tuple[float, float]:
            with (
                patch.object(provenance, "mark_identifier", lambda *_: None),
                patch.object(provenance, "publish", renamed),
                patch("omote.pipelines.examination.mark_identifier", lambda *_: None),
            ):
                return run()

        ways: dict[str, Callable[[], tuple[float, float]]] = {"without": bare, "with": run}
        for way in ways.values():
            way()
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(options.repeat):
            for way, made in ways.items():
                times[way].append(made())
        print("| | wall | processor |\n|---|---|---|")
        for way, taken in times.items():
            print(f"| {way} | {median(t[0] for t in taken):.2f} s | {median(t[1] for t in taken):.2f} s |")
        ratios = [
            [with_[i] / without[i] for with_, without in zip(times["with"], times["without"], strict=True)]
            for i in (0, 1)
        ]
        print(f"| more | {median(ratios[0]) - 1:+.1%} | {median(ratios[1]) - 1:+.1%} |")


if __name__ == "__main__":
    main()
