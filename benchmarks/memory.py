"""Peak memory of a film swap: does it grow with the length, or behind a slow encoder?

    python benchmarks/memory.py [--frames 150 1500] [--slow-frames 30 120] [--size 1280x720] [--threads N]

Each figure is the peak resident memory (VmHWM) of a process of its own that swaps the demo film, played again
and again. The second table is for VP9 at --preset veryslow, where the encoder is by far the slowest stage.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from films import demo_film, loop_film
from machine import describe

from omote.demo import portraits

_FRAMES_MADE = 30

_CHILD = """
import json, resource, sys
from pathlib import Path
from omote.pipelines import SwapSettings, swap_file
source, target, output, settings = sys.argv[1:]
chosen = SwapSettings(rights="own", **json.loads(settings))
report = swap_file([Path(source)], Path(target), Path(output), chosen)
status = Path("/proc/self/status")
if status.is_file():
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
print(json.dumps([report.frames, report.seconds, peak / 1024]))
"""


def peak(film: Path, output: Path, settings: dict[str, object]) -> tuple[int, float, float]:
    """Frames, seconds and peak memory in MiB of one swap."""
    arguments = [str(portraits()[0]), str(film), str(output), json.dumps(settings)]
    command = [sys.executable, "-c", _CHILD, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    frames, seconds, mebibytes = json.loads(done.stdout)
    return frames, seconds, mebibytes


def table(title: str, lengths: list[int], base: Path, suffix: str, settings: dict[str, object]) -> None:
    """Print the peaks for films of several lengths."""
    print(f"\n{title}\n| frames | seconds | peak memory | more than the shortest |\n|---|---|---|---|")
    first = None
    for length in lengths:
        film = base.with_name(f"{length}.mp4")
        loop_film(base, film, max(1, round(length / _FRAMES_MADE)))
        frames, seconds, memory = peak(film, base.with_name(f"out{suffix}"), settings)
        first = memory if first is None else first
        print(f"| {frames} | {seconds:.1f} | {memory:.0f} MiB | {memory - first:+.0f} MiB |", flush=True)


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
