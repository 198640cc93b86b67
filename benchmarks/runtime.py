"""Measure how networks run: batches, warm start, bound buffers, callers and threads.

    python benchmarks/runtime.py [--weights ../shared/weights] [--rounds 9] [--device cpu] [NAME ...]

Batch: `Session.run_batch` of 8 random crops against eight calls of `Session.run`, one thread; and what pieces
of 2, 4 and 8 would give. On the CPU, times are processor time of the one thread, so that other work on the
machine counts less; elsewhere wall time. All variants of a round follow one another: what disturbs one
disturbs all. Times are medians over the rounds, ratios are medians of the rounds' ratios.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from machine import describe

from omote.zoo import Runtime, Session, native_weights
from omote.zoo.buffers import Buffers
from omote.zoo.devices import cores
from omote.zoo.loading import open_session, read_network

NETWORKS: dict[str, tuple[int, ...]] = {
    "native detect": (3, 320, 320),
    "native mesh": (3, 128, 128),
    "id_mobilefacenet_ms1m_foamliu": (3, 112, 112),
    "id_mobilefacenet_casia_xiaoccer_112x96": (3, 112, 96),
    "det_yunet_n": (3, 320, 320),
    "sr_realesr_general_x4v3": (3, 64, 64),
    "lmk_mediapipe478_v2": (192, 192, 3),
    "seg_skin_clothes_hair_pan512": (3, 512, 512),
    "seg_mediapipe_selfie256": (256, 256, 3),
    "pose_fsanet_1x1": (3, 64, 64),
    "expr_mediapipe_blendshapes52": (146, 2),
    "percep_squeezenet_v1.1": (3, 227, 227),
    "fake_classnseg_full46": (3, 256, 256),
    "qual_face_112": (3, 112, 112),
}
ROWS = 8


def alternate(works: dict[str, Callable[[], object]], device: str, rounds: int) -> dict[str, list[float]]:
    """Times of all works, one after the other in every round, after one round to warm up."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in works}
    for index in range(rounds + 1):
        for name, work in works.items():
            began = clock()
            work()
            if index:
                times[name].append(1000 * (clock() - began))
    return times


def ratio(times: dict[str, list[float]], base: str, other: str) -> float:
    """How many times faster `other` is than `base`."""
    return statistics.median(a / b for a, b in zip(times[base], times[other], strict=True))


def load(name: str, weights: Path) -> bytes | None:
    if name.startswith("native "):
        return native_weights(name.removeprefix("native "))
    path = weights / f"{name}.onnx"
    return path.read_bytes() if path.is_file() else None


def batches(name: str, data: bytes, crops: np.ndarray, device: str, rounds: int) -> None:
    runtime = Runtime(device=device, threads=1)
    session = Session(data, runtime, name)
    works: dict[str, Callable[[], object]] = {
        "single": lambda: [session.run(crops[row : row + 1]) for row in range(ROWS)],
        "batch": lambda: session.run_batch(crops),
    }
    for size in (2, 4, 8):
        forced = Session(data, Runtime(device=device, threads=1, batch=size), name)
        if next(iter(forced.inputs.values()))[0] == 1:
            break  # cannot be opened
        works[f"{size} at once"] = lambda forced=forced: forced.run_batch(crops)
    times = alternate(works, device, rounds)
    cells = [f"{ratio(times, 'single', work):.2f}" for work in list(works)[1:]]
    cells += ["—"] * (4 - len(cells))
    print(f"| {name} | {statistics.median(times['single']) / ROWS:.2f} | {' | '.join(cells)} |")


def starts(name: str, data: bytes, device: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cached = Runtime(device=device, threads=1, cache=Path(folder))
        works: dict[str, Callable[[], object]] = {
            "cold": lambda: Session(data, Runtime(device=device, threads=1), name),
            "warm": lambda: Session(data, cached, name),
        }
        times = alternate(works, device, rounds)
    cold, warm = statistics.median(times["cold"]), statistics.median(times["warm"])
    print(f"| {name} | {cold:.1f} | {warm:.1f} | {ratio(times, 'cold', 'warm'):.2f} |")


def buffers(name: str, data: bytes, crops: np.ndarray, device: str, rounds: int) -> None:
    runtime = Runtime(device=device, threads=1)
    target = runtime.target
    session = open_session(read_network(data, name), runtime, name)
    bound = Buffers(session, target.memory or "cpu", target.number)
    feeds = {session.get_inputs()[0].name: crops[:1]}
    works: dict[str, Callable[[], object]] = {
        "plain": lambda: session.run(None, feeds),
        "bound": lambda: bound.run(feeds),
    }
    times = alternate(works, device, rounds * 5)
    plain = statistics.median(times["plain"])
    print(f"| {name} | {plain:.2f} | {ratio(times, 'plain', 'bound'):.3f} |")


def callers(name: str, data: bytes, crops: np.ndarray, device: str, rounds: int) -> None:
    """Wall time of 8 calls: one after the other with all cores each, from a thread a core, and joined."""
    count = cores()
    sessions = {
        "one caller": Session(data, Runtime(device=device, workers=1), name),
        "callers": Session(data, Runtime(device=device, workers=count, merge=False), name),
        "joined": Session(data, Runtime(device=device, workers=count, merge=True), name),
    }
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(max(count, 2)) as many:
        works: dict[str, Callable[[], object]] = {
            kind: lambda session=session, pool=one if kind == "one caller" else many: list(
                pool.map(lambda row: session.run(crops[row : row + 1]), range(ROWS))
            )
            for kind, session in sessions.items()
        }
        times = alternate(works, "wall", rounds)
    cells = [f"{1000 * ROWS / statistics.median(times[kind]):.0f}" for kind in works]
    print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="networks; all unless said")
    parser.add_argument("--weights", type=Path, default=Path("../shared/weights"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    random = np.random.default_rng(0)
    found = {}
    for name in args.names or NETWORKS:
        data = load(name, args.weights)
        if data is None:
            print(f"{name}: not in {args.weights}")
        else:
            scale = 255 if name.startswith(("native detect", "det_")) else 1
            found[name] = data, scale * random.random((ROWS, *NETWORKS[name]), np.float32)
    print(describe(), "\n")
    print("| network | single call, ms | run_batch of 8 | 2 at once | 4 at once | 8 at once |")
    print("|---|---|---|---|---|---|")
    for name, (data, crops) in found.items():
        batches(name, data, crops, args.device, args.rounds)
    print("\n| network | cold start, ms | warm start, ms | gain |\n|---|---|---|---|")
    for name, (data, _) in found.items():
        starts(name, data, args.device, args.rounds)
    print("\n| network | run, ms | gain of bound buffers |\n|---|---|---|")
    for name, (data, crops) in found.items():
        buffers(name, data, crops, args.device, args.rounds)
    print(f"\nCalls per second, wall time, {cores()} cores\n")
    print("| network | one caller, all cores | a caller a core | the same, joined |\n|---|---|---|---|")
    for name, (data, crops) in found.items():
        callers(name, data, crops, args.device, args.rounds)


if __name__ == "__main__":
    main()
