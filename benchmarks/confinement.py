"""What it costs that commands go on in a child with limits: the fork alone, and whole commands in pairs.

    python -m benchmarks.confinement [--runs 9]

Commands run with and without `--no-confine` in turn; times are seconds of the processor, parent and child
together, because a busy machine's clock tells little.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from omote.demo import portraits

_ALONE = """
import sys, time
import omote.cli.main
from omote.confinement import Limits, go_on_confined, half_of_memory
began = time.process_time()
code = go_on_confined(Limits(half_of_memory(), 600, 1 << 26, writable=(), alone=True))
if code is None:
    began = 0.0  # a child's processor time begins with it
print(1000 * (time.process_time() - began))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    fork = [
        sum(map(float, subprocess.check_output([sys.executable, "-c", _ALONE]).split())) for _ in range(runs)
    ]
    print(f"fork, limits and waiting: {statistics.median(fork):.1f} ms (median)")
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"OMOTE_HOME": name, "OMOTE_RIGHTS": "own", "OMP_NUM_THREADS": "1"}
        output = Path(name) / "out.jpg"
        source, target = map(str, portraits()[:2])
        for command in (
            ["faces", target],
            ["swap", source, target, "-o", str(output)],
            ["verify", str(output)],
        ):
            _row(command, runs)


def _row(command: list[str], runs: int) -> None:
    confined, free = [], []
    for _ in range(runs):
        confined.append(_seconds(command))
        free.append(_seconds([*command, "--no-confine"]))
    pairs = [one - other for one, other in zip(confined, free, strict=True)]
    base = statistics.median(free)
    cost = statistics.median(pairs)
    print(
        f"{command[0]}: {base:.3f} s free, {statistics.median(confined):.3f} s confined: "
        f"{1000 * cost:+.0f} ms, {100 * cost / base:+.1f} % (medians of {runs})"
    )


def _seconds(command: list[str]) -> float:
    """Seconds of the processor that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "omote", *command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
