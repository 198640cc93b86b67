"""What goes wrong between the segments of a film, on the command line: one line, which input, what code."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from omote.pipelines import film_job, job_path
from tests.conftest import Command, snapshot
from tests.test_resume import EACH, FRAMES, OPTIONS, break_off

HARMS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "cut short": lambda piece: piece.write_bytes(piece.read_bytes()[:-50]),
    "empty": lambda piece: piece.write_bytes(b""),
}


@pytest.mark.parametrize(
    ("harm", "told"), [*zip(HARMS, ("cannot be read", "damaged", "damaged"), strict=True)]
)
def test_a_piece_that_is_harmed_before_the_pieces_are_joined(
    harm: str,
    told: str,
    source: Path,
    film: Path,
    tmp_path: Path,
    omote: Command,
    monkeypatch: pytest.MonkeyPatch,
):
    out, join = tmp_path / "out.mp4", film_job.join

    def join_harmed(pieces: Sequence[Path], *rest: Any) -> list[str]:
        HARMS[harm](pieces[1])
        return join(pieces, *rest)

    monkeypatch.setattr(film_job, "join", join_harmed)
    done = omote("swap", source, film, "-o", out, *OPTIONS)
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1), done.err
    assert f"{job_path(out)}/pieces/00001: {told}" in done.err
    assert done.err.endswith("; --resume makes it again\n")
    assert not out.exists()
    monkeypatch.setattr(film_job, "join", join)
    done = omote("swap", source, film, "-o", out, *OPTIONS, "--resume")
    assert (done.code, done.err) == (0, "")
    assert f"{FRAMES - EACH} frames of them kept from before" in done.out


@pytest.mark.parametrize("changed", ["photo", "film"])
def test_an_input_that_changed_between_the_runs_is_refused_by_its_name(
    changed: str, source: Path, target: Path, film: Path, tmp_path: Path, omote: Command
):
    photo, plate = (
        Path(shutil.copy(source, tmp_path / "me.png")),
        Path(shutil.copy(film, tmp_path / "in.mp4")),
    )
    out = tmp_path / "out.mp4"
    break_off(photo, plate, out, FRAMES + 1)
    before = snapshot(job_path(out))
    if changed == "photo":
        shutil.copy(target, photo)
    else:
        plate.write_bytes(plate.read_bytes() + b"\0\0\0\x08free")
    done = omote("swap", photo, plate, "-o", out, *OPTIONS, "--resume")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
    assert f"{photo if changed == 'photo' else plate} has changed since it was begun" in done.err
    assert f"omote jobs --remove {job_path(out)}" in done.err
    assert snapshot(job_path(out)) == before
    assert not out.exists()
