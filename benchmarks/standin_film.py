"""What the program adds to its networks: a film swapped by stand-in networks, and these networks alone.

    python benchmarks/standin_film.py [--size 1280x720] [--seconds 8] [--repeat 3]

Detector, mesh, identity network and swapper run end to end, decoding and encoding included, with a trivial
swapper (so that only the program is measured) and with one of 7.2 GMAC at 128 px. Beside it the *bare*
networks: the same calls that one frame makes, recorded and repeated by as many threads as there are
processors, with nothing in between. Needs the onnx package (extra `dev`).
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from films import demo_film
from machine import describe
from standins import heavy_swapper, identity_network, trivial_swapper

from omote.demo import portraits
from omote.media import VideoReader
from omote.pipelines import Job, SwapSettings, swap_file
from omote.zoo import Card, Catalogue, Networks, Session, Store

SWAPPERS = {"trivial": trivial_swapper, "7.2 GMAC": heavy_swapper}
CARD = 'contract = "inswapper"\n[needs]\nidentity = "standin-identity"\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT of the demo film")
    parser.add_argument("--seconds", type=float, default=8.0, help="its length")
    parser.add_argument("--repeat", type=int, default=3, help="runs; the fastest counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    print(describe())
    print(f"{width} x {height}, {options.threads} workers")
    print("| swapper | fps | ms/frame | bare networks, ms/frame | the program, ms/frame |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = demo_film(folder, options.seconds, (width, height))
        for title, build in SWAPPERS.items():
            file = folder / "swapper.onnx"
            file.write_bytes(build())
            file.with_suffix(".toml").write_text(CARD)
            settings = SwapSettings(rights="own", swapper=file, threads=options.threads)
            rates = [
                swap_file(
                    [portraits()[0]], film, folder / "out.mp4", settings, networks=networks(folder)
                ).frame_rate
                for _ in range(options.repeat)
            ]
            whole = 1000 / max(rates)
            bare = bare_networks(
                film, Job([portraits()[0]], settings, networks=networks(folder)), options.threads
            )
            print(f"| {title} | {max(rates):.1f} | {whole:.1f} | {bare:.1f} | {whole - bare:.1f} |")


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


def bare_networks(film: Path, job: Job, workers: int, frames: int = 60) -> float:
    """Milliseconds per frame of the calls that one frame makes to its networks, in parallel threads."""
    with VideoReader(film) as reader:
        pixels = next(iter(reader)).pixels
    with recorded() as calls:
        job.swap(pixels, job.find(pixels))

    def repeat() -> None:
        for _ in range(frames):
            for session, inputs in calls:
                session.run_batch(*inputs)

    threads = [threading.Thread(target=repeat) for _ in range(workers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1000 * (time.perf_counter() - began) / (frames * workers)


@contextmanager
def recorded() -> Iterator[list[tuple[Session, tuple[Any, ...]]]]:
    """Note every call to a network inside the `with` block."""
    calls: list[tuple[Session, tuple[Any, ...]]] = []
    originals = {name: getattr(Session, name) for name in ("run", "run_batch")}

    def noting(original: Any) -> Any:
        def call(session: Session, *inputs: Any) -> Any:
            calls.append((session, inputs))
            return original(session, *inputs)

        return call

    for name, original in originals.items():
        setattr(Session, name, noting(original))
    try:
        yield calls
    finally:
        for name, original in originals.items():
            setattr(Session, name, original)


if __name__ == "__main__":
    main()
