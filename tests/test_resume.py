"""Films that broke off: killed, interrupted, shared by workers, damaged; what is finished is used again."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

import omote as api
from omote.errors import InputError, NoFaceError, OmoteError, UsageError
from omote.pipelines import (
    JobFolder,
    Progress,
    SwapReport,
    SwapSettings,
    film_job,
    job_path,
    swap_file,
    workers,
)
from tests.conftest import Command, finish, pictures, snapshot, start
from tests.media_files import look

SETTINGS: dict[str, Any] = {
    "rights": "own",
    "segment": 0.1,
    "end": 0.6,
    "preset": "ultrafast",
    "detector_size": 192,
    "swapper": "mesh",  # the quickest that ships
}
OPTIONS = ["--segment", "0.1", "--end", "0.6", "--preset", "ultrafast", "--detector-size", "192"]
OPTIONS += ["--swapper", "mesh"]
SEGMENTS, FRAMES, EACH = 5, 15, 3


def packets(path: Path) -> list[tuple[Any, ...]]:
    """The coded pictures of a film with their times."""
    with av.open(str(path)) as film:
        return [(p.pts, p.dts, p.duration, bytes(p)) for p in film.demux(film.streams.video[0]) if p.size]


@pytest.fixture(scope="module")
def unbroken(source: Path, rich_film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The film with tracks, made by segments in one run."""
    out = tmp_path_factory.mktemp("unbroken") / "out.mkv"
    report = swap_file([source], rich_film, out, SwapSettings(**SETTINGS))
    assert (report.frames, report.swapped, report.empty, report.kept) == (FRAMES, FRAMES, 0, 0)
    assert {path.name for path in out.parent.iterdir()} == {"out.mkv", "out.mkv.c2pa"}
    return out


def go_on(source: Path, film: Path, out: Path, **settings: Any) -> SwapReport:
    return swap_file([source], film, out, SwapSettings(**{**SETTINGS, **settings}), resume=True)


def break_off(source: Path, film: Path, out: Path, after: int) -> JobFolder:
    """Let a run come to its end after so many frames were worked on, each once to find and once to swap."""
    seen = 0

    def report(progress: Progress) -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swap_file([source], film, out, SwapSettings(**SETTINGS), report)
    assert not out.exists()
    return JobFolder(job_path(out))


def test_segments_change_nothing_but_the_coding(
    source: Path, rich_film: Path, unbroken: Path, tmp_path: Path
):
    one, other = tmp_path / "one.mkv", tmp_path / "other.mkv"
    lossless = {"codec": "ffv1", "preset": None, "swapper": SwapSettings().swapper}
    swap_file([source], rich_film, one, SwapSettings(**{**SETTINGS, **lossless, "segment": 0}))
    go_on(source, rich_film, other, **lossless)
    assert shown(one) == shown(other)
    before = look(one)
    for path in (other, unbroken):
        after = look(path)
        assert (after.times, after.tracks, after.chapters) == (before.times, before.tracks, before.chapters)
        assert after.metadata["title"] == "A short film"


def shown(path: Path) -> list[bytes]:
    return [picture.tobytes() for picture in pictures(path, *range(FRAMES))]


Wait = Callable[[JobFolder], bool]
MOMENTS: dict[str, Wait] = {
    "before anything": lambda folder: folder.path.exists(),
    "finding": lambda folder: folder.begun() and folder.counts()[0] >= 2,
    "swapping": lambda folder: folder.begun() and folder.counts()[1] >= 1,
    "near the end": lambda folder: folder.begun() and folder.counts()[1] >= SEGMENTS - 1,
}


@pytest.mark.parametrize(("moment", "workers"), [*((moment, 1) for moment in MOMENTS), ("swapping", 2)])
def test_killed_and_gone_on_with(
    moment: str, workers: int, source: Path, rich_film: Path, unbroken: Path, tmp_path: Path
):
    out = tmp_path / "out" / "out.mkv"
    out.parent.mkdir()
    folder = JobFolder(job_path(out))
    process = start("swap", source, rich_film, "-o", out, *OPTIONS, "--workers", workers)
    deadline = time.monotonic() + 60
    while not MOMENTS[moment](folder):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    assert finish(process).code == -signal.SIGKILL
    assert not out.exists()
    made = folder.counts()[1] if folder.begun() else 0
    report = go_on(source, rich_film, out)
    assert report.kept >= EACH * made
    assert (report.frames, report.swapped) == (FRAMES, FRAMES)
    assert packets(out) == packets(unbroken)
    assert look(out) == look(unbroken)
    assert {path.name for path in out.parent.iterdir()} == {"out.mkv", "out.mkv.c2pa"}


