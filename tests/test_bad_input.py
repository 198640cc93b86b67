"""Bad input and bad luck: one line that says what to do, the exit code, and nothing left on the disk."""

import os
import resource
import shutil
import signal
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.films import loop_film
from PIL import Image

from omote.media.atomic import AtomicFile
from tests.conftest import Command, Outcome, finish, snapshot, start
from tests.media_files import look

Make = Callable[[Path], Any]


def huge_png(path: Path) -> None:
    """A valid header that promises 60,000 x 60,000 pixels, and a few bytes of them."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(60_000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b""))


def corrupt_jpeg(path: Path) -> None:
    """The first half of a photo."""
    picture = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(picture).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_film(path: Path) -> None:
    """Half of a film, without its index."""
    shutil.copy(path.parent / "film.mp4", path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def landscape(path: Path) -> None:
    """Hills and a sky, nobody there."""
    y, x = np.mgrid[:240, :320]
    hills = 120 + 30 * np.sin(x / 40) + 20 * np.sin(x / 13)
    picture = np.where((y < hills)[..., None], (120, 170, 220), (60, 120, 50)).astype(np.uint8)
    Image.fromarray(picture).save(path)


MAKERS: dict[str, Make] = {
    "missing.jpg": lambda path: None,
    "empty.jpg": Path.touch,
    "empty.mp4": Path.touch,
    "text.jpg": lambda path: path.write_text("This is no photo.\n" * 50),
    "text.mp4": lambda path: path.write_text("This is no film.\n" * 50),
    "corrupt.jpg": corrupt_jpeg,
    "huge.png": huge_png,
    "cut.mp4": cut_film,
    "folder.jpg": Path.mkdir,
    "landscape.png": landscape,
}


@pytest.fixture
def room(tmp_path: Path, source: Path, target: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: two portraits and a film."""
    folder = tmp_path / "room"
    folder.mkdir()
    shutil.copy(source, folder / "source.jpg")
    shutil.copy(target, folder / "target.jpg")
    shutil.copy(film, folder / "film.mp4")
    monkeypatch.chdir(folder)
    return folder


def require_refusal(done: Outcome, code: int, *words: str) -> None:
    """One line on stderr that names the input, nothing on stdout."""
    assert done.code == code, done.err
    assert done.out == ""
    assert done.err.startswith("omote: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("missing.jpg", 3, "no such file"),
        ("empty.jpg", 3, "empty"),
        ("text.jpg", 3, "not a picture or film"),
        ("corrupt.jpg", 3, "truncated"),
        ("huge.png", 3, "--max-pixels"),
        ("folder.jpg", 3, "folder"),
        ("landscape.png", 4, "--source-face"),
        ("film.mp4", 3, "film"),
    ],
)
def test_a_bad_source_is_refused(omote: Command, room: Path, name: str, code: int, words: str):
    MAKERS.get(name, lambda path: None)(room / name)
    before = snapshot(room.parent)
    done = omote("swap", name, "target.jpg", "-o", "out.png")
    require_refusal(done, code, name, words)
    assert snapshot(room.parent) == before


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("missing.jpg", 3, "no such file"),
        ("empty.jpg", 3, "empty"),
        ("empty.mp4", 3, "empty"),
        ("text.jpg", 3, "not a picture or film"),
        ("text.mp4", 3, "not a picture or film"),
        ("corrupt.jpg", 3, "truncated"),
        ("huge.png", 3, "--max-pixels"),
        ("cut.mp4", 3, "truncated"),
        ("folder.jpg", 3, "folder"),
        ("landscape.png", 4, "--allow-no-face"),
    ],
)
def test_a_bad_target_is_refused(omote: Command, room: Path, name: str, code: int, words: str):
    MAKERS[name](room / name)
    before = snapshot(room.parent)
    out = f"out{Path(name).suffix}"
    require_refusal(omote("swap", "source.jpg", name, "-o", out), code, name, words)
    assert snapshot(room.parent) == before
    if code != 4:
        require_refusal(omote("faces", name), code, name, words)
        assert snapshot(room.parent) == before


@pytest.mark.usefixtures("unmarked")
def test_a_target_without_a_face_is_copied_through_on_request(omote: Command, room: Path):
    landscape(room / "landscape.png")
    done = omote("swap", "source.jpg", "landscape.png", "-o", "out.png", "--allow-no-face")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("0 faces swapped")
    assert np.array_equal(np.asarray(Image.open("out.png")), np.asarray(Image.open("landscape.png")))


