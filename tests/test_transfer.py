"""The transfer: resumed, tried again, redirected, through proxies, and what happens when the disk is full."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omote.errors import InputError
from omote.zoo import transfer as module
from omote.zoo.transfer import Transfer, TransferError
from tests.file_server import FileServer, file_server

DATA = os.urandom(700_000)
HALF = 300_000


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as made:
        yield made


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "net.onnx.part"


class Quick(Transfer):
    """A transfer that does not really wait; `slept` says how long it would have."""

    def __init__(self, **options: Any) -> None:
        self.slept: list[float] = []
        super().__init__(sleep=self.slept.append, **options)


def begin(server: FileServer, part: Path, path: str = "/net.onnx", **options: Any) -> str:
    """Leave a half-fetched file: the server cuts the connection, and there are no retries."""
    url = server.serve(path, DATA, script=[("cut", HALF)], **options)
    with pytest.raises(TransferError, match="broke off"):
        Quick(retries=-1).fetch(url, part)
    assert part.stat().st_size == HALF
    server.requests.clear()
    server.sent = 0
    return url


def test_whole_file(server: FileServer, part: Path):
    told: list[tuple[int, int | None]] = []
    joined = Quick().fetch(server.serve("/net.onnx", DATA), part, len(DATA), lambda *now: told.append(now))
    assert part.read_bytes() == DATA
    assert not joined
    assert told[0] == (0, len(DATA))
    assert told[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_cut_is_gone_on_with_at_once(server: FileServer, part: Path):
    url = server.serve("/net.onnx", DATA, script=[("cut", HALF)])
    transfer = Quick()
    assert transfer.fetch(url, part)
    assert part.read_bytes() == DATA
    assert server.sent == len(DATA)
    assert server.requests[1].headers["range"] == f"bytes={HALF}-"
    assert server.requests[1].headers["if-range"] == '"1"'


def test_part_survives_the_process(server: FileServer, part: Path):
    url = begin(server, part)
    assert Quick().fetch(url, part)
    assert part.read_bytes() == DATA
    assert server.sent == len(DATA) - HALF


def test_many_cuts_do_not_use_up_the_retries(server: FileServer, part: Path):
    url = server.serve("/net.onnx", DATA, script=[("cut", 70_000)] * 9)
    Quick(retries=1).fetch(url, part)
    assert part.read_bytes() == DATA
    assert server.sent == len(DATA)


def test_server_that_ignores_ranges(server: FileServer, part: Path):
    url = begin(server, part, ranges=False)
    assert not Quick().fetch(url, part)
    assert part.read_bytes() == DATA


def test_cuts_of_a_server_that_ignores_ranges_end(server: FileServer, part: Path):
    url = server.serve("/net.onnx", DATA, ranges=False, script=[("cut", HALF)] * 50)
    with pytest.raises(TransferError, match=f"broke off after {HALF} of {len(DATA)} bytes|broke off"):
        Quick(retries=2).fetch(url, part)
    assert len(server.requests) == 4


@pytest.mark.parametrize("size", [len(DATA), len(DATA) + 5])
def test_file_that_changed_meanwhile(server: FileServer, part: Path, size: int):
    url = begin(server, part)
    fresh = os.urandom(size)
    server.serve("/net.onnx", fresh, etag='"2"')
    Quick().fetch(url, part)
    assert part.read_bytes() == fresh


def test_file_that_changed_on_a_server_without_versions(server: FileServer, part: Path):
    url = begin(server, part, etag=None)
    fresh = os.urandom(len(DATA) + 5)
    server.serve("/net.onnx", fresh, etag=None)
    Quick().fetch(url, part, proven=True)
    assert [request.headers.get("range") for request in server.requests] == [f"bytes={HALF}-", None]
    assert part.read_bytes() == fresh


def test_part_without_version_needs_a_digest(server: FileServer, part: Path):
    url = begin(server, part, etag=None)
    Quick().fetch(url, part)
    assert "range" not in server.requests[0].headers
    assert part.read_bytes() == DATA


def test_weak_version_proves_nothing(server: FileServer, part: Path):
    url = begin(server, part, etag='W/"1"')
    Quick().fetch(url, part)
    assert "range" not in server.requests[0].headers


@pytest.mark.parametrize("proven", [True, False])
def test_part_of_another_mirror_needs_a_digest(server: FileServer, part: Path, proven: bool):
    begin(server, part)
    Quick().fetch(server.serve("/mirror.onnx", DATA), part, proven=proven)
    assert part.read_bytes() == DATA
    assert server.requests[0].headers.get("range") == (f"bytes={HALF}-" if proven else None)
    assert "if-range" not in server.requests[0].headers


def test_part_that_is_whole(server: FileServer, part: Path):
    url = begin(server, part)
    part.write_bytes(DATA)
    assert Quick().fetch(url, part)
    assert (part.read_bytes(), server.sent) == (DATA, 0)


def test_part_that_is_longer_than_the_file(server: FileServer, part: Path):
    url = begin(server, part)
    part.write_bytes(DATA + b"more")
    Quick().fetch(url, part)
    assert part.read_bytes() == DATA


def test_part_of_unknown_origin(server: FileServer, part: Path):
    part.write_bytes(b"whatever")
    Quick().fetch(server.serve("/net.onnx", DATA), part, proven=True)
    assert part.read_bytes() == DATA


def test_damaged_notes_of_a_part(server: FileServer, part: Path):
    url = begin(server, part)
    part.with_name(part.name + ".json").write_text("{")
    Quick().fetch(url, part)
    assert part.read_bytes() == DATA


def test_ranges_may_be_answered_in_pieces(server: FileServer, part: Path, monkeypatch: pytest.MonkeyPatch):
    url = begin(server, part)
    data = server.files["/net.onnx"].data
    pieces = [(HALF, 400_000), (400_000, len(DATA))]

    def serve(handler: Any, file: Any, headers: dict[str, str], count: int | None) -> None:
        start, end = pieces.pop(0)
        assert headers["range"] == f"bytes={start}-"
        handler._answer(206, {"Content-Range": f"bytes {start}-{end - 1}/{len(DATA)}"}, data[start:end])

    monkeypatch.setattr("tests.file_server._Handler._serve", serve)
    Quick().fetch(url, part)
    assert part.read_bytes() == DATA


def test_always_truncated(server: FileServer, part: Path):
    url = server.serve("/net.onnx", DATA, script=[("cut", 0)] * 20)
    transfer = Quick(retries=3, pause=0.5)
    with pytest.raises(TransferError, match="broke off"):
        transfer.fetch(url, part)
    assert len(server.requests) == 4
    assert transfer.slept == [0.5, 1.0, 2.0]


def test_503_then_200(server: FileServer, part: Path):
    url = server.serve("/net.onnx", DATA, script=[("status", 503, {"Retry-After": "7"})])
    transfer = Quick()
    transfer.fetch(url, part)
    assert part.read_bytes() == DATA
    assert transfer.slept == [7.0]


def test_nobody_waits_for_hours(server: FileServer, part: Path):
    url = server.serve("/net.onnx", DATA, script=[("status", 429, {"Retry-After": "7200"})])
    transfer = Quick()
    transfer.fetch(url, part)
    assert transfer.slept == [60.0]


@pytest.mark.parametrize(("status", "words"), [(404, "not found"), (403, "forbidden"), (401, "login")])
def test_refusals_are_not_tried_again(server: FileServer, part: Path, status: int, words: str):
    url = server.serve("/net.onnx", DATA, script=[("status", status, {})])
    with pytest.raises(TransferError, match=f"answers {status} .*{words}"):
        Quick().fetch(url, part)
    assert len(server.requests) == 1
    assert not part.exists()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("relative", [True, False])
def test_redirect(server: FileServer, part: Path, status: int, relative: bool):
    place = "/there/net.onnx" if relative else server.url("/there/net.onnx")
    url = server.serve("/net.onnx", b"", script=[("status", status, {"Location": place})])
    server.serve("/there/net.onnx", DATA)
    Quick().fetch(url, part)
    assert part.read_bytes() == DATA


def test_cut_behind_a_redirect(server: FileServer, part: Path):
    leads = ("status", 302, {"Location": "/there/net.onnx?signature=1"})
    again = ("status", 302, {"Location": "/there/net.onnx?signature=2"})
    url = server.serve("/net.onnx", b"", script=[leads, again])
    server.serve("/there/net.onnx?signature=1", DATA, script=[("cut", HALF)])
    server.serve("/there/net.onnx?signature=2", DATA)
    assert Quick().fetch(url, part)
    assert part.read_bytes() == DATA
    assert server.sent == len(DATA)


def test_redirects_end(server: FileServer, part: Path):
    url = server.serve("/net.onnx", b"", script=[("status", 302, {"Location": "/net.onnx"})] * 99)
    with pytest.raises(TransferError, match="more than 10 redirects"):
        Quick().fetch(url, part)


@pytest.mark.parametrize(
    "place", ["http://example.org/net.onnx", "ftp://localhost/net", "file:///etc/passwd"]
)
def test_only_to_https(server: FileServer, part: Path, place: str, monkeypatch: pytest.MonkeyPatch):
    url = server.serve("/net.onnx", b"", script=[("status", 302, {"Location": place})])
    with pytest.raises(TransferError, match=f"leads to {place}, which is not https"):
        Quick().fetch(url, part)
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(TransferError, match="not https"):
        Quick().fetch(place, part)


def test_https_never_leads_to_this_machine(part: Path, monkeypatch: pytest.MonkeyPatch):
    class Answered:
        status, headers = 302, {"Location": "http://localhost:1/net.onnx"}

        def request(self, *arguments: Any, **options: Any) -> "Answered":
            return self

        def close(self) -> None:
            pass

    monkeypatch.setattr(Transfer, "_pool", lambda self, url: Answered())
    with pytest.raises(TransferError, match=r"leads to http://localhost:1/net.onnx, which is not https"):
        Quick().fetch("https://example.org/net.onnx", part)


def test_file_of_unexpected_size(server: FileServer, part: Path):
    with pytest.raises(TransferError, match="has 700000 bytes, expected 700001"):
        Quick().fetch(server.serve("/net.onnx", DATA), part, len(DATA) + 1)
    assert not part.exists()


def test_file_beyond_the_limit(server: FileServer, part: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 19)
    with pytest.raises(TransferError, match="700000 bytes; above"):
        Quick().fetch(server.serve("/net.onnx", DATA), part)
    assert not part.exists()


def test_file_of_unknown_length(server: FileServer, part: Path):
    with pytest.raises(TransferError, match="does not say how long"):
        Quick().fetch(server.serve("/net.onnx", DATA, length=False), part)


def test_nobody_listens(part: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    transfer = Quick(retries=2)
    with pytest.raises(TransferError, match=r"127.0.0.1 cannot be reached"):
        transfer.fetch(f"http://127.0.0.1:{port}/net.onnx", part)
    assert len(transfer.slept) == 2


def test_no_network(part: Path, monkeypatch: pytest.MonkeyPatch):
    def unknown(*arguments: Any, **options: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    transfer = Quick()
    with pytest.raises(TransferError, match=r"name example.org is not known here; is there a network"):
        transfer.fetch("https://example.org/net.onnx", part)
    assert transfer.slept == []


def test_silent_server(server: FileServer, part: Path):
    event = threading.Event()
    url = server.serve("/net.onnx", DATA, script=[("wait", event)] * 2)
    with pytest.raises(TransferError, match="localhost does not answer"):
        Quick(timeout=0.2, retries=1).fetch(url, part)
    event.set()


def test_no_tls(server: FileServer, part: Path):
    url = server.serve("/net.onnx", DATA).replace("http://", "https://")
    with pytest.raises(TransferError, match="certificate of localhost is not accepted"):
        Quick(retries=0).fetch(url, part)


# --- proxies ---


def test_proxy(server: FileServer, part: Path):
    server.serve("/net.onnx", DATA)
    proxy = server.url().replace("http://", "http://user:word@")
    Quick(proxies={"http": proxy}).fetch("http://localhost:1/net.onnx", part)
    assert part.read_bytes() == DATA
    assert server.requests[0].path == "http://localhost:1/net.onnx"
    assert server.requests[0].headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"


@pytest.mark.parametrize("exceptions", ["localhost", "example.org, localhost", "*"])
def test_hosts_without_a_proxy(server: FileServer, part: Path, exceptions: str):
    url = server.serve("/net.onnx", DATA)
    Quick(proxies={"http": "http://localhost:1", "no": exceptions}).fetch(url, part)
    assert server.requests[0].path == "/net.onnx"


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://example.org/a", "http://one:1"),
        ("https://sub.example.net/a", None),
        ("https://example.net/a", None),
        ("https://notexample.net/a", "http://one:1"),
        ("http://example.org/a", "http://all:2"),
    ],
)
def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://one:1")
    monkeypatch.setenv("ALL_PROXY", "all:2")
    monkeypatch.setenv("NO_PROXY", "localhost,.example.net")
    assert Transfer.from_environment()._proxy(url) == proxy


def test_proxy_of_another_kind(part: Path):
    with pytest.raises(TransferError, match="socks5://localhost is not an http proxy"):
        Quick(proxies={"https": "socks5://localhost:1080"}).fetch("https://example.org/net.onnx", part)


def test_proxy_that_is_not_there(part: Path):
    with pytest.raises(TransferError, match="proxy does not let through"):
        Quick(proxies={"https": "http://127.0.0.1:1"}, retries=1).fetch("https://example.org/a.onnx", part)


# --- disks ---


def test_disk_without_room(server: FileServer, part: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 100_000))
    with pytest.raises(InputError, match=r"disk is full: 0.7 MB needed, 0.1 MB free; free some space"):
        Quick().fetch(server.serve("/net.onnx", DATA), part)
    assert list(part.parent.glob("net*")) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_that_becomes_full(server: FileServer, part: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    url = server.serve("/net.onnx", DATA)
    opened = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, chunk: bytes) -> None:
            self.file.write(chunk[:1000])
            raise OSError(number, os.strerror(number))

        def close(self) -> None:
            self.file.close()

    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", *a, **k: (
            Full(opened(self, mode)) if mode == "ab" else opened(self, mode, *a, **k)
        ),
    )
    with pytest.raises(InputError, match="the disk is full; free some space, or set OMOTE_HOME"):
        Quick().fetch(url, part)
    assert list(part.parent.glob("net*")) == []
    assert len(server.requests) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits on Windows")
def test_file_size_limit(server: FileServer, part: Path):
    url = server.serve("/net.onnx", DATA)
    words = (
        "import resource, sys; from pathlib import Path\n"
        "from omote.zoo.transfer import Transfer\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try: Transfer().fetch(sys.argv[1], Path(sys.argv[2]))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", words, url, str(part)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith(f"InputError {part.parent}: the disk is full"), done
    assert list(part.parent.glob("net*")) == []


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
def test_folder_that_cannot_be_written(server: FileServer, part: Path):
    part.parent.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"):
            Quick().fetch(server.serve("/net.onnx", DATA), part)
    finally:
        part.parent.chmod(0o700)


def test_folder_that_is_not_there(server: FileServer, part: Path):
    part.parent.rename(part.parent.with_name("elsewhere"))
    try:
        with pytest.raises(InputError):
            Quick().fetch(server.serve("/net.onnx", DATA), part)
    finally:
        part.parent.with_name("elsewhere").rename(part.parent)
