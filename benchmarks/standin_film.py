"""What the program adds to its networks: a film swapped by stand-in networks, and these networks alone.

    python benchmarks/standin_film.py [--size 1280x720] [--seconds 8] [--repeat 3] [--swappers NAME...]

Detector, mesh, identity network and swapper run end to end, decoding and encoding included, with a trivial
swapper (so that only the program is measured) and with one of 7.2 GMAC at 128 px. Beside it the *bare*
networks: the same calls that one frame makes, recorded and repeated by as many threads as there are
processors, with nothing in between. Both take turns, and the fastest of each counts. The ratio is that of the
whole to the bare networks: by the wall clock, and by processor time, which other programs disturb less.
Needs the onnx package (extra `dev`).
"""

import argparse
import os
import tempfile
import threading
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from bare import Call, calls_of_a_frame, repeat
from films import demo_film
from machine import describe
from standins import heavy_swapper, identity_network, trivial_swapper

from omote.demo import portraits
from omote.pipelines import Job, SwapSettings, swap_file
from omote.zoo import Card, Catalogue, Networks, Store


class Cost(NamedTuple):
    """Milliseconds a frame: by the wall clock, and of the processor, all threads together."""

    wall: float
    work: float


SWAPPERS = {"trivial": trivial_swapper, "7.2 GMAC": heavy_swapper}
CARD = 'contract = "inswapper"\n[needs]\nidentity = "standin-identity"\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT of the demo film")
    parser.add_argument("--seconds", type=float, default=8.0, help="its length")
    parser.add_argument("--repeat", type=int, default=3, help="runs; the fastest counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--swappers", nargs="+", choices=SWAPPERS, default=SWAPPERS)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    print(describe())
    print(f"{width} x {height}, {options.threads} workers")
    print("| swapper | fps | ms/frame | bare networks | the program | ratio | processor ms | bare | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = demo_film(folder, options.seconds, (width, height))
        for title in options.swappers:
            file = folder / "swapper.onnx"
            file.write_bytes(SWAPPERS[title]())
            file.with_suffix(".toml").write_text(CARD)
            settings = SwapSettings(rights="own", swapper=file, threads=options.threads)
            calls = calls_of_a_frame(film, Job([portraits()[0]], settings, networks=networks(folder)))
            costs = [
                (whole(film, folder, settings), bare_networks(calls, options.threads))
                for _ in range(options.repeat)
            ]
            program, bare = (Cost(*map(min, *kind)) for kind in zip(*costs, strict=True))
            print(
                f"| {title} | {1000 / program.wall:.1f} | {program.wall:.1f} | {bare.wall:.1f} "
                f"| {program.wall - bare.wall:.1f} | {program.wall / bare.wall:.2f} "
                f"| {program.work:.1f} | {bare.work:.1f} | {program.work / bare.work:.2f} |"
            )


def whole(film: Path, folder: Path, settings: SwapSettings) -> Cost:
    """Of a frame of a film, from the call to the finished file."""
    used = time.process_time()
    report = swap_file([portraits()[0]], film, folder / "out.mp4", settings, networks=networks(folder))
    return Cost(1000 * report.seconds / report.frames, 1000 * (time.process_time() - used) / report.frames)


def networks(folder: Path) -> Networks:
    """The catalogue with a stand-in identity network."""
    data = identity_network()
    card = Card(
        "standin-identity",
        "identity",
        "arcface",
        "arcface",
        {"template": "arcface_112_v2", "mean": [0.5] * 3, "std": [0.5] * 3},
        sha256=sha256(data).hexdigest(),
    )
    catalogue, store = Catalogue.load(), Store(folder / "store")
    store.folder.mkdir(exist_ok=True)
    store.path(card).write_bytes(data)
    return Networks(replace(catalogue, cards={**catalogue.cards, card.name: card}), store)


def bare_networks(calls: list[Call], workers: int, frames: int = 60) -> Cost:
    """Of a frame's calls to its networks, repeated by parallel threads."""
    threads = [threading.Thread(target=repeat, args=(calls, frames)) for _ in range(workers)]
    began, used = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    each = 1000 / (frames * workers)
    return Cost(each * (time.perf_counter() - began), each * (time.process_time() - used))


if __name__ == "__main__":
    main()
