"""How often the safety gate refuses harmless pictures, and how long it looks.

    python benchmarks/safety.py --shared ../shared [--scenes N]

Needs the package nudenet 3.4.2. Looked at: photos and films of media/, as `omote swap` would look at them,
the first N pictures of data/scenes.tar and of data/faces320.tar (each as a photo: whole, and mirrored). All
of them are harmless, so every refusal is a false one. How many harmful ones pass is not measured.
"""

import argparse
import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import describe
from PIL import Image

from omote.errors import OmoteError, RefusedError
from omote.media import open_image
from omote.trust.classifiers import open_gate
from omote.trust.nudenet import NudeNet
from omote.trust.safety import Gate
from omote.trust.sampling import check_film
from omote.zoo import Runtime


def upper_bound(events: int, trials: int) -> float:
    """Upper end of Wilson's 95 % interval."""
    z, share = 1.96, events / trials
    middle = share + z * z / (2 * trials)
    spread = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    return float((middle + spread) / (1 + z * z / trials))


def packed(archive: Path, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """The first pictures of a tar."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if count and member.isfile() and member.name.lower().endswith((".jpg", ".jpeg", ".png", ".webp")):
                count -= 1
                with Image.open(io.BytesIO(tar.extractfile(member).read())) as picture:
                    yield member.name, np.asarray(picture.convert("RGB"))


def photos(title: str, pictures: Iterator[tuple[str, np.ndarray]], runtime: Runtime) -> None:
    """Print how many photos of a set are refused, and how high the gate's scores are."""
    highest, refused = [], []
    for name, pixels in pictures:
        gate: Gate = open_gate(runtime)
        try:
            gate.photo(pixels, name)
        except RefusedError as error:
            refused.append(str(error))
        highest.append(gate.verdict.highest)
    scores, count = np.array(highest), len(highest)
    print(
        f"{title:<28} {len(refused)} of {count} refused ({100 * len(refused) / count:.2f} %, at most "
        f"{100 * upper_bound(len(refused), count):.2f} %); score >= 20: {(scores >= 20).sum()}, >= 35: "
        f"{(scores >= 35).sum()}, highest {scores.max()}"
    )
    for line in refused:
        print(f"  {line}")


def films(folder: Path, runtime: Runtime) -> None:
    """Print how many films are refused, and what a second of film costs."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix.lower() not in (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif"):
            continue
        gate, began = open_gate(runtime), time.perf_counter()
        try:
            check_film(gate, path)
            end = "passed"
        except OmoteError as error:
            end = str(error)
        verdict = gate.verdict
        print(
            f"{path.name:<28} {end}; {verdict.pictures} frames looked at, highest {verdict.highest}, "
            f"{time.perf_counter() - began:.1f} s"
        )


def milliseconds(runtime: Runtime, height: int, width: int, rounds: int = 20) -> float:
    """Median time of one look at a picture."""
    network = NudeNet.installed(runtime)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        network.look(pixels)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=1000)
    options = parser.parse_args()
    runtime = Runtime(threads=1)
    print(open_gate(runtime).verdict, describe(), sep="\n")
    for height, width in ((720, 1280), (1080, 1920)):
        print(f"one look at {width} × {height}, one thread: {milliseconds(runtime, height, width):.0f} ms")
    media = sorted(path for path in (options.shared / "media" / "eval").rglob("*") if path.is_file())
    photos("media/eval", ((path.name, open_image(path).pixels) for path in media), runtime)
    for name in ("scenes", "faces320"):
        photos(name, packed(options.shared / "data" / f"{name}.tar", options.scenes), runtime)
    films(options.shared / "media" / "video", runtime)


if __name__ == "__main__":
    main()
