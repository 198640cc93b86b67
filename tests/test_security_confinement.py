"""What a command may not do while it reads foreign files, and how a death of its process is told."""

import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from omote.cli.confined import limits_of
from omote.confinement import Limits, half_of_memory
from omote.trust import keys
from tests.conftest import finish, start
from tests.media_files import make_film

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits are put on processes on Linux only")

_CHILD = """
import os, signal, socket, subprocess, sys, time
from pathlib import Path
from omote.confinement import Limits, go_on_confined
from omote.errors import OmoteError

def refused(deed):
    try:
        deed()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "allowed"

place = Path(sys.argv[1])
limits = eval(sys.argv[2])
if "writable" in limits:
    limits["writable"] = tuple(map(Path, limits["writable"]))
limits = Limits(**limits)
try:
    code = go_on_confined(limits)
except OmoteError as error:
    print(error)
    code = error.exit_code
if code is None:
    eval(sys.argv[3])
    code = 0
sys.exit(code)
"""


def confined(deed: str, place: Path, **limits: object) -> tuple[int, str]:
    """Run Python in a child with limits; exit code and what it printed."""
    command = [sys.executable, "-c", _CHILD, str(place), repr(limits), deed]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@cache
def writing_can_be_forbidden() -> bool:
    program = "from omote.confinement.guards import forbid_writing; print(forbid_writing())"
    return (
        "True"
        in subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    )


ALONE = {"network": False, "writable": (), "alone": True}


@pytest.mark.parametrize(
    ("deed", "limits", "answer"),
    [
        ("socket.socket(socket.AF_INET)", {}, "PermissionError"),
        ("socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)", {}, "PermissionError"),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", {}, "PermissionError"),
        ("socket.socket(socket.AF_INET)", {"network": True}, "allowed"),
        ("socket.socket(socket.AF_UNIX)", {}, "allowed"),
        ("socket.socket(socket.AF_UNIX)", ALONE, "PermissionError"),
        ("subprocess.run([sys.executable, '-c', ''])", {}, "allowed"),
        ("subprocess.run([sys.executable, '-c', ''])", ALONE, "PermissionError"),
        ("(place / 'new').write_text('x')", {}, "allowed"),
        ("(place / 'new').write_text('x')", ALONE, "PermissionError"),
        ("(place / 'old').write_text('x')", ALONE, "PermissionError"),
        ("os.truncate(place / 'old', 0)", ALONE, "PermissionError"),
        ("(place / 'old').unlink()", ALONE, "PermissionError"),
        ("(place / 'old').rename(place / 'new')", ALONE, "PermissionError"),
        ("(place / 'new').mkdir()", ALONE, "PermissionError"),
        ("(place / 'old').read_text()", ALONE, "allowed"),
        ("open(os.devnull, 'w').write('x')", ALONE, "allowed"),
        ("bytearray(1 << 30)", {"memory": 1 << 29}, "MemoryError"),
        ("bytearray(1 << 28)", {"memory": 1 << 29}, "allowed"),
    ],
)
def test_what_a_confined_process_may(deed: str, limits: dict, answer: str, tmp_path: Path) -> None:
    if "writable" in limits and not writing_can_be_forbidden():
        pytest.skip("this kernel has no Landlock")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("old")
    code, said = confined(f"print(refused(lambda: {deed}))", folder, **limits)
    assert (code, said) == (0, answer)
    if answer == "PermissionError":
        assert [path.name for path in folder.iterdir()] == ["old"]
        assert (folder / "old").read_text() == "old"


def test_a_folder_may_be_left_open(tmp_path: Path) -> None:
    if not writing_can_be_forbidden():
        pytest.skip("this kernel has no Landlock")
    deed = "print(*[refused(lambda: file.write_text('x')) for file in (place / 'a', place.parent / 'b')])"
    folder = tmp_path / "folder"
    folder.mkdir()
    assert confined(deed, folder, writable=(str(folder),)) == (0, "allowed PermissionError")


@pytest.mark.parametrize(
    ("deed", "limits", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", {}, "reading crashed (Segmentation fault)"),
        ("os.abort()", {}, "reading crashed (Aborted)"),
        ("[0 for _ in iter(int, 1)]", {"seconds": 1}, "took more than 1 s of processor time"),
        ("os.kill(os.getpid(), signal.SIGKILL)", {}, "was killed (is there enough memory?)"),
    ],
)
def test_a_death_is_told_in_one_line(deed: str, limits: dict, words: str, tmp_path: Path) -> None:
    code, said = confined(deed, tmp_path, **limits)
    assert code == 3
    assert words in said
    assert "\n" not in said


def test_the_exit_code_is_handed_on(tmp_path: Path) -> None:
    assert confined("sys.exit(14)", tmp_path)[0] == 14


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_sent_on(number: signal.Signals, tmp_path: Path) -> None:
    # Whoever runs these tests in the background may have them ignore SIGINT.
    heed = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    deed = f"[{heed}, print(os.getpid(), flush=True), time.sleep(30)]"
    command = [sys.executable, "-c", _CHILD, str(tmp_path), "{}", deed]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == -number if number == signal.SIGTERM else process.returncode != 0
    assert not alive(child)


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    deed = "[print(os.getpid(), flush=True), time.sleep(30)]"
    command = [sys.executable, "-c", _CHILD, str(tmp_path), "{}", deed]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert alive(child)
        process.kill()
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)


def alive(number: int) -> bool:
    """Whether a process runs; one that is dead but not yet waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_which_commands_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path))
    looking = limits_of(["verify", "a.jpg", "--json"])
    assert looking is not None
    assert (looking.writable, looking.network, looking.alone) == ((), False, True)
    for command in ("swap", "batch", "faces", "people", "consent", "evaluate"):
        limits = limits_of(["--debug", command, "a.jpg"])
        assert limits == Limits(half_of_memory())
        assert not limits.network
    assert limits_of(["swap", "a.jpg", "--no-confine"]) is None
    for value, off in (("1", True), ("True", True), ("0", False), ("", False)):
        monkeypatch.setenv("OMOTE_NO_CONFINE", value)
        assert (limits_of(["swap", "a.jpg"]) is None) is off
    monkeypatch.delenv("OMOTE_NO_CONFINE")
    for command in ("models", "keys", "train", "--help"):
        assert limits_of([command]) is None
    keys.set_timestamp_authority("https://example.org")
    limits = limits_of(["swap"])
    assert limits is not None
    assert limits.network
    looking = limits_of(["verify"])
    assert looking is not None
    assert not looking.network


def test_verify_works_confined_and_writes_nothing(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    (tmp_path / "home").mkdir()
    before = sorted(tmp_path.rglob("*"))
    done = finish(start("verify", film, env=os.environ | {"OMOTE_HOME": str(tmp_path / "home")}))
    assert done.code == 10, done
    assert "no content credentials" in done.out
    assert done.err == ""
    assert sorted(tmp_path.rglob("*")) == before
