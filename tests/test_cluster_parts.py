"""What of a cluster can be tested without one: addresses, the copies on a node, a worker in this process."""

import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omote.cli.confined import limits_of
from omote.confinement import half_of_memory
from omote.errors import InputError, OmoteError, UsageError
from omote.media import probe
from omote.media.cutting import cut_film
from omote.media.pieces import Encoding
from omote.media.sealed import SealedFile
from omote.pipelines import JobFolder, SwapSettings, cluster_reach, cluster_session
from omote.pipelines.cluster_files import NodeFiles
from omote.pipelines.cluster_session import Assignment, Session, Stopped
from omote.pipelines.job_description import fingerprint, software, with_consequence
from omote.pipelines.segments import FilmOrder, FindTask
from tests.conftest import Command

SETTINGS: dict[str, Any] = {
    "rights": "own",
    "segment": 0.4,
    "detector_size": 192,
    "threads": 1,
    "swapper": "mesh",
}


def test_only_a_cluster_asks_for_ray(source: Path, tmp_path: Path):
    words = ["swap", str(source), str(source), "-o", str(tmp_path / "out.png"), "--rights", "own"]
    code = f"import sys, omote.cli.main as m; m.run({words!r}); sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    assert (tmp_path / "out.png").exists()


def test_only_the_command_line_opens_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path))
    for command in ("swap", "batch"):
        for words in (["--cluster", "auto"], ["--cluster=host:1"]):
            limits = limits_of([command, "a", *words])
            assert limits is not None
            assert (limits.network, limits.memory) == (True, half_of_memory())
        limits = limits_of([command, "a"])
        assert limits is not None
        assert not limits.network
    pytest.importorskip("ray")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_connection", forbidden)
    with (
        pytest.raises(UsageError, match="only if it stands on the command line"),
        cluster_reach.reached("127.0.0.1:6379"),
    ):
        pass


def test_ray_that_is_missing(
    source: Path, film: Path, tmp_path: Path, omote: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster_reach, "find_spec", lambda name: None)
    done = omote("swap", source, film, "-o", tmp_path / "out.mp4", "--cluster", "auto")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "pip install 'omote[cluster]'" in done.err
    assert not list(tmp_path.glob("out*"))


def test_a_batch_goes_to_the_cluster_of_the_command_line(
    source: Path, film: Path, tmp_path: Path, omote: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster_reach, "find_spec", lambda name: None)
    jobs = tmp_path / "jobs.toml"
    jobs.write_text(f"[[job]]\nsource = '{source}'\ntarget = '{film}'\noutput = 'out.mp4'\n")
    done = omote("batch", jobs, "--cluster", "auto")
    assert done.code == 2
    assert "failed: film.mp4: --cluster needs Ray" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "cuda:1"}, "leave the number out"),
        ({"segment": 0}, "do not set --segment 0"),
        ({"workers": 0}, "outside"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], words: str):
    with pytest.raises(UsageError, match=words):
        SwapSettings(cluster="auto", **options)


def test_a_cluster_changes_no_pixels():
    assert with_consequence(SwapSettings(cluster="auto", workers=9)) == with_consequence(SwapSettings())


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """Somebody who takes connections and says something, or nothing; Ray asks under the machine's address."""
    with closing(socket.create_server(("", 0))) as server:

        def serve() -> None:
            kept = []
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                if answer is not None:
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("127.0.0.1:1", 3, "cannot be reached"),
        ("nobody.invalid:6379", 3, "no such host|cannot be reached"),
        ("silent", 3, "cannot be reached"),
        ("another", 3, "is not Ray"),
        ("auto", 3, "no node of a running Ray cluster"),
        ("ray://127.0.0.1:10001", 2, "HOST:PORT"),
        ("local", 2, "HOST:PORT"),
        ("nonsense", 2, "HOST:PORT"),
        ("host:many", 2, "HOST:PORT"),
    ],
)
def test_clusters_that_are_not_there(
    address: str, code: int, words: str, source: Path, film: Path, tmp_path: Path, omote: Command,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    ray = pytest.importorskip("ray")
    from ray._private import services

    monkeypatch.setattr(services, "find_gcs_addresses", set)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda folder: None)
    monkeypatch.setattr(cluster_reach, "_REACH", 3.0)
    began = time.monotonic()
    with listening(None) as silent, listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as another:
        given = {"silent": silent, "another": another}.get(address, address)
        done = omote("swap", source, film, "-o", tmp_path / "out.mp4", "--cluster", given)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert any(word in done.err for word in words.split("|")), done.err
    assert time.monotonic() - began < 20
    assert not list(tmp_path.glob("out*"))
    assert not ray.is_initialized()


def test_copies_are_shared_and_go_with_the_last(tmp_path: Path):
    asked = []

    def parts() -> Iterator[bytes]:
        asked.append(1)
        yield from (b"one", b"two")

    first, second = NodeFiles("job"), NodeFiles("job")
    copies = [files.add("0.mp4", parts()) for files in (first, second)]
    assert copies[0] == copies[1]
    assert copies[0].read_bytes() == b"onetwo"
    assert asked == [1]
    assert first.path.parent.stat().st_mode & 0o777 == 0o700
    first.leave()
    assert copies[0].exists()
    other = NodeFiles("other")
    second.leave()
    assert not copies[0].exists()
    assert other.path.exists()
    other.leave()
    assert list(other.path.parent.iterdir()) == []


