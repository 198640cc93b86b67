"""What segments cost against a single pass, what workers gain, and whether killed runs end in the same film.

    python benchmarks/jobs.py [--seconds 24] [--size 640x360] [--segment 4] [--workers 2] [--repeat 2]
                              [--kills 0]

The target is the demo film, one talking head. Runs take turns, so that other work on the machine disturbs all
alike, and the fastest of each counts. Work is the processor time of all stages, which other programs disturb
less than the wall time. Beside the gain of the workers stands the ceiling: what the machine gains, in the
same turns, from as many processes that do nothing but run the networks. Where two cores are one core's two
threads, or other programs run, that is far from 2.

With --kills a run is killed so often at random moments and gone on with, and its packets are compared with
those of an unbroken run; --repeat 0 does nothing else.
"""

import argparse
import hashlib
import multiprocessing
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
from bare import calls_of_a_frame, repeat
from films import demo_film
from machine import describe

from omote.demo import portraits
from omote.pipelines import Job, SwapSettings, job_path

_TURNS = 3
"""How often bare networks run for every turn of the films; the median counts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=24.0, help="length of the demo film")
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT of the demo film")
    parser.add_argument("--segment", type=float, default=4.0, help="seconds of a segment")
    parser.add_argument("--workers", type=int, default=2, help="processes to compare with one")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each; the fastest counts; 0 for none")
    parser.add_argument("--kills", type=int, default=0, help="random moments at which a run is killed")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    print(describe())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = demo_film(folder, options.seconds, (width, height))
        segment = ["--segment", f"{options.segment:g}"]
        if options.repeat:
            gains(film, folder / "out.mp4", segment, options)
        if options.kills:
            print(killed(film, folder / "out.mp4", segment, options.kills))


def gains(film: Path, out: Path, segment: list[str], options: argparse.Namespace) -> None:
    """Print the table of ways, and what the workers gain."""
    one = ["--workers", "1", "--threads", "1"]
    alone = "segments, 1 worker of 1 thread"
    together = f"segments, {options.workers} workers of 1 thread"
    ways = {
        "single pass": ["--segment", "0"],
        "segments": segment,
        "single pass, 1 thread": ["--segment", "0", *one],
        alone: [*segment, *one],
        together: [*segment, "--workers", str(options.workers), "--threads", "1"],
    }
    times: dict[str, list[tuple[float, float, int]]] = {way: [] for way in ways}
    bare: dict[int, list[float]] = {1: [], options.workers: []}
    for _ in range(options.repeat):
        for way, words in ways.items():
            times[way].append(run(film, out, words))
        for _ in range(_TURNS):
            for count, rates in bare.items():
                rates.append(bare_rate(film, count))
    frames = 25 * options.seconds
    print("| way | wall s | fps | processor s | file kB |\n|---|---|---|---|---|")
    for way, runs in times.items():
        wall, work, size = min(runs)
        print(f"| {way} | {wall:.1f} | {frames / wall:.1f} | {work:.1f} | {size / 1e3:.0f} |")
    gain = min(times[alone])[0] / min(times[together])[0]
    ceiling = float(np.median(np.divide(bare[options.workers], bare[1])))
    print(
        f"{options.workers} workers against one: {gain:.2f}; ceiling ({options.workers} processes of bare "
        f"networks against one): {ceiling:.2f}; share of it: {gain / ceiling:.2f}"
    )


def bare_rate(film: Path, count: int, frames: int = 60) -> float:
    """Frames a second of processes that only run the networks of a frame, all together."""
    context = multiprocessing.get_context("spawn")
    ready, spent = context.Barrier(count), context.Queue()
    workers = [context.Process(target=_bare, args=(film, frames, ready, spent)) for _ in range(count)]
    for worker in workers:
        worker.start()
    slowest = max(spent.get() for _ in workers)
    for worker in workers:
        worker.join()
    return count * frames / slowest


def _bare(film: Path, frames: int, ready: Any, spent: Any) -> None:
    """Put the seconds of so many frames into `spent`, once all processes are ready."""
    calls = calls_of_a_frame(film, Job([portraits()[0]], SwapSettings(rights="own", threads=1)))
    ready.wait()
    began = time.perf_counter()
    repeat(calls, frames)
    spent.put(time.perf_counter() - began)


def swap(film: Path, out: Path, words: list[str]) -> list[str]:
    """The command that swaps a portrait's face, which is in the public domain, into a film."""
    files = [str(portraits()[0]), str(film), "-o", str(out)]
    return [sys.executable, "-m", "omote", "swap", *files, "--rights", "public-domain", *words]


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
    draw = random.Random()
    seconds = run(film, out, words)[0]
    expected, equal, early = packets(out), 0, 0
    while early < count:
        out.unlink()
        process = subprocess.Popen(swap(film, out, words), stdout=subprocess.DEVNULL)
        time.sleep(draw.uniform(0, seconds))
        process.kill()
        if process.wait() == 0:
            continue  # it was at its end already
        early += 1
        subprocess.run(swap(film, out, [*words, "--resume"]), check=True, stdout=subprocess.DEVNULL)
        equal += packets(out) == expected and not job_path(out).exists()
    return f"{early} runs of {seconds:.1f} s killed: {equal} equal films"


def packets(path: Path) -> str:
    """A digest of the coded pictures and their times."""
    digest = hashlib.sha256()
    with av.open(str(path)) as film:
        for packet in film.demux(film.streams.video[0]):
            digest.update(repr((packet.pts, packet.dts, packet.duration)).encode() + bytes(packet))
    return digest.hexdigest()


if __name__ == "__main__":
    main()
