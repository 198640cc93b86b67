"""Pulling: mirrors, digests and where they are from, licences, two processes at once, and no network."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from omote.errors import InputError, ModelError, RefusedError, UsageError
from omote.zoo import Card, Catalogue, Store
from omote.zoo.pull import pull
from omote.zoo.release import Forges, stated_digest
from omote.zoo.transfer import Transfer
from tests.file_server import FileServer, file_server
from tests.planted import planted


def network(value: float) -> bytes:
    """A network of 300 kB; another value is another file of the same length."""
    return planted(
        [helper.make_node("Mul", ["x", "k"], ["y"])],
        {"k": np.full((1, 75_000), value, np.float32)},
        {"x": [1, 75_000]},
        {"y": [1, 75_000]},
    )


GOOD, OTHER = network(1.0), network(2.0)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Place:
    """A server, a store, and what is pulled from one to the other."""

    server: FileServer
    store: Store
    notes: list[str] = field(default_factory=list)

    def card(self, *paths: str, **facts: Any) -> Card:
        origins = tuple(self.server.url(path) for path in paths)
        return Card("net", "mask", "plain", "plain", **({"terms": "permissive"} | facts), origins=origins)

    def pull(self, card: Card, transfer: Transfer | None = None, **options: Any) -> bytes:
        pull(
            card,
            self.store,
            options.pop("catalogue", Catalogue({card.name: card}, {})),
            transfer or Transfer(sleep=lambda seconds: None, retries=options.pop("retries", 1)),
            tell=self.notes.append,
            forges=self.forges,
            **options,
        )
        return self.store.read(card)

    @property
    def forges(self) -> Forges:
        url = self.server.url
        return Forges(github=url("/github"), github_api=url("/api"), huggingface=url("/hf"))

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.store.folder.iterdir()}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with file_server() as server:
        yield Place(server, Store(tmp_path / "models"))


# --- from where ---


def test_pull(place: Place):
    card = place.card("/a.onnx", sha256=digest(GOOD), bytes=len(GOOD))
    place.server.serve("/a.onnx", GOOD)
    assert place.pull(card) == GOOD
    assert place.files == {"net.onnx", "lock.json"}
    assert (place.notes, len(place.server.requests)) == ([], 1)
    assert place.pull(card) == GOOD
    assert len(place.server.requests) == 1


def test_mirrors_in_their_order(place: Place):
    card = place.card("/a.onnx", "/b.onnx", "/c.onnx", sha256=digest(GOOD))
    place.server.serve("/b.onnx", GOOD, script=[("status", 503, {})] * 2)
    place.server.serve("/c.onnx", GOOD)
    assert place.pull(card) == GOOD
    assert place.server.paths() == ["/a.onnx", "/b.onnx", "/b.onnx", "/c.onnx"]
    assert place.notes == ["net: localhost: answers 404 (not found)", "net: localhost: answers 503"]


def test_a_mirror_goes_on_where_another_stopped(place: Place):
    card = place.card("/a.onnx", "/b.onnx", sha256=digest(GOOD))
    place.server.serve("/a.onnx", GOOD, script=[("cut", 200_000), ("status", 404, {})])
    place.server.serve("/b.onnx", GOOD)
    assert place.pull(card) == GOOD
    assert place.server.sent == len(GOOD)


def test_mirrors_that_differ_do_not_mix(place: Place):
    card = place.card("/a.onnx", "/b.onnx", sha256=digest(GOOD))
    place.server.serve("/a.onnx", OTHER, script=[("cut", 299_000), ("status", 404, {})])
    place.server.serve("/b.onnx", GOOD)
    assert place.pull(card) == GOOD
    assert place.server.paths() == ["/a.onnx", "/a.onnx", "/b.onnx", "/b.onnx"]
    assert "range" not in place.server.requests[-1].headers
    assert "net.onnx.bad" not in place.files


def test_pull_goes_on_after_a_crash(place: Place):
    card = place.card("/a.onnx", sha256=digest(GOOD))
    place.server.serve("/a.onnx", GOOD, script=[("cut", 200_000), ("cut", 0)])
    with pytest.raises(ModelError, match="net cannot be had: localhost: the connection broke off"):
        place.pull(card, retries=0)
    assert place.files == {"net.onnx.part", "net.onnx.part.json"}
    assert place.pull(card) == GOOD
    assert place.server.sent == len(GOOD)
    assert place.files == {"net.onnx", "lock.json"}


def test_no_mirror_has_it(place: Place):
    card = place.card("/a.onnx", "/b.onnx", sha256=digest(GOOD))
    place.server.serve("/b.onnx", GOOD, script=[("status", 403, {})])
    with pytest.raises(ModelError) as caught:
        place.pull(card)
    assert str(caught.value) == (
        "net cannot be had: localhost: answers 404 (not found); localhost: answers 403 (forbidden)"
    )
    assert caught.value.exit_code == 6


# --- digests ---


@pytest.mark.parametrize("known", [True, False])
def test_wrong_digest(place: Place, known: bool):
    card = place.card("/a.onnx", sha256=digest(GOOD) if known else None)
    if not known:
        place.server.serve("/a.onnx", GOOD)
        place.pull(card)
        place.store.remove(card)
    place.server.serve("/a.onnx", OTHER)
    with pytest.raises(ModelError) as caught:
        place.pull(card)
    bad = place.store.folder / "net.onnx.bad"
    both = f"localhost: sha256 is {digest(OTHER)}, expected {digest(GOOD)} (kept as {bad})"
    cure = "; if its makers replaced it: omote models remove net --forget, then pull again"
    assert str(caught.value) == f"net cannot be had: {both}{'' if known else cure}"
    assert bad.read_bytes() == OTHER
    assert "net.onnx" not in place.files
    assert "net.onnx.part" not in place.files


def test_wrong_digest_then_another_mirror(place: Place):
    card = place.card("/a.onnx", "/b.onnx", sha256=digest(GOOD))
    place.server.serve("/a.onnx", OTHER)
    place.server.serve("/b.onnx", GOOD)
    assert place.pull(card) == GOOD
    assert place.files == {"net.onnx", "net.onnx.bad", "lock.json"}
    assert f"sha256 is {digest(OTHER)}, expected {digest(GOOD)}" in place.notes[0]


def test_first_pull_pins(place: Place):
    card = place.card("/a.onnx")
    place.server.serve("/a.onnx", GOOD)
    assert place.pull(card) == GOOD
    assert place.notes == [f"net: no digest of it is published; from now on it must be sha256 {digest(GOOD)}"]
    pin = place.store.lock_file.read().pins["net"]
    assert (pin.sha256, pin.voucher, pin.origin) == (digest(GOOD), "first pull", card.origins[0])


def test_pin_may_be_forgotten(place: Place):
    card = place.card("/a.onnx")
    place.server.serve("/a.onnx", GOOD)
    place.pull(card)
    place.store.remove(card, forget=True)
    place.server.serve("/a.onnx", OTHER)
    assert place.pull(card) == OTHER


def release(*assets: tuple[str, str | None]) -> bytes:
    return json.dumps({"assets": [{"name": name, "digest": stated} for name, stated in assets]}).encode()


GITHUB = "/github/owner/project/releases/download/v1.0%2Bb/net.onnx"
API = "/api/repos/owner/project/releases/tags/v1.0%2Bb"
HF = "/hf/owner/project/resolve/main/net.onnx"


def test_digest_of_a_github_release(place: Place):
    card = place.card(GITHUB)
    place.server.serve(API, release(("x.onnx", None), ("net.onnx", f"sha256:{digest(GOOD)}")))
    place.server.serve(GITHUB, GOOD)
    assert place.pull(card) == GOOD
    assert place.store.lock_file.read().pins["net"].voucher == "release"
    assert place.notes == []


def test_digest_of_hugging_face(place: Place):
    """As there: the answer that leads on states the digest, that of the file's own place does not."""
    card = place.card(HF)
    stated = {"Location": "/cdn/file", "X-Linked-Etag": f'"{digest(GOOD)}"'}
    place.server.serve(HF, b"", script=[("status", 302, stated)] * 2)
    place.server.serve("/cdn/file", GOOD, headers={"X-Linked-Etag": '"something else"'})
    assert place.pull(card) == GOOD
    assert place.server.requests[0].method == "HEAD"
    assert place.store.lock_file.read().pins["net"].voucher == "release"


