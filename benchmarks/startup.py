"""How long things take to begin: import, help, one photo, the first frame of a short and of a long film.

    python benchmarks/startup.py [--repeat 7] [--size 1280x720]

Every figure is the median over processes of their own, one after the other. Times of whole commands hold the
start of Python, given in the first line. The first frame counts when it has been handed to the encoder.
Modules are compiled beforehand, as pip compiles what it installs, whatever the environment says of bytecode.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from films import demo_film, loop_film
from machine import describe

from omote.demo import portraits

_IMPORT = "import time; t = time.perf_counter(); import omote; print(time.perf_counter() - t)"
_FIRST = """
import os, sys, time
from pathlib import Path
def report(progress):
    print(time.time() - float(sys.argv[3]), flush=True)
    os._exit(0)
from omote.pipelines import SwapSettings, swap_file
settings = SwapSettings(rights="own")
out = Path(sys.argv[2]).with_name(f"out{os.getpid()}.mp4")
swap_file([Path(sys.argv[1])], Path(sys.argv[2]), out, settings, report)
"""


def wall(*arguments: str) -> float:
    """Seconds that a Python process takes from start to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - began


def printed(code: str, *arguments: str) -> float:
    """The number that a Python process prints."""
    command = [sys.executable, "-c", code, *arguments]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7, help="processes for each figure")
    parser.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT of the films")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    source, target = (str(path) for path in portraits())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        short, long = demo_film(folder, 2, (width, height)), folder / "long.mp4"
        loop_film(short, long, 30)
        photo = ("swap", source, target, "-o", str(folder / "photo.jpg"), "--rights", "own")
        measures: list[tuple[str, Callable[[], float]]] = [
            ("python -c pass (for comparison)", lambda: wall("-c", "pass")),
            ("import omote, without Python's own start", lambda: printed(_IMPORT)),
            ("omote --help", lambda: wall("-m", "omote", "--help")),
            ("omote swap: one photo", lambda: wall("-m", "omote", *photo)),
            ("first frame of a 2 s film", lambda: printed(_FIRST, source, str(short), str(time.time()))),
            ("first frame of a 60 s film", lambda: printed(_FIRST, source, str(long), str(time.time()))),
        ]
        print(describe())
        print("| what | median | fastest | slowest |\n|---|---|---|---|")
        for title, measure in measures:
            measure()  # once for the file cache and the bytecode
            times = [measure() for _ in range(options.repeat)]
            figures = (statistics.median(times), min(times), max(times))
            print(f"| {title} | " + " | ".join(f"{seconds:.3f} s" for seconds in figures) + " |", flush=True)


if __name__ == "__main__":
    main()
