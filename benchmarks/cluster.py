"""What a cluster costs and gives: measured on a few Ray nodes in this machine, and worked out for many GPUs.

    python -m benchmarks.cluster [--seconds 6] [--size 320x180] [--segment 1] [--nodes 2] [--repeat 2]
    python -m benchmarks.cluster --model [--minutes 120] [--fps 24] [--cores 8] [--gpu-ms 2,5,20] ...

Measured are equality after a node was killed in the middle of a film, the time until workers are ready, the
time of a film here and there (runs take turns), what a segment costs beyond its work (round trip of what is
sent and comes back), the bytes of both, and what the asking machine does alone for each frame and byte.
`--model` prints how long a film takes on 1, 8 and 64 GPUs; every number that goes into it is an option, whose
default says where it is from.
"""

import argparse
import hashlib
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import av
from benchmarks.films import demo_film
from benchmarks.machine import describe

from omote.demo import portraits
from omote.media.pieces import join
from omote.pipelines import Progress, SwapSettings, film_job, swap_file
from omote.pipelines.segments import swap_tasks

GIGA = 1e9


@dataclass(frozen=True)
class Costs:
    """What goes into the time of a film. Processor times are those of one core of this machine.

    Attributes:
        minutes, fps: of the film.
        cores: processors beside each GPU.
        find_share: share of the GPU's time that detector and mesh take, in the first pass.
        find_core_ms, swap_core_ms: processor time a frame in the first and the second pass.
        follow_ms: what the asking machine does alone for each frame between the passes.
        in_gb, out_gb: gigabytes of film read and written.
        join_s, sign_s, cut_s: seconds a gigabyte to join pieces, to sign the film, to read it for cutting.
        segment: seconds of film.
        trip_s: seconds that a segment costs beyond its work.
        start_s: seconds until workers are ready, networks loaded.
    """

    minutes: float = 120.0
    fps: float = 24.0
    cores: float = 8.0
    find_share: float = 0.3
    find_core_ms: float = 28.0
    swap_core_ms: float = 58.5
    follow_ms: float = 0.76
    in_gb: float = 7.2
    out_gb: float = 9.0
    join_s: float = 5.0
    sign_s: float = 7.4
    cut_s: float = 1.0
    segment: float = 10.0
    trip_s: float = 0.05
    start_s: float = 20.0

    def alone(self) -> dict[str, float]:
        """Seconds of what only the asking machine does, however many GPUs there are."""
        return {
            "start": self.start_s,
            "cut": self.cut_s * self.in_gb,
            "follow": self.follow_ms / 1e3 * self.minutes * 60 * self.fps,
            "join": self.join_s * self.out_gb,
            "sign": self.sign_s * self.out_gb,
        }

    def passes(self, gpu_ms: float, gpus: int) -> float:
        """Seconds of both passes: each as many rounds of segments as it takes; the last may be half empty."""
        segments = ceil(self.minutes * 60 / self.segment)
        frames = self.segment * self.fps
        find = max(gpu_ms * self.find_share, self.find_core_ms / self.cores)
        swap = max(gpu_ms * (1 - self.find_share), self.swap_core_ms / self.cores)
        return ceil(segments / gpus) * (frames * (find + swap) / 1e3 + 2 * self.trip_s)


def model(costs: Costs, gpu_ms: list[float], gpus: list[int]) -> None:
    """Print the times of a film."""
    alone = costs.alone()
    print(f"alone: {', '.join(f'{name} {seconds:.0f} s' for name, seconds in alone.items())}")
    print("| network ms a frame | " + " | ".join(f"{count} GPU: min, gain" for count in gpus) + " | bound |")
    print("|---|" + "---|" * (len(gpus) + 1))
    serial = sum(alone.values())
    for work in gpu_ms:
        times = [costs.passes(work, count) + serial for count in gpus]
        cells = [f"{seconds / 60:.1f}, {times[0] / seconds:.1f}×" for seconds in times]
        print(f"| {work:g} | {' | '.join(cells)} | {times[0] / serial:.0f}× |")


def measure(seconds: float, size: tuple[int, int], segment: float, count: int, repeat: int) -> None:
    """Print what a cluster of nodes in this machine costs."""
    from tests.ray_nodes import ray_nodes

    with tempfile.TemporaryDirectory() as name, ray_nodes(count) as nodes:
        folder = Path(name)
        film, out = demo_film(folder, seconds, size), folder / "out.mp4"
        here = SwapSettings(rights="own", segment=segment, threads=1)
        there = replace(here, cluster=nodes.address)
        started: dict[float, float] = {}
        killed: list[int] = []

        def watch(progress: Progress) -> None:
            if progress.done:
                started.setdefault(began, time.perf_counter() - began)

        def kill(progress: Progress) -> None:
            if not killed and progress.total and progress.done > 0.6 * progress.total:
                killed.append(progress.done)
                nodes.kill()

        ways = {"here": here, "1 worker": replace(there, workers=1), f"{count} workers": there}
        times: dict[str, list[float]] = {way: [] for way in ways}
        made = set()
        for _ in range(repeat):
            for way, settings in ways.items():
                began = time.perf_counter()
                times[way].append(timed(film, out, settings, watch if settings.cluster else ignore))
                made.add(packets(out))
        broken = timed(film, out, there, kill)
        made.add(packets(out))
        trips = round_trips(nodes.address, film, folder, here)
        best = {way: min(runs) for way, runs in times.items()}
        print(
            f"films of all runs equal: {len(made) == 1}; a node was killed when {killed[0]} frames were done"
        )
        print(f"first frame after {min(started.values()):.1f} s")
        print("| way | s | of here |\n|---|---|---|")
        for way, spent in (*best.items(), (f"{count} workers, a node killed", broken)):
            print(f"| {way} | {spent:.1f} | {spent / best['here']:.2f} |")
        print(trips)
        print(asking_machine(film, folder, here))


