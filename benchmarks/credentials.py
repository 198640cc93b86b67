"""What signing and verifying cost: milliseconds per file, medians, and how much longer files get.

    python -m benchmarks.credentials [--runs 21] [--large 200]

Makes photos of 1920 x 1080, films of 3 MB and one of 200 MB (random bytes in an `mdat` box behind the small
film: what costs is hashing and copying, not what is in it), each with one target and one source. Signing
includes the check of what was written. Times are of the clock and, in brackets, of the processor: on a busy
machine they part.
"""

import argparse
import os
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from omote.trust import keys
from omote.trust.credentials import publish, sign_file
from omote.trust.statement import BoundMark, GateState, SourceType, Statement, UsedNetwork
from omote.trust.verify import Verdict, verify_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--large", type=int, default=200, help="MB of the large film; 0 leaves it out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["OMOTE_HOME"] = str(folder / "home")
        photo = _photo(folder / "photo.jpg")
        film = _film(folder / "film.mp4")
        print("new key:", _ms(keys.renew, 5))
        print(f"{'file':<6}{'MB':>7}{'sign and check, ms':>22}{'verify again, ms':>20}{'longer, bytes':>15}")
        for path in (photo, _as(photo, ".png"), _as(photo, ".webp"), film, _remuxed(film, ".mkv")):
            _row(path, photo, options.runs)
        if options.large:
            _row(_large(film, options.large), photo, 3)


def _row(target: Path, source: Path, runs: int) -> None:
    output = target.with_name(f"signed{target.suffix}")
    statement = Statement(
        "face swap",
        SourceType.COMPOSITE,
        "mesh",
        target,
        (source,),
        {"basis": "own"},
        (UsedNetwork("omote-mesh", "00" * 32),),
        GateState("passed"),
        BoundMark("org.omote.watermark.1", 1),
    )
    signing = _ms(lambda: sign_file(target, output, statement), runs)
    publish(target, output, statement)
    verifying = _ms(lambda: verify_file(output, search=None), runs)
    assert verify_file(output, search=None).verdict is Verdict.INTACT
    beside = output.with_name(output.name + ".c2pa")
    longer = output.stat().st_size - target.stat().st_size + (beside.stat().st_size if beside.exists() else 0)
    size = target.stat().st_size / 1e6
    print(f"{target.suffix[1:]:<6}{size:>7.1f}{signing:>22}{verifying:>20}{longer:>15}")


def _ms(work: Callable[[], object], runs: int) -> str:
    """Medians of some runs after a first one, in milliseconds: clock (processor)."""
    work()
    clock, processor = [], []
    for _ in range(runs):
        start, used = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return f"{1000 * statistics.median(clock):.1f} ({1000 * statistics.median(processor):.1f})"


def _frame(number: int = 0) -> np.ndarray:
    noise = np.random.default_rng(number % 4).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def _photo(path: Path) -> Path:
    cv2.imwrite(str(path), _frame())
    return path


def _as(path: Path, suffix: str) -> Path:
    other = path.with_suffix(suffix)
    cv2.imwrite(str(other), cv2.imread(str(path)))
    return other


def _film(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "29"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        while not path.exists() or path.stat().st_size < 3_000_000:
            for number in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(_frame(number), format="bgr24")))
        container.mux(stream.encode())
    return path


def _remuxed(path: Path, suffix: str) -> Path:
    other = path.with_suffix(suffix)
    with av.open(str(path)) as given, av.open(str(other), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return other


def _large(film: Path, megabytes: int) -> Path:
    path = film.with_name("large.mp4")
    start = film.read_bytes()
    rest = megabytes * 1_000_000 - len(start)
    noise = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(start + struct.pack(">I4s", rest, b"mdat"))
        left = rest - 8
        while left:
            part = min(left, 1 << 22)
            file.write(noise.bytes(part))
            left -= part
    return path


if __name__ == "__main__":
    main()