@pytest.mark.parametrize(
    "arguments",
    [
        ["source.jpg", "target.jpg", "-o", "out.xyz"],
        ["source.jpg", "target.jpg", "-o", "out"],
        ["source.jpg", "target.jpg", "-o", "out.mp4"],
        ["source.jpg", "film.mp4", "-o", "out.xyz"],
        ["source.jpg", "film.mp4", "-o", "out.jpg"],
        ["source.jpg", "film.mp4", "-o", "out.mp4", "--codec", "betamax"],
        ["source.jpg", "film.mp4", "-o", "out.webm", "--codec", "x264"],
        ["source.jpg", "film.mp4", "-o", "out.mp4", "--preset", "warp"],
        ["source.jpg", "film.mp4", "-o", "out.mp4", "--quality", "101"],
        ["source.jpg", "film.mp4", "-o", "out.mp4", "--workers", "0"],
        ["source.jpg", "film.mp4", "-o", "out.mp4", "--workers", "two"],
        ["source.jpg", "target.jpg", "-o", "out.png", "--face", "prettiest"],
        ["source.jpg", "target.jpg", "-o", "out.png", "--colour", "pink"],
        ["source.jpg", "target.jpg", "-o", "out.png", "--blend", "whisk"],
        ["source.jpg", "target.jpg", "-o", "out.png", "--opacity", "nan"],
        ["source.jpg", "target.jpg", "-o", "out.png", "--score", "2"],
        ["source.jpg", "target.jpg", "-o", "out.png", "--no-such-option"],
        ["source.jpg", "target.jpg"],
        ["source.jpg", "-o", "out.png"],
    ],
    ids=" ".join,
)
def test_requests_that_make_no_sense(omote: Command, room: Path, arguments: list[str]):
    before = snapshot(room.parent)
    require_refusal(omote("swap", *arguments), 2)
    assert snapshot(room.parent) == before


@pytest.mark.parametrize("option", ["-o", "--draw"])
def test_the_output_must_not_be_an_input(omote: Command, room: Path, option: str):
    (room / "link.jpg").symlink_to("target.jpg")
    os.link(room / "target.jpg", room / "twin.jpg")
    (room / "sub").mkdir()
    before = snapshot(room.parent)
    for out in (
        "target.jpg",
        "./target.jpg",
        "sub/../target.jpg",
        room / "target.jpg",
        "link.jpg",
        "twin.jpg",
    ):
        if option == "--draw":
            done = omote("faces", "target.jpg", "--draw", out)
        else:
            done = omote("swap", "source.jpg", "target.jpg", "-o", out)
        require_refusal(done, 2, Path(out).name, "overwrite")
    if option == "-o":
        require_refusal(omote("swap", "source.jpg", "target.jpg", "-o", "source.jpg"), 2, "source.jpg")
        require_refusal(omote("swap", "source.jpg", "film.mp4", "-o", "film.mp4"), 2, "film.mp4")
    assert snapshot(room.parent) == before


@pytest.mark.parametrize("name", ["target.jpg", "film.mp4"])
def test_outputs_that_cannot_be_written(omote: Command, room: Path, name: str):
    suffix = Path(name).suffix
    closed = Path("/proc")  # root may write anywhere else
    if os.geteuid() != 0:
        closed = room / "closed"
        closed.mkdir(0o555)
    elif not closed.is_dir():
        pytest.skip("no folder is closed to root here")
    (room / f"folder{suffix}").mkdir()
    before = snapshot(room.parent)
    for out in (
        closed / f"out{suffix}",
        f"nowhere/out{suffix}",
        f"source.jpg/out{suffix}",
        f"folder{suffix}",
    ):
        require_refusal(omote("swap", "source.jpg", name, "-o", out, "--preset", "ultrafast"), 3, str(out))
    assert snapshot(room.parent) == before


