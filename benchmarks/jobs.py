"""What segments cost against a single pass, what workers gain, and whether killed runs end in the same film.

    python benchmarks/jobs.py [--seconds 24] [--size 640x360] [--segment 4] [--workers 2] [--repeat 2]
                              [--kills 0]

The target is the demo film, one talking head. Runs take turns, so that other work on the machine disturbs all
alike, and the fastest of each counts. Work is the processor time of all stages, which other programs disturb
less than the wall time. With --kills a run is killed so often at random moments and gone on with, and its
packets are compared with those of an unbroken run.
"""

import argparse
import hashlib
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
from films import demo_film
from machine import describe

from omote.demo import portraits
from omote.pipelines import job_path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=24.0, help="length of the demo film")
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT of the demo film")
    parser.add_argument("--segment", type=float, default=4.0, help="seconds of a segment")
    parser.add_argument("--workers", type=int, default=2, help="processes to compare with one")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each; the fastest counts")
    parser.add_argument("--kills", type=int, default=0, help="random moments at which a run is killed")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    print(describe())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = demo_film(folder, options.seconds, (width, height))
        segment = ["--segment", f"{options.segment:g}"]
        one = ["--workers", "1", "--threads", "1"]
        ways = {
            "single pass": ["--segment", "0"],
            "segments": segment,
            "single pass, 1 thread": ["--segment", "0", *one],
            "segments, 1 worker of 1 thread": [*segment, *one],
            f"segments, {options.workers} workers of 1 thread": [
                *segment, "--workers", str(options.workers), "--threads", "1",
            ],
        }  # fmt: skip
        times: dict[str, list[tuple[float, float, int]]] = {way: [] for way in ways}
        for _ in range(options.repeat):
            for way, words in ways.items():
                times[way].append(run(film, folder / "out.mp4", words))
        print("| way | wall s | fps | processor s | file kB |\n|---|---|---|---|---|")
        for way, runs in times.items():
            wall, work, size = min(runs)
            print(
                f"| {way} | {wall:.1f} | {25 * options.seconds / wall:.1f} | {work:.1f} | {size / 1e3:.0f} |"
            )
        if options.kills:
            print(killed(film, folder / "out.mp4", [*segment, "--end", "6"], options.kills))


def swap(film: Path, out: Path, words: list[str]) -> list[str]:
    return [sys.executable, "-m", "omote", "swap", str(portraits()[0]), str(film), "-o", str(out), *words]


def run(film: Path, out: Path, words: list[str]) -> tuple[float, float, int]:
    """Wall seconds, processor seconds of all processes, and bytes of the film."""
    out.unlink(missing_ok=True)
    began, used = time.perf_counter(), _used()
    subprocess.run(swap(film, out, words), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, _used() - used, out.stat().st_size


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def killed(film: Path, out: Path, words: list[str], count: int) -> str:
    """How many of the runs that were killed and gone on with end in the same packets."""
    draw = random.Random(1)
    seconds = run(film, out, words)[0]
    expected, equal, early = packets(out), 0, 0
    for _ in range(count):
        out.unlink()
        process = subprocess.Popen(swap(film, out, words), stdout=subprocess.DEVNULL)
        time.sleep(draw.uniform(0, seconds))
        process.kill()
        early += process.wait() != 0
        subprocess.run(swap(film, out, [*words, "--resume"]), check=True, stdout=subprocess.DEVNULL)
        equal += packets(out) == expected and not job_path(out).exists()
    return f"{early} of {count} runs of {seconds:.1f} s killed before their end: {equal} equal films"


def packets(path: Path) -> str:
    """A digest of the coded pictures and their times."""
    digest = hashlib.sha256()
    with av.open(str(path)) as film:
        for packet in film.demux(film.streams.video[0]):
            digest.update(repr((packet.pts, packet.dts, packet.duration)).encode() + bytes(packet))
    return digest.hexdigest()


if __name__ == "__main__":
    main()
