"""`omote evaluate --film`: a swapped film beside the untouched one, and beside that one encoded anew."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omote.media import VideoReader, VideoWriter
from tests.conftest import Command
from tests.media_files import make_film

FRAMES = 10


@pytest.fixture(scope="module")
def short(film: Path) -> Path:
    """The first frames of the film of one talking head."""
    return rewritten(film, film.with_name("short.mp4"), quality=90)


def rewritten(film: Path, path: Path, dimmed: int = 0, **encoding: Any) -> Path:
    """The first frames of a film encoded anew, every second one darker by so many levels."""
    with VideoReader(film) as reader, VideoWriter(path, reader, **encoding) as writer:
        for frame in reader:
            if frame.index == FRAMES:
                break
            darker = np.maximum(frame.pixels, dimmed) - np.uint8(dimmed)
            kept = frame.index % 2 == 0 or not dimmed
            writer.write(
                frame.with_pixels(frame.pixels, changed=(0, 0, 0, 0)) if kept else frame.with_pixels(darker)
            )
    return path


def measured(omote: Command, folder: Path, film: Path, swapped: Path, *words: object) -> dict[str, Any]:
    """The only track in the report."""
    done = omote("evaluate", "--film", film, "--swapped", swapped, "-o", folder / "report", *words)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 2
    report = json.loads((folder / "report" / "report.json").read_text("utf-8"))
    assert [network["name"] for network in report["networks"]] == ["omote-identity"]
    (track,) = report["tracks"]
    return {**track, "line": done.out.splitlines()[1]}


def test_what_the_coder_did_is_told_from_what_the_swap_did(omote: Command, short: Path, tmp_path: Path):
    same = rewritten(short, tmp_path / "same.mp4", quality=30)
    track = measured(omote, tmp_path, short, same, "--quality", 30)
    assert (track["first"], track["frames"], track["changed"]) == (0, FRAMES, False)
    assert track["swapped"] == track["recoded"] != track["untouched"]
    assert track["line"].count("(1.00)") == 3  # the head never stands still, so that there is no flicker
    other = measured(omote, tmp_path, short, same, "--quality", 90)
    assert other["recoded"] != other["swapped"] == track["swapped"]


def test_flicker_is_found_in_a_lossless_film_which_is_compared_with_one_only(
    omote: Command, short: Path, tmp_path: Path
):
    track = measured(omote, tmp_path, short, rewritten(short, tmp_path / "dim.mkv", 8, codec="ffv1"))
    assert track["recoded"] is None
    assert "(" not in track["line"]
    assert track["swapped"]["warped"] > 5 + track["untouched"]["warped"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--film a.mp4", 2, "--film and --swapped belong together"),
        ("--swapped a.mp4", 2, "--film and --swapped belong together"),
        ("--film a.mp4 --swapped b.mp4 --data faces", 2, "--film is no set of faces"),
        ("--film a.mp4 --swapped b.mp4", 3, "a.mp4"),
        ("--film {blank} --swapped {blank}", 4, "no face is seen for 8 frames"),
        ("--film {short} --swapped {longer}", 3, "longer.mp4: has not the frames of"),
        ("--film {short} --swapped {short} --judge nobody", 2, "nobody"),
        ("--film {short} --swapped {short} --quality 101", 2, "--quality must be between 0 and 100"),
        ("--data faces --quality 50 --judge x -o report", 2, "--quality and --preset are for --film"),
        ("--data faces -o report", 2, "give a judge"),
        ("--data faces --judge x", 2, "a folder for the report"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    omote: Command, film: Path, short: Path, tmp_path: Path, words: str, code: int, message: str
):
    longer, blank = tmp_path / "longer.mp4", make_film(tmp_path / "blank.mp4", count=9)
    longer.symlink_to(film)
    done = omote("evaluate", *words.format(short=short, longer=longer, blank=blank).split())
    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert message in done.err