@pytest.mark.parametrize("origin", ["github", "hf"])
def test_file_is_not_what_its_release_states(place: Place, origin: str):
    place.server.serve(API, release(("net.onnx", f"sha256:{digest(GOOD)}")))
    place.server.serve(GITHUB, OTHER)
    place.server.serve(HF, OTHER, headers={"X-Linked-Etag": f'"{digest(GOOD)}"'})
    card = place.card(GITHUB if origin == "github" else HF)
    with pytest.raises(ModelError, match=f"sha256 is {digest(OTHER)}, expected {digest(GOOD)}"):
        place.pull(card)
    assert place.store.lock_file.read().pins == {}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b'{"assets": 3}',
        b'{"assets": [{}]}',
        release(("net.onnx", None)),
        release(("other.onnx", "sha256:" + 64 * "0")),
        release(("net.onnx", "sha256:" + 40 * "0")),
        release(("net.onnx", "md5:" + 64 * "0")),
    ],
)
def test_releases_without_digest(place: Place, answer: bytes):
    place.server.serve(API, answer)
    place.server.serve(GITHUB, GOOD)
    place.server.serve(HF, GOOD, headers={"X-Linked-Etag": f'"{40 * "a"}"'})  # of a file outside LFS
    card = place.card(GITHUB, HF)
    assert stated_digest(card.origins, Transfer(), place.forges) is None
    assert place.pull(card) == GOOD
    assert "no digest of it is published" in place.notes[0]