def ignore(_: Progress) -> None:
    """Nobody looks."""


def timed(film: Path, out: Path, settings: SwapSettings, report: Callable[[Progress], None]) -> float:
    """Seconds of a run."""
    began = time.perf_counter()
    swap_file([portraits()[0]], film, out, settings, report)
    return time.perf_counter() - began


def packets(path: Path) -> str:
    """A digest of the coded pictures and their times."""
    digest = hashlib.sha256()
    with av.open(str(path)) as film:
        for packet in film.demux(film.streams.video[0]):
            digest.update(repr((packet.pts, packet.dts, packet.duration)).encode() + bytes(packet))
    return digest.hexdigest()


class Echo:
    """Takes what a worker takes, gives back what it gives back."""

    def do(self, _: Any, size: int) -> bytes:
        return bytes(size)


def round_trips(address: str, film: Path, folder: Path, settings: SwapSettings) -> str:
    """What it costs to send the tasks of a film and to have their results come back."""
    import ray

    tasks, sizes = finished_job(film, folder / "trips.mp4", settings)
    ray.init(address, log_to_driver=False, logging_level="critical")
    try:
        echo = ray.remote(num_cpus=0)(Echo).remote()
        ray.get(echo.do.remote(None, 1))
        times = []
        for task, size in zip(tasks * 5, sizes * 5, strict=True):
            began = time.perf_counter()
            ray.get(echo.do.remote(task, size))
            times.append(time.perf_counter() - began)
    finally:
        ray.shutdown()
    frames = sum(len(task.meant) for task in tasks)
    sent = sum(len(pickle.dumps(task)) for task in tasks)
    return (
        f"round trip of a segment {1e3 * statistics.median(times):.1f} ms (slowest {1e3 * max(times):.0f}); "
        f"sent {sent / len(tasks) / 1e3:.0f} kB ({sent / frames / 1e3:.1f} a frame), back "
        f"{sum(sizes) / len(sizes) / 1e3:.0f} kB"
    )


def finished_job(film: Path, out: Path, settings: SwapSettings) -> tuple[list[Any], list[int]]:
    """The swap tasks of a film, and how large their pieces are."""
    tasks, sizes = [], []

    def looking(order: Any, job: Any) -> Any:
        for task in swap_tasks(order, job):
            tasks.append(task)
            yield task

    def joining(pieces: Any, *rest: Any) -> list[str]:
        sizes.extend(piece.stat().st_size for piece in pieces)
        return join(pieces, *rest)

    with patched(swap_tasks=looking, join=joining):
        timed(film, out, settings, ignore)
    return tasks, sizes


def asking_machine(film: Path, folder: Path, settings: SwapSettings) -> str:
    """What the asking machine does alone: follow and steady a frame, join and sign a gigabyte."""
    spent = {"follow": 0.0, "join": 0.0, "sign": 0.0}
    frames, size = 0, 0

    def following(order: Any, job: Any) -> Any:
        nonlocal frames
        tasks = swap_tasks(order, job)
        while True:
            began = time.process_time()
            task = next(tasks, None)
            spent["follow"] += time.process_time() - began
            if task is None:
                return
            frames += len(task.meant)
            yield task

    def joining(pieces: Any, film: Any, encoding: Any, publish: Any) -> list[str]:
        def signing(finished: Path) -> None:
            nonlocal size
            size = finished.stat().st_size
            began = time.process_time()
            publish(finished)
            spent["sign"] += time.process_time() - began

        began = time.process_time()
        notes = join(pieces, film, encoding, signing)
        spent["join"] += time.process_time() - began
        return notes

    with patched(swap_tasks=following, join=joining):
        timed(film, folder / "asking.mp4", replace(settings, quality=100), ignore)
    join_s = (spent["join"] - spent["sign"]) / size * GIGA
    return (
        f"alone, processor time: follow and steady {1e3 * spent['follow'] / frames:.2f} ms a frame, join "
        f"{join_s:.1f} s a GB, sign {spent['sign']:.2f} s ({size / 1e6:.1f} MB)"
    )


class patched:
    """Watch steps of a job from outside."""

    def __init__(self, **steps: Any) -> None:
        self._steps = steps
        self._before = {name: getattr(film_job, name) for name in steps}

    def __enter__(self) -> None:
        for name, step in self._steps.items():
            setattr(film_job, name, step)

    def __exit__(self, *_: object) -> None:
        for name, step in self._before.items():
            setattr(film_job, name, step)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="length of the demo film")
    parser.add_argument("--size", default="320x180", help="WIDTHxHEIGHT of the demo film")
    parser.add_argument("--nodes", type=int, default=2, help="nodes beside the head, with one processor each")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each; the fastest counts")
    parser.add_argument("--model", action="store_true", help="work out times of a film instead of measuring")
    parser.add_argument("--gpu-ms", default="2,5,20", help="network times a frame on a GPU, assumed")
    parser.add_argument("--gpus", default="1,8,64")
    for name, value in vars(Costs()).items():
        default = 1.0 if name == "segment" and "--model" not in sys.argv else value
        parser.add_argument("--" + name.replace("_", "-"), type=float, default=default)
    options = parser.parse_args()
    if options.model:
        costs = Costs(**{name: getattr(options, name) for name in vars(Costs())})
        gpu_ms, gpus = options.gpu_ms.split(","), options.gpus.split(",")
        model(costs, [float(text) for text in gpu_ms], [int(text) for text in gpus])
    else:
        print(describe())
        width, height = (int(side) for side in options.size.split("x"))
        measure(options.seconds, (width, height), options.segment, options.nodes, options.repeat)


if __name__ == "__main__":
    main()