@pytest.mark.parametrize(
    ("name", "limit", "codec"),
    [("target.jpg", 20_000, None), ("film.mp4", 200, None), ("film.mp4", 300_000, "ffv1")],
)
def test_a_full_disk(room: Path, name: str, limit: int, codec: str | None):
    """The limit of a file's size stands in for a full disk: writing fails in the middle all the same."""
    out = f"out{Path(name).suffix}" if codec is None else "out.mkv"
    before = snapshot(room.parent)
    options = [] if codec is None else ["--codec", codec]
    process = start(
        "swap", "source.jpg", name, "-o", out, *options,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    require_refusal(finish(process), 3, out)
    assert snapshot(room.parent) == before


@pytest.mark.parametrize(
    "name", ["with some spaces", "日本語の顔", "Ünïcödé ’n’ 100%", "-dash", "[a]*?", "面" * 80], ids=ascii
)
def test_odd_names_work(omote: Command, room: Path, name: str):
    folder = room / f"{name[:20]} folder"
    folder.mkdir()
    photo, film = folder / f"{name}.jpg", folder / f"{name}.mp4"
    shutil.copy("target.jpg", photo)
    shutil.copy("film.mp4", film)
    for target in (photo, film):
        out = folder / f"2 {target.name}" if len(name) < 80 else room / target.name
        done = omote("swap", "source.jpg", target, "-o", out, "--preset", "ultrafast", "--end", "0.1")
        assert (done.code, done.err) == (0, "")
        assert out.stat().st_size > 1000
    assert not list(room.rglob(".*"))


def test_names_beginning_with_a_dash_follow_two_dashes(omote: Command, room: Path):
    shutil.copy("target.jpg", "-t.jpg")
    assert omote("swap", "-o", "out.png", "--", "source.jpg", "-t.jpg").code == 0


def slow_swap(room: Path, long_film: Path, out: str = "out.mp4") -> Any:
    """Start a swap that takes many seconds, and return when it is in the middle of the film."""
    if not (room / "long.mp4").exists():
        loop_film(long_film, room / "long.mp4", 4)
    slowly = ["--codec", "x265", "--preset", "veryslow", "--segment", "0"]
    process = start("swap", "source.jpg", "long.mp4", "-o", out, *slowly)
    deadline = time.monotonic() + 30
    while not list(room.glob(f".{out}.*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.7)
    assert process.poll() is None
    return process


def test_after_kill_nothing_has_the_final_name_and_a_rerun_works(room: Path, long_film: Path, omote: Command):
    process = slow_swap(room, long_film)
    process.kill()
    assert finish(process).code == -signal.SIGKILL
    assert not (room / "out.mp4").exists()
    # One hidden file stays, which the next run for the same name sweeps away.
    (left,) = room.glob(".*")
    assert left.name.startswith(".out.mp4.")
    assert left.name.endswith(".omote-part")
    assert omote("swap", "source.jpg", "film.mp4", "-o", "out.mp4", "--preset", "ultrafast").code == 0
    assert len(look(room / "out.mp4").times) == 30
    assert not list(room.glob(".*"))


@pytest.mark.parametrize("times", [1, 50])
def test_ctrl_c_leaves_nothing_behind(room: Path, long_film: Path, times: int):
    process = slow_swap(room, long_film)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    require_refusal(finish(process, 20), 130, "interrupted")
    assert sorted(path.name for path in room.iterdir()) == [
        "film.mp4",
        "long.mp4",
        "source.jpg",
        "target.jpg",
    ]


def test_runs_at_once_do_not_disturb_each_other(room: Path):
    before = snapshot(room)
    shared = ["source.jpg", "film.mp4", "--preset", "ultrafast", "--swapper", "mesh"]
    runs = [start("swap", *shared, "-o", "out.mp4") for _ in range(3)]
    for run in runs:
        done = finish(run)
        assert (done.code, done.err) == (0, "")
    after = snapshot(room)
    assert len(look(room / "out.mp4").times) == 30
    assert after.pop("out.mp4")
    assert after == before


def test_a_run_never_sweeps_what_another_is_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fcntl = pytest.importorskip("fcntl")
    target = tmp_path / "out.bin"
    dead = tmp_path / ".out.bin.00000000.omote-part"
    dead.touch()
    first = AtomicFile(target)
    assert not dead.exists()
    first.path.write_text("first")
    second = AtomicFile(target)
    assert first.path.exists()
    second.path.write_text("second")
    second.commit()
    first.commit()
    assert target.read_text() == "first"
    # The narrow place: another run sweeps between the making of the file and its lock.
    lock = fcntl.flock
    swept = []

    def sweep_first(handle: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        (fresh,) = tmp_path.glob(".out.bin.*")
        fresh.unlink()
        swept.append(fresh)
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    third = AtomicFile(target)
    assert swept
    assert third.path.exists()
    third.path.write_text("third")
    third.commit()
    assert target.read_text() == "third"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.bin"]