def test_copies_of_the_dead_are_removed():
    code = "from omote.pipelines.cluster_files import NodeFiles; import os; f = NodeFiles('dead');"
    code += "print(f.add('0', [b'left'])); os._exit(1)"
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    left = Path(died.stdout.strip())
    assert left.read_bytes() == b"left"
    files = NodeFiles("alive")
    assert not left.parent.exists()
    files.leave()


def test_what_breaks_off_leaves_no_copy():
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise Stopped

    files = NodeFiles("job")
    with pytest.raises(Stopped):
        files.add("0.mp4", broken())
    assert files.add("0.mp4", [b"whole"]).read_bytes() == b"whole"
    files.leave()


@pytest.fixture
def assignment(source: Path, film: Path, tmp_path: Path) -> Assignment:
    """The film in three segments."""
    folder = JobFolder(tmp_path / "out.mp4.omote-job")
    for name in ("faces", "pieces"):
        (folder.path / name).mkdir(parents=True)
    marker = folder.path / ".probe"
    marker.write_text("seen")
    cut = cut_film(probe(film), seconds=0.4)
    order = FilmOrder((source,), SwapSettings(**SETTINGS), cut, folder, Encoding(tmp_path / "out.mp4"))
    inputs = tuple((path, fingerprint(path)) for path in (film, source))
    return Assignment(order, Path.cwd(), inputs, (marker, "seen"), software(), {})


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path.cwd())  # a session goes elsewhere; the test comes back


def test_a_worker_that_sees_the_files_works_on_them(assignment: Assignment):
    session = Session(pickle.loads(pickle.dumps(assignment)))
    assert session.begin()
    frames, content = session.do(FindTask(0))
    assert content is None
    assert session.frames() == frames == assignment.order.film.segments[0].frames
    SealedFile(assignment.order.folder.faces(0)).require_whole()
    session.close()
    with pytest.raises(Stopped):
        session.do(FindTask(1))


def test_a_worker_that_does_not_gets_copies_and_sends_its_results(
    assignment: Assignment, monkeypatch: pytest.MonkeyPatch
):
    seeing = Session(assignment)
    seeing.do(FindTask(1))
    seeing.close()
    made = assignment.order.folder.faces(1)
    expected, _ = made.read_bytes(), made.unlink()
    assignment.probe[0].unlink()
    monkeypatch.setattr(cluster_session, "_received", iter)
    session = Session(assignment)
    assert not session.begin()
    session.fetch([[path.read_bytes()] for path, _ in assignment.inputs])
    _, content = session.do(FindTask(1))
    assert content is not None
    records = content[: expected.rindex(b'{"stamps"')]
    assert records == expected[: len(records)]  # the head says how long it took
    assert not made.exists()
    copies = session._copies
    assert copies is not None
    session.close()
    assert not copies.path.exists()


@pytest.mark.parametrize("change", ["film", "photo", "probe", "film gone"])
def test_what_a_worker_does_not_see(change: str, assignment: Assignment):
    inputs = dict(assignment.inputs)
    film, photo = inputs
    changed = {
        "film": {"inputs": ((film, "0"), (photo, inputs[photo]))},
        "photo": {"inputs": ((film, inputs[film]), (photo, "0"))},
        "probe": {"probe": (assignment.probe[0], "other")},
        "film gone": {"inputs": ((film.with_name("gone.mp4"), inputs[film]), (photo, inputs[photo]))},
    }[change]
    assert not Session(replace(assignment, **changed)).begin()


def test_what_is_wrong_with_a_node_is_said_with_its_name(assignment: Assignment, film: Path):
    node = os.uname().nodename
    with pytest.raises(InputError, match=rf"^node {node}: has omote [^ ]+, this machine 99\.0; install"):
        Session(replace(assignment, software=software() | {"omote": "99.0"})).begin()
    with pytest.raises(InputError, match=rf"^node {node}: has no Cinema, this machine 1"):
        Session(replace(assignment, software=software() | {"Cinema": "1"})).begin()
    with pytest.raises(OmoteError, match=rf"^node {node}: the network omote-detect is not the same file"):
        Session(replace(assignment, networks={"omote-detect": "0"})).do(FindTask(0))
    order = replace(assignment.order, folder=JobFolder(film.with_name("none")))
    with pytest.raises(InputError, match=rf"^node {node}: .*cannot be written"):
        Session(replace(assignment, order=order)).do(FindTask(0))


def test_what_is_wrong_with_a_copy_is_said_of_the_film(
    assignment: Assignment, film: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster_session, "_received", iter)
    session = Session(assignment)
    session.fetch([[b"no film"], [assignment.inputs[1][0].read_bytes()]])
    with pytest.raises(InputError) as caught:
        session.do(FindTask(0))
    assert str(caught.value).startswith(f"{film}: ")
    session.close()


@pytest.mark.parametrize(("made", "version"), [("__version__ = '0.0.1'", "0.0.1"), (None, None)])
def test_nodes_with_an_old_omote_or_none_can_be_asked(made: str | None, version: str | None, tmp_path: Path):
    pickling = pytest.importorskip("ray.cloudpickle")
    from omote.pipelines.cluster import _look

    package = tmp_path / "omote"
    package.mkdir()
    (package / "__init__.py").write_text(made or "raise ImportError")
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)())"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickling.dumps(_look()), capture_output=True, check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    said = {} if version is None else {"omote": version}
    assert done.stdout.decode().strip() == repr((os.uname().nodename, said))