def test_nothing_is_done_twice(
    source: Path, rich_film: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out.mkv"
    folder = break_off(source, rich_film, out, FRAMES + 2 * EACH + 1)  # all are found, two segments swapped
    assert folder.counts() == (SEGMENTS, 2, SEGMENTS)
    before = snapshot(folder.path)

    def broken(*_: object) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(film_job, "join", broken)
        with pytest.raises(KeyboardInterrupt):
            go_on(source, rich_film, out)
    after = snapshot(folder.path)
    assert {name: after[name] for name in before} == before
    assert folder.counts() == (SEGMENTS, SEGMENTS, SEGMENTS)
    report = go_on(source, rich_film, out)
    assert (report.frames, report.kept, report.frame_rate) == (FRAMES, FRAMES, 0)
    assert packets(out) == packets(unbroken)


def test_two_workers_equal_one(source: Path, rich_film: Path, unbroken: Path, tmp_path: Path):
    out = tmp_path / "out" / "out.mkv"
    out.parent.mkdir()
    seen: list[Progress] = []
    settings = SwapSettings(**SETTINGS, workers=2)
    report = swap_file([source], rich_film, out, settings, seen.append)
    assert (report.frames, report.swapped, report.empty) == (FRAMES, FRAMES, 0)
    assert set(report.stages) == {"decode", "find", "swap", "compose", "encode"}
    assert seen[-1] == Progress(FRAMES, FRAMES)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert packets(out) == packets(unbroken)
    assert {path.name for path in out.parent.iterdir()} == {"out.mkv", "out.mkv.c2pa"}


def test_workers_die_with_the_one_who_started_them(source: Path, rich_film: Path, tmp_path: Path):
    out = tmp_path / "out.mkv"
    process = start("swap", source, rich_film, "-o", out, *OPTIONS, "--workers", "2")
    try:
        children = wait_for_children(process)
    finally:
        process.kill()
    finish(process)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}/cmdline").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_children(process: "subprocess.Popen[str]") -> list[str]:
    """Process numbers of a run's workers, once there are two of them."""
    if not Path(f"/proc/{process.pid}/task/{process.pid}/children").exists():
        process.kill()
        pytest.skip("needs Linux's list of children")
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        children = [
            child
            for child in descendants(str(process.pid))
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
        ]
        if len(children) == 2:
            return children
        time.sleep(0.02)


def test_a_worker_that_dies_is_named(source: Path, rich_film: Path, tmp_path: Path):
    process = start("swap", source, rich_film, "-o", tmp_path / "out.mkv", *OPTIONS, "--workers", "2")
    os.kill(int(wait_for_children(process)[0]), signal.SIGKILL)
    done = finish(process)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "a worker process died" in done.err
    assert not (tmp_path / "out.mkv").exists()


@pytest.fixture
def left(source: Path, film: Path, tmp_path: Path) -> Path:
    """The output of a run that broke off when two segments were finished."""
    out = tmp_path / "out.mp4"
    break_off(source, film, out, FRAMES + 2 * EACH + 1)
    return out


def test_an_unfinished_film_is_not_overlooked(left: Path, source: Path, film: Path, omote: Command):
    done = omote("swap", source, film, "-o", left, *OPTIONS)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "faces found in 5, swapped in 2 of 5 segments" in done.err
    assert "--resume" in done.err
    done = omote("swap", source, film, "-o", left, *OPTIONS, "--resume")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("15 faces swapped in 15 frames")
    assert "6 frames of them kept from before" in done.out
    assert not job_path(left).exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("opacity", 0.5, r"begun with --opacity 1\.0, now it is 0\.5"),
        ("quality", 60, "begun with --quality left to choose, now it is 60"),
        ("segment", 0.4, r"begun with --segment 0\.1, now it is 0\.4"),
        ("face", "all", "begun with --face largest, now it is all"),
    ],
)
def test_other_settings_are_refused(
    option: str, value: Any, words: str, left: Path, source: Path, film: Path
):
    before = snapshot(job_path(left))
    with pytest.raises(UsageError, match=words) as caught:
        go_on(source, film, left, **{option: value})
    assert "\n" not in str(caught.value)
    assert snapshot(job_path(left)) == before


