"""Damages small media files in thousands of ways, reads them, and counts how that ends.

    python -m benchmarks.fuzz --count 10000 --keep failures [--shared ../shared]

Each case is probed and its first frames are decoded in a limited child process; signed files are verified as
well. A right end is a refusal in one line or a picture. A crash, a hang (more than 10 s of processor time),
any other exception, or more memory than the limit is a failure: the file is kept for a look.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.fuzz_cases import Seeds, damaged, film_seeds, picture_seeds, signed_seeds, small_files

from omote.confinement import Limits, confine
from omote.errors import OmoteError
from omote.media import VideoReader, VideoWriter, open_image, probe

MEMORY = 2 << 30
"""Bytes that a case may hold at its peak, the interpreter and its libraries included."""
HANG = 10.0
"""Seconds of processor time."""
DEADLOCK = 120.0
"""Seconds of anything."""
ENDS = ("refused", "read", "exception", "crash", "hang", "memory")

# The child, which reads.


def read(path: Path) -> str:
    """Read the first frames, as every command does that is given a file."""
    info = probe(path)
    if info.kind == "picture":
        return str(open_image(path).pixels.shape)
    if path.name.startswith("rich"):
        return copy(path)
    with VideoReader(path) as film:
        return str([frame.pixels.shape for frame in islice(film, 8)])


def copy(path: Path) -> str:
    """Copy a film with all its tracks."""
    target = path.with_name(f"copy{path.suffix}")
    with (
        VideoReader(path) as film,
        VideoWriter(target, film, codec="x264", preset="ultrafast") as writer,
    ):
        for frame in islice(film, 8):
            writer.write(frame)
    return str(writer.frames)


def attempt(path: Path) -> tuple[str, str]:
    """How reading a file ends, and the words for it."""
    try:
        said = ""
        if path.name.startswith("signed"):
            from omote.trust.verify import verify_file

            said = f"{verify_file(path, search=None).verdict} "
        said += read(path)
    except OmoteError as error:
        clean = str(error).isprintable() and error.exit_code in (2, 3)
        return ("refused" if clean else "exception"), repr(error)
    except MemoryError as error:
        return "memory", repr(error)
    except BaseException as error:
        return "exception", repr(error)
    return "read", said


def work(folder: Path) -> None:
    """Read cases by number from the standard input, say how each ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    seeds = {path.name: path.read_bytes() for path in (folder / "seeds").iterdir()}
    confine(Limits(memory=2 * MEMORY, file_size=1 << 24, writable=(folder, _PEAK)))
    for line in sys.stdin:
        name, data = damaged(seeds, int(line))
        path = folder / name
        path.write_bytes(data)
        _PEAK.write_text("5")  # forgets the peak of the case before
        began = time.process_time()
        end, said = attempt(path)
        seconds = time.process_time() - began
        peak = _peak()
        if peak > MEMORY:
            end = "memory"
        answers.write(json.dumps({"end": end, "said": said[:300], "seconds": seconds, "peak": peak}) + "\n")
    answers.close()


_PEAK = Path("/proc/self/clear_refs")


def _peak() -> int:
    """Most bytes that this process held in memory."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


# The parent, which counts.


@dataclass
class Child:
    """A process that reads cases, and what is left of it when it dies."""

    folder: Path

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.fuzz", "--work", str(self.folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, number: int) -> dict[str, object] | None:
        """The answer about a case; None if the process died, or was ended because it hung."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{number}\n".encode())
        self._process.stdin.flush()
        began, used = time.monotonic(), self._used()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not selector.select(1):
                if self._used() - used > HANG or time.monotonic() - began > DEADLOCK:
                    self._process.kill()
                    self._process.wait()
                    return {"end": "hang", "said": "", "seconds": HANG, "peak": 0}
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def _used(self) -> float:
        """Seconds of processor time."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> int:
        """End it; returns its exit code."""
        self._process.stdin.close()
        return self._process.wait()


def run(folder: Path, numbers: range, names: list[str], keep: Path | None) -> Iterator[dict[str, object]]:
    """The answer about every case."""
    child = Child(folder)
    for number in numbers:
        answer = child.ask(number)
        if answer is None:
            answer = {"end": "crash", "said": f"exit code {child.close()}", "seconds": 0.0, "peak": 0}
        if answer["end"] in ("crash", "hang"):
            child = Child(folder)
        answer |= {"name": names[number % len(names)], "number": number}
        if answer["end"] not in ("refused", "read"):
            print(number, answer, flush=True)
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{number}-{answer['name']}").write_bytes((folder / str(answer["name"])).read_bytes())
        yield answer
    child.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--keep", type=Path, help="folder for the files of failures")
    parser.add_argument("--shared", type=Path, help="folder whose small files are damaged as well")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        work(given.work)
        return
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="omote-fuzz-") as name:
        folder = Path(name)
        seeds = all_seeds(folder, given.shared)
        print(f"{len(seeds)} files, {min(map(len, seeds.values()))} to {max(map(len, seeds.values()))} bytes")
        numbers = range(given.first, given.first + given.count)
        answers = list(run(folder, numbers, sorted(seeds), given.keep))
    table(answers)
    failures = sum(answer["end"] not in ("refused", "read") for answer in answers)
    print(f"{len(answers)} cases in {time.monotonic() - began:.0f} s: {failures} failures")
    sys.exit(bool(failures))


def all_seeds(folder: Path, shared: Path | None) -> Seeds:
    """The files that are damaged, written to `seeds` in a folder for the children."""
    os.environ["OMOTE_HOME"] = str(folder / "home")  # for keys, and for the children
    seeds = picture_seeds() | film_seeds()
    seeds |= signed_seeds(folder, seeds)
    if shared is not None:
        seeds |= small_files(shared)
    (folder / "seeds").mkdir()
    for name, data in seeds.items():
        (folder / "seeds" / name).write_bytes(data)
    return seeds


def table(answers: list[dict[str, object]]) -> None:
    """How many cases of each kind ended how; the slowest and the largest."""
    print(f"| file | cases | {' | '.join(ENDS)} | slowest, s | peak, MB |")
    print("|---" * (len(ENDS) + 4) + "|")
    for name in [*sorted({str(answer["name"]) for answer in answers}), "all"]:
        rows = [answer for answer in answers if name in (answer["name"], "all")]
        ends = Counter(str(answer["end"]) for answer in rows)
        slowest = max(float(str(answer["seconds"])) for answer in rows)
        peak = max(int(str(answer["peak"])) for answer in rows) / 2**20
        counts = " | ".join(str(ends[end]) for end in ENDS)
        print(f"| {name} | {len(rows)} | {counts} | {slowest:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
