"""Peak memory and pace of a film swap: do they change with the length, or behind a slow encoder?

    python benchmarks/memory.py [--frames 150 1500] [--slow-frames 30 120] [--size 1280x720] [--threads N]

Each figure is the peak resident memory (VmHWM) of a process of its own that swaps the demo film, played again
and again. The second table is for VP9 at --preset veryslow, where the encoder is by far the slowest stage.

End / start: frames a second in the last tenth of the film over those in its first tenth, by the wall clock
and by the processor time of the process, which other programs disturb less. The pictures repeat, so both
tenths are the same work. A film made in segments is gone through twice, and both passes are counted.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from films import demo_film, loop_film
from machine import describe

from omote.demo import portraits

_FRAMES_MADE = 30
_LONG = 1000
"""Frames of a film whose tenths are long enough for a pace."""

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from omote.pipelines import SwapSettings, swap_file
source, target, output, settings = sys.argv[1:]
chosen = SwapSettings(rights="own", **json.loads(settings))
times = []
def note(progress):
    times.append((progress.done, time.perf_counter(), time.process_time()))
report = swap_file([Path(source)], Path(target), Path(output), chosen, note)
status = Path("/proc/self/status")
if status.is_file():
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
print(json.dumps([report.frames, report.seconds, peak / 1024, times]))
"""


@dataclass(frozen=True)
class Run:
    """A swap: frames, seconds, peak memory in MiB; pace at the end over that at the start."""

    frames: int
    seconds: float
    memory: float
    wall: float
    work: float


def swap(film: Path, output: Path, settings: dict[str, object]) -> Run:
    """Swap a film in a process of its own."""
    arguments = [str(portraits()[0]), str(film), str(output), json.dumps(settings)]
    command = [sys.executable, "-c", _CHILD, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    frames, seconds, memory, times = json.loads(done.stdout)
    return Run(frames, seconds, memory, *paces(np.array(times), frames))


def paces(times: np.ndarray, frames: int) -> tuple[float, float]:
    """Pace in the last tenth over that in the first, by wall clock and by processor time.

    Args:
        times: (N, 3) frames done, which counts to `frames` once, and the two clocks.
        frames: of the film.
    """
    twice = len(times) > 1.5 * frames  # a film in segments reports every frame of both passes
    halves = np.array_split(times, 2) if twice else [times]
    tenth = max(1, len(halves[0]) // 10)
    first, last = (
        sum(half[end, 1:] - half[begin, 1:] for half in halves)
        for begin, end in ((0, tenth), (-1 - tenth, -1))
    )
    wall, work = first / last
    return float(wall), float(work)


def table(title: str, lengths: list[int], base: Path, suffix: str, settings: dict[str, object]) -> None:
    """Print the peaks for films of several lengths."""
    print(f"\n{title}")
    print("| frames | seconds | peak memory | more than the shortest | end / start: wall | processor |")
    print("|---|---|---|---|---|---|")
    first = None
    for length in lengths:
        film = base.with_name(f"{length}.mp4")
        loop_film(base, film, max(1, round(length / _FRAMES_MADE)))
        run = swap(film, base.with_name(f"out{suffix}"), settings)
        first = run.memory if first is None else first
        pace = f"{run.wall:.3f} | {run.work:.3f}" if run.frames >= _LONG else "|"
        print(
            f"| {run.frames} | {run.seconds:.1f} | {run.memory:.0f} MiB | {run.memory - first:+.0f} MiB "
            f"| {pace} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[150, 1500], help="lengths, default encoder")
    parser.add_argument("--slow-frames", type=int, nargs="*", default=[30, 120], help="lengths, slow encoder")
    parser.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT")
    parser.add_argument("--threads", type=int, help="frames in work at a time [default: processors]")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        base = demo_film(Path(name), _FRAMES_MADE / 25, (width, height))
        print(describe())
        workers = {"threads": options.threads}
        table("Default encoder", options.frames, base, ".mp4", workers)
        if options.slow_frames:
            slow = {**workers, "codec": "vp9", "preset": "veryslow"}
            table("VP9, veryslow", options.slow_frames, base, ".webm", slow)


if __name__ == "__main__":
    main()