def test_other_inputs_are_refused(left: Path, source: Path, target: Path, film: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"[^\n]* has changed since it was begun") as caught:
        go_on(target, film, left)
    assert str(target) in str(caught.value)
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(film.read_bytes() + b"\0\0\0\x08free")
    with pytest.raises(UsageError, match="has changed since it was begun") as caught:
        go_on(source, changed, left)
    assert str(changed) in str(caught.value)
    with pytest.raises(UsageError, match="begun with 1 source photos, now there are 2"):
        swap_file([source, source], film, left, SwapSettings(**SETTINGS), resume=True)
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(film.read_bytes())
    assert go_on(source, moved, left).kept == 2 * EACH


@pytest.mark.parametrize("kind", ["faces", "pieces"])
@pytest.mark.parametrize("harm", ["a bit", "cut short", "gone"])
def test_what_is_damaged_is_made_again(
    kind: str, harm: str, source: Path, rich_film: Path, unbroken: Path, tmp_path: Path
):
    out = tmp_path / "out.mkv"
    folder = break_off(source, rich_film, out, FRAMES + 2 * EACH + 1)
    path = folder.path / kind / "00001"
    data = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 4
        path.write_bytes(data if harm == "a bit" else data[:-100])
    assert go_on(source, rich_film, out).kept == (EACH if kind == "pieces" else 2 * EACH)
    assert packets(out) == packets(unbroken)


def test_a_damaged_job_says_how_to_be_rid_of_it(left: Path, source: Path, film: Path, omote: Command):
    job = job_path(left) / "job.json"
    job.write_text(job.read_text()[:-200])
    done = omote("swap", source, film, "-o", left, *OPTIONS, "--resume")
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert f"omote jobs --remove {job_path(left)}" in done.err
    assert omote("jobs", "--remove", job_path(left)).code == 0
    assert not job_path(left).exists()


def test_a_job_is_for_one_process_at_a_time(left: Path, source: Path, film: Path, omote: Command):
    with JobFolder(job_path(left)).locked():
        with pytest.raises(UsageError, match="another process works on this job"):
            go_on(source, film, left)
        done = omote("jobs", left.parent)
        assert ": at work, " in done.out
        assert omote("jobs", "--remove", job_path(left)).code == 2
    assert go_on(source, film, left).kept == 2 * EACH


def test_something_else_under_the_name_of_the_job_stays(source: Path, film: Path, tmp_path: Path):
    folder = job_path(tmp_path / "out.mp4")
    for make in (lambda: folder.write_text("mine"), lambda: (folder.mkdir(), (folder / "mine").touch())):
        make()
        before = snapshot(tmp_path)
        for resume in (False, True):
            with pytest.raises(UsageError, match="is in the way"):
                swap_file([source], film, tmp_path / "out.mp4", SwapSettings(**SETTINGS), resume=resume)
        assert snapshot(tmp_path) == before
        if folder.is_file():
            folder.unlink()


