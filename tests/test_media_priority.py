"""Encoders leave the priority of the process alone."""

import os
from pathlib import Path

import pytest
from benchmarks.fuzz_cases import film_seeds

from omote.media import VideoReader, VideoWriter
from omote.media.encoders import ENCODERS, opens
from tests.media_files import make_film

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such priorities here")


def test_av1_does_not_become_real_time(tmp_path):
    if not opens(ENCODERS["av1"]):
        pytest.skip("no AV1 encoder here")
    source = make_film(tmp_path / "a.mp4", count=4, size=(128, 96))
    found = set()
    with (
        VideoReader(source) as reader,
        VideoWriter(tmp_path / "b.mp4", reader, codec="av1", preset="ultrafast") as writer,
    ):
        for frame in reader:
            writer.write(frame)
            found |= policies()
    assert found == {os.SCHED_OTHER}


def test_the_films_of_the_tests_do_not_either():
    """Two processes of the highest priority wait for each other for ever on two processors."""
    assert "av1.mp4" in film_seeds() or not opens(ENCODERS["av1"])
    assert policies() == {os.SCHED_OTHER}


def policies() -> set[int]:
    """Those by which the threads of this process are given processors."""
    return {os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").glob("*")}