def test_the_next_origin_is_asked_for_a_digest(place: Place):
    place.server.serve(API, b"", script=[("status", 403, {})])  # so GitHub answers who asks too often
    place.server.serve(HF, GOOD, headers={"X-Linked-Etag": f'"{digest(GOOD)}"'})
    card = place.card(GITHUB, "/elsewhere.onnx", HF)
    assert stated_digest(card.origins, Transfer(), place.forges) == digest(GOOD)


def test_nobody_else_is_asked_for_digests(place: Place):
    forges = Forges()
    hosts: list[str] = []

    class Asked(Transfer):
        def ask(self, method: str, url: str, limit: int = 0) -> Any:
            hosts.append(url)
            return super().ask(method, place.server.url("/none"))

    origins = [
        "https://github.com/o/p/releases/download/v/f.onnx",
        "https://huggingface.co/o/p/resolve/main/f.onnx",
        "https://hf-mirror.com/o/p/resolve/main/f.onnx",
        "https://github.com.example.org/o/p/releases/download/v/f.onnx",
        "https://huggingface.co.example.org/o/p/resolve/main/f.onnx",
    ]
    assert stated_digest(origins, Asked(), forges) is None
    assert hosts == ["https://api.github.com/repos/o/p/releases/tags/v", origins[1]]


def test_known_digests_are_not_asked_for(place: Place):
    place.server.serve(GITHUB, GOOD)
    place.pull(place.card(GITHUB, sha256=digest(GOOD)))
    assert place.server.paths() == [GITHUB]


@pytest.mark.parametrize(
    ("data", "words"), [(b"<html>sign in</html>", "a web page"), (b"\x80\x04pickle", "never loaded")]
)
def test_what_comes_must_be_a_network(place: Place, data: bytes, words: str):
    place.server.serve("/a.onnx", data)
    with pytest.raises(ModelError, match=words):
        place.pull(place.card("/a.onnx"))
    assert place.files == {"net.onnx.bad"}


def test_damaged_file_is_fetched_again(place: Place):
    card = place.card("/a.onnx", sha256=digest(GOOD))
    place.server.serve("/a.onnx", GOOD)
    place.pull(card)
    place.store.path(card).write_bytes(OTHER)
    assert place.pull(card) == GOOD
    assert "is damaged" in place.notes[0]


def test_one_file_for_two_networks(place: Place):
    card = place.card("/a.onnx")
    twin = replace(card, name="twin")
    place.server.serve("/a.onnx", GOOD)
    catalogue = Catalogue({"net": card, "twin": twin}, {})
    place.pull(card, catalogue=catalogue)
    assert place.pull(twin, catalogue=catalogue) == GOOD
    assert len(place.server.requests) == 1
    assert place.store.expected(twin) == digest(GOOD)


# --- licences ---


@pytest.mark.parametrize("terms", ["copyleft", "non-commercial", "unknown"])
def test_licence_must_be_accepted(place: Place, terms: str):
    card = place.card("/a.onnx", terms=terms, licence="Its-1.0")
    place.server.serve("/a.onnx", GOOD)
    with pytest.raises(RefusedError, match=r"net: licence Its-1\.0: .*; --accept-licence says"):
        place.pull(card)
    assert place.server.requests == []
    place.store.accept(card)
    assert place.pull(card) == GOOD


# --- no network, no disk ---


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a socket was wanted")

    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, forbidden)


def test_offline(place: Place, no_sockets: None):
    card = place.card("/a.onnx", sha256=digest(GOOD))
    with pytest.raises(ModelError, match="net is not on this machine, and offline nothing is fetched"):
        pull(card, place.store, Catalogue({"net": card}, {}), None)


def test_offline_when_it_is_here(place: Place, no_sockets: None, tmp_path: Path):
    card = place.card("/a.onnx", sha256=digest(GOOD))
    file = tmp_path / "a.onnx"
    file.write_bytes(GOOD)
    place.store.import_file(file, Catalogue({"net": card}, {}))
    pull(card, place.store, Catalogue({"net": card}, {}), None)
    assert place.store.read(card) == GOOD