def test_a_folder_that_cannot_be_written(source: Path, film: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(InputError) as caught:
            go_on(source, film, place / "out.mp4")
        assert str(caught.value).startswith(f"{place / 'out.mp4'}: ")
    out = tmp_path / "out.mp4"
    job_path(out).mkdir()
    (job_path(out) / "faces").touch()  # where a folder is wanted
    with pytest.raises(InputError, match=r"^[^\n]*omote-job: cannot be written \([^\n]*\)$"):
        go_on(source, film, out)


def test_a_full_disk_keeps_what_is_finished(source: Path, rich_film: Path, unbroken: Path, tmp_path: Path):
    """The limit of a file's size stands in for a full disk: faces fit, a piece does not."""
    out = tmp_path / "out.mkv"
    limit = 40_000
    process = start(
        "swap", source, rich_film, "-o", out, *OPTIONS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    done = finish(process)
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "cannot be written" in done.err
    found, made, count = JobFolder(job_path(out)).counts()
    assert (found, made < count) == (SEGMENTS, True)
    assert go_on(source, rich_film, out).frames == FRAMES
    assert packets(out) == packets(unbroken)


def test_a_film_without_the_face_leaves_nothing(source: Path, film: Path, tmp_path: Path):
    out = tmp_path / "out" / "out.mp4"
    out.parent.mkdir()
    with pytest.raises(NoFaceError, match="--allow-no-face"):
        go_on(source, film, out, face="7")
    assert list(out.parent.iterdir()) == []
    report = go_on(source, film, out, face="7", allow_no_face=True)
    assert (report.frames, report.swapped, report.empty) == (FRAMES, 0, FRAMES)


def test_interrupted_on_the_command_line(source: Path, film: Path, tmp_path: Path, omote: Command):
    out = tmp_path / "out.mp4"
    process = start("swap", source, film, "-o", out, *OPTIONS)
    folder = JobFolder(job_path(out))
    while not MOMENTS["swapping"](folder):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    done = finish(process, 20)
    assert (done.code, done.out, done.err.count("\n")) == (130, "", 1)
    assert "go on with --resume" in done.err
    done = omote("jobs", tmp_path)
    assert done.code == 0
    (line,) = (line for line in done.out.splitlines() if line.startswith("  go on:  omote "))
    finished = omote(*line.removeprefix("  go on:  omote ").split())
    assert (finished.code, finished.err) == (0, "")
    assert len(look(out).times) == FRAMES
    assert omote("jobs", tmp_path).out == ""


def descendants(number: str) -> list[str]:
    """Process numbers of the children of a process, and of theirs: commands go on in a confined child."""
    children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [*children, *(below for child in children for below in descendants(child))]


def test_interrupted_workers_stop_without_a_word(source: Path, film: Path, tmp_path: Path):
    words = ["swap", source, film, "-o", tmp_path / "out.mp4", *OPTIONS, "--workers", "2"]
    process = start(*words, start_new_session=True)
    children = wait_for_children(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    done = finish(process, 30)
    assert (done.code, done.out, done.err.count("\n")) == (130, "", 1), done.err
    assert not any(Path(f"/proc/{child}/cmdline").exists() for child in children)


def test_an_interrupt_waits_until_workers_are_started():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    free, done = threading.Event(), []
    other = threading.Thread(target=free.wait)  # takes signals that this thread blocks
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt), workers._deaf_to_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            done.append("started")
    finally:
        free.set()
        other.join()
        signal.signal(signal.SIGINT, before)
    assert done == ["started"]


_FINALISER = """
import os, signal, sys, time
from omote.cli import main

class Falls:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)

signal.signal(signal.SIGINT, main._interrupt)
sys.unraisablehook = main._interrupt_again
fallen = Falls()
try:
    del fallen
    time.sleep(50)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interrupt_that_falls_into_a_finaliser_counts():
    done = subprocess.run(
        [sys.executable, "-c", _FINALISER], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_no_job_of_omote_is_removed(tmp_path: Path, omote: Command):
    (tmp_path / "mine").mkdir()
    done = omote("jobs", "--remove", tmp_path / "mine")
    assert (done.code, done.err) == (3, f"omote: {tmp_path / 'mine'}: is no job folder of omote\n")
    assert (tmp_path / "mine").exists()
    assert omote("jobs", tmp_path / "none").code == 3


def test_short_films_and_animations_are_made_in_one_go(source: Path, film: Path, tmp_path: Path):
    seen: list[bool] = []
    out = tmp_path / "out.mp4"
    settings = SwapSettings(rights="own", preset="ultrafast", end=0.12)
    swap_file([source], film, out, settings, lambda _: seen.append(job_path(out).exists()))
    brief = SwapSettings(rights="own", end=0.1, segment=0.1)
    swap_file([source], film, tmp_path / "out.gif", brief, resume=True)
    assert seen == [False] * 3
    with pytest.raises(UsageError, match="are not cut"):
        api.swap(source, film, tmp_path / "out.gif", rights="own", workers=2)
    with pytest.raises(UsageError, match="workers open engines"):
        swap_file([source], film, out, SwapSettings(rights="own", workers=2), networks=object())


@pytest.mark.parametrize("settings", [{"segment": -1}, {"segment": 0.01}, {"workers": 2, "segment": 0}])
def test_impossible_settings(settings: dict[str, Any]):
    with pytest.raises(OmoteError):
        SwapSettings(**settings)


def test_previews(source: Path, film: Path, tmp_path: Path, omote: Command):
    out = tmp_path / "out.mp4"
    common = ["swap", source, film, "-o", out, "--preset", "ultrafast", "--preview", "0.2"]
    assert omote(*common).code == 0
    assert omote(*common, "--preview-at", "0.1", "--preview-at", "1.15").code == 0
    made = {path.name: len(look(path).times) for path in tmp_path.glob("*.mp4")}
    assert made == {"out.preview-0.6s.mp4": 5, "out.preview-0.1s.mp4": 5, "out.preview-1.15s.mp4": 5}
    (old,), (new,) = pictures(film, 29), pictures(tmp_path / "out.preview-1.15s.mp4", 4)
    assert abs(old[:20].astype(int) - new[:20]).mean() < 2
    for wrong in (["--preview-at", "5"], ["--resume"], ["--preview", "0"]):
        done = omote(*common, *wrong)
        assert (done.code, done.err.count("\n")) == (2, 1)
    assert omote("swap", source, film, "-o", out, "--preview-at", "1").code == 2
    assert omote("swap", source, source, "-o", tmp_path / "a.png", "--preview", "1").code == 2
