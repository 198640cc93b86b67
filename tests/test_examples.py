"""The examples run as they stand."""

import subprocess
import sys
from pathlib import Path

from omote.demo import portraits

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SOURCE, TARGET = portraits()


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_find_faces():
    assert run("find_faces.py", SOURCE).startswith("face 0: ")


def test_swap_frames(tmp_path):
    assert "eileen_collins.jpg: 1 swapped" in run("swap_frames.py", SOURCE, TARGET, tmp_path)
    assert (tmp_path / "eileen_collins.jpg").stat().st_size > 10_000