def test_guard_against_sockets_works(place: Place, no_sockets: None):
    with pytest.raises(AssertionError, match="a socket was wanted"):
        place.pull(place.card("/a.onnx", sha256=digest(GOOD)))


def test_no_network(place: Place, monkeypatch: pytest.MonkeyPatch):
    def unknown(*arguments: Any, **options: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    card = Card(
        "net", "mask", "c", "a", terms="permissive", origins=("https://one.org/a", "https://two.org/a")
    )
    with pytest.raises(ModelError, match=r"one.org: the name one.org is not known here.*; two.org: the name"):
        place.pull(card)


def test_disk_that_is_full(place: Place, monkeypatch: pytest.MonkeyPatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1000))
    place.server.serve("/a.onnx", GOOD)
    place.server.serve("/b.onnx", GOOD)
    with pytest.raises(InputError, match=r"the disk is full: 0.3 MB needed, 0.0 MB free"):
        place.pull(place.card("/a.onnx", "/b.onnx", sha256=digest(GOOD)))
    assert place.server.paths() == ["/a.onnx"]  # no mirror has more room
    assert place.files == set()


def test_networks_without_address(place: Place):
    with pytest.raises(ModelError, match="no public address; omote models import FILE --as net"):
        place.pull(place.card())
    native = Card("net", "mask", "plain", "plain", terms="permissive", origins=("package:detect",))
    with pytest.raises(UsageError, match="ships with Omote"):
        place.pull(native)


def test_folder_cannot_be_made(place: Place):
    place.store.folder.write_text("a file")
    place.server.serve("/a.onnx", GOOD)
    with pytest.raises(InputError, match="set OMOTE_HOME to one that can be written"):
        place.pull(place.card("/a.onnx", sha256=digest(GOOD)))


# --- two at once ---

PULLER = """
import sys
from pathlib import Path
from omote.zoo import Card, Catalogue, Store
from omote.zoo.pull import pull
from omote.zoo.transfer import Transfer
folder, url, sha256 = sys.argv[1:]
card = Card("net", "mask", "plain", "plain", terms="permissive", origins=(url,), sha256=sha256 or None)
store = Store(Path(folder))
pull(card, store, Catalogue({"net": card}, {}), Transfer(), tell=lambda line: print(line, flush=True))
print("done", len(store.read(card)))
"""


def start(place: Place, url: str, sha256: str = digest(GOOD)) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PULLER, str(place.store.folder), url, sha256],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "NO_PROXY": "localhost"},
    )


@pytest.mark.parametrize("sha256", [digest(GOOD), ""], ids=["known", "unknown"])
def test_two_processes(place: Place, sha256: str):
    go_on = threading.Event()
    url = place.server.serve("/a.onnx", GOOD, script=[("wait", go_on)])
    first, second = start(place, url, sha256), start(place, url, sha256)
    # Whichever comes second says that it waits; only then does the server give the file.
    lines: dict[int, list[str]] = {0: [], 1: []}

    def listen(number: int, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines[number].append(line)
            if "waiting" in line:
                go_on.set()

    threads = [threading.Thread(target=listen, args=pair) for pair in enumerate((first, second))]
    for thread in threads:
        thread.start()
    for process, thread in zip((first, second), threads, strict=True):
        assert process.wait(60) == 0, lines
        thread.join()
        assert process.stdout is not None
        process.stdout.close()
    assert all(told[-1] == f"done {len(GOOD)}\n" for told in lines.values())
    assert sum("another process pulls it; waiting" in line for told in lines.values() for line in told) == 1
    assert place.server.sent == len(GOOD)
    assert place.files == {"net.onnx", "lock.json"}


def test_a_killed_pull_is_gone_on_with(place: Place):
    url = place.server.serve("/a.onnx", GOOD, script=[("cut", 200_000), ("wait", threading.Event())])
    process = start(place, url)
    wait_until(lambda: len(place.server.requests) == 2)
    process.kill()
    process.communicate()
    assert place.store.folder.joinpath("net.onnx.part").stat().st_size == 200_000
    assert not (place.store.folder / "net.onnx").exists()
    done = start(place, url)
    assert done.communicate(timeout=60)[0] == f"done {len(GOOD)}\n"
    assert place.server.requests[-1].headers["range"] == "bytes=200000-"
    assert place.files == {"net.onnx", "lock.json"}


def wait_until(true: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(600):
        if true():
            return
        tick.wait(0.05)
    raise AssertionError("that took too long")
