"""The store: what is read is verified, what is pinned stays, what users bring is looked at."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from omote.errors import InputError, ModelError, UsageError
from omote.zoo import Catalogue, Store
from omote.zoo import admission as admission_module
from omote.zoo.admission import admit
from omote.zoo.card import Card
from omote.zoo.exclusive import exclusive
from omote.zoo.folder import default_folder
from omote.zoo.lockfile import LockFile
from tests.planted import planted


def network(value: float = 1.0) -> bytes:
    """A small network; another value is another file of the same length."""
    return planted(
        [helper.make_node("Mul", ["x", "k"], ["y"])],
        {"k": np.float32([value])},
        {"x": [1, 3]},
        {"y": [1, 3]},
    )


GOOD, OTHER = network(1.0), network(2.0)
ROWS = """
[contracts.plain]
task = "mask"
adapter = "plain"

[models.known]
contract = "plain"
sha256 = "{digest}"
urls = ["https://example.org/known.onnx"]

[models.twin]
contract = "plain"
sha256 = "{digest}"
urls = ["https://example.org/known.onnx"]
strength = 2

[models.unknown]
contract = "plain"
urls = ["https://example.org/unknown.onnx"]

[models.brought]
contract = "plain"
note = "no address"

[models.faces]
contract = "plain"
urls = ["https://example.org/faces.dfm?download=true"]

[models.native]
contract = "plain"
urls = ["package:detect"]
"""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue.parse(ROWS.format(digest=digest(GOOD)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def here(store: Store, catalogue: Catalogue, tmp_path: Path) -> Store:
    """A store with `known` in it."""
    file = tmp_path / "file.onnx"
    file.write_bytes(GOOD)
    store.import_file(file, catalogue, "known")
    return store


def names(store: Store) -> set[str]:
    return {path.name for path in store.folder.iterdir()}


# --- where ---


def test_folder_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path))
    assert Store().folder == tmp_path / "models"
    assert Store(tmp_path / "other").folder == tmp_path / "other"


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "home/.cache/omote/models"),
        ("linux", {"XDG_CACHE_HOME": "/cache"}, "/cache/omote/models"),
        ("linux", {"XDG_CACHE_HOME": ""}, "home/.cache/omote/models"),
        ("darwin", {}, "home/Library/Caches/omote/models"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/omote/cache/models"),
    ],
)
def test_folder_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variables: dict[str, str], folder: str
):
    home = tmp_path / "home"
    for name in ("XDG_CACHE_HOME", "OMOTE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(sys, "platform", platform)
    assert default_folder() == tmp_path / folder


def test_paths(store: Store, catalogue: Catalogue):
    assert store.path(catalogue.card("known")) == store.folder / "known.onnx"
    assert store.path(catalogue.card("faces")) == store.folder / "faces.dfm"
    assert not store.folder.exists()


# --- reading ---


def test_read(here: Store, catalogue: Catalogue):
    assert here.read(catalogue.card("known")) == GOOD
    assert here.lock_file.read().pins == {}  # the catalogue vouches for it


def test_missing(store: Store, catalogue: Catalogue):
    with pytest.raises(ModelError, match=r"^known is not on this machine: omote models pull known$"):
        store.read(catalogue.card("known"))
    with pytest.raises(ModelError, match=r"omote models import FILE --as brought"):
        store.read(catalogue.card("brought"))
    assert not store.folder.exists()


def test_file_that_nothing_vouches_for(store: Store, catalogue: Catalogue):
    store.folder.mkdir()
    file = store.folder / "unknown.onnx"
    file.write_bytes(GOOD)
    card = catalogue.card("unknown")
    with pytest.raises(
        ModelError, match=r"nothing vouches for this file: omote models import .* --as unknown"
    ):
        store.read(card)
    assert store.verify(card).state == "no digest"
    assert not store.holds(card)
    store.import_file(file, catalogue, "unknown")
    assert store.read(card) == GOOD


@pytest.mark.parametrize("data", [OTHER, GOOD[:-1], GOOD + b"\0"], ids=["other", "shorter", "longer"])
def test_damaged(here: Store, catalogue: Catalogue, data: bytes):
    card = catalogue.card("known")
    here.path(card).write_bytes(data)
    with pytest.raises(ModelError, match=f"damaged: its sha256 is {digest(data)}, expected {digest(GOOD)}"):
        here.read(card)
    assert not here.holds(card)
    verdict = here.verify(card)
    assert (verdict.state, verdict.expected, verdict.found) == ("damaged", digest(GOOD), digest(data))


def test_files_are_hashed_once(here: Store, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch):
    card = catalogue.card("known")
    os.utime(here.path(card), ns=(1, 1))  # looks changed, is not
    hashed: list[int] = []
    monkeypatch.setattr("omote.zoo.store._digest", lambda data: (hashed.append(len(data)), digest(data))[1])
    for _ in range(3):
        assert here.read(card) == GOOD
        assert Store(here.folder).read(card) == GOOD
    assert len(hashed) == 1


def test_verify_hashes_whatever_is_remembered(here: Store, catalogue: Catalogue):
    card = catalogue.card("known")
    times = here.path(card).stat()
    here.path(card).write_bytes(OTHER)
    os.utime(here.path(card), ns=(times.st_atime_ns, times.st_mtime_ns))
    assert here.read(card) == OTHER  # size and time are those of the verified file
    assert here.verify(card).state == "damaged"
    with pytest.raises(ModelError, match="damaged"):  # from now on everybody knows
        here.read(card)


def test_catalogue_outranks_the_pin(store: Store, catalogue: Catalogue, tmp_path: Path):
    file = tmp_path / "unknown.onnx"
    file.write_bytes(OTHER)
    store.import_file(file, catalogue)
    card = catalogue.card("unknown")
    later = Card(**{f: getattr(card, f) for f in card.__dataclass_fields__} | {"sha256": digest(GOOD)})
    assert store.read(card) == OTHER
    with pytest.raises(ModelError, match="damaged"):
        store.read(later)


def test_digests_in_capitals(store: Store, tmp_path: Path):
    catalogue = Catalogue.parse(ROWS.format(digest=digest(GOOD).upper()))
    file = tmp_path / "any.onnx"
    file.write_bytes(GOOD)
    assert [card.name for card in store.import_file(file, catalogue)] == ["known", "twin"]
    assert store.read(catalogue.card("known")) == GOOD


def test_store_that_cannot_be_written(here: Store, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch):
    card = catalogue.card("known")
    os.utime(here.path(card), ns=(1, 1))

    def refuse(*arguments: Any, **options: Any) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    assert here.read(card) == GOOD


def test_known_by_digest(here: Store, catalogue: Catalogue, tmp_path: Path):
    assert [card.name for card in here.known(GOOD, catalogue)] == ["known", "twin"]
    assert here.known(OTHER, catalogue) == []
    file = tmp_path / "unknown.onnx"
    file.write_bytes(OTHER)
    here.import_file(file, catalogue)
    assert [card.name for card in here.known(OTHER, catalogue)] == ["unknown"]


# --- importing ---


def refuse_contract(card: Card, data: bytes) -> None:
    raise ModelError(f"{card.name}: input 0 should be (1 × 3), found x (1 × 4)")


def test_import_by_digest(store: Store, catalogue: Catalogue, tmp_path: Path):
    file = tmp_path / "whatever.onnx"
    file.write_bytes(GOOD)
    cards = store.import_file(file, catalogue, check=refuse_contract)  # a digest needs no check
    assert [card.name for card in cards] == ["known", "twin"]
    assert names(store) == {"known.onnx", "twin.onnx", "lock.json"}
    assert file.read_bytes() == GOOD


@pytest.mark.parametrize("name", [None, "unknown"])
def test_import_by_name_and_contract(store: Store, catalogue: Catalogue, tmp_path: Path, name: str | None):
    file = tmp_path / ("other.onnx" if name else "unknown.onnx")
    file.write_bytes(OTHER)
    checked: list[tuple[str, bytes]] = []
    store.import_file(file, catalogue, name, lambda card, data: checked.append((card.name, data)))
    assert checked == [("unknown", OTHER)]
    assert store.read(catalogue.card("unknown")) == OTHER
    pin = store.lock_file.read().pins["unknown"]
    assert (pin.sha256, pin.voucher, pin.origin) == (digest(OTHER), "import", str(file))


def test_import_against_the_contract(store: Store, catalogue: Catalogue, tmp_path: Path):
    file = tmp_path / "unknown.onnx"
    file.write_bytes(OTHER)
    with pytest.raises(ModelError, match="input 0 should be"):
        store.import_file(file, catalogue, check=refuse_contract)
    assert not store.folder.exists()


def test_import_of_another_file_than_is_known(here: Store, catalogue: Catalogue, tmp_path: Path):
    file = tmp_path / "known.onnx"
    file.write_bytes(OTHER)
    for name in (None, "known"):
        with pytest.raises(ModelError, match=f"sha256 is {digest(OTHER)}, expected {digest(GOOD)}"):
            here.import_file(file, catalogue, name)
    assert here.read(catalogue.card("known")) == GOOD


def test_import_of_what_nobody_knows(store: Store, catalogue: Catalogue, tmp_path: Path):
    file = tmp_path / "mystery.onnx"
    file.write_bytes(OTHER)
    with pytest.raises(UsageError, match="say which with --as NAME"):
        store.import_file(file, catalogue)
    with pytest.raises(UsageError, match="no network is called 'unknwon': did you mean unknown"):
        store.import_file(file, catalogue, "unknwon")
    with pytest.raises(UsageError, match="ships with Omote"):
        store.import_file(file, catalogue, "native")


def test_import_when_the_disk_is_full(
    store: Store, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "unknown.onnx"
    file.write_bytes(OTHER)
    written = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        written(self, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="the disk is full"):
        store.import_file(file, catalogue)
    assert names(store) == set()


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": [1.0]}))


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"x")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickled, "a pickle; pickled code is never loaded"),
        (zipped, "a zip archive .* pickled code is never loaded"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(b"<!DOCTYPE html><html>"), "a web page"),
        (lambda path: path.write_bytes(b'{"error": "gone"}'), "JSON"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer"),
        (lambda path: path.write_bytes(b"nothing of the kind"), "not a network in ONNX format"),
        (lambda path: path.write_bytes(GOOD[:-30]), "not a network in ONNX format"),
    ],
)
def test_what_is_no_network(store: Store, catalogue: Catalogue, tmp_path: Path, content: Any, words: str):
    file = tmp_path / "unknown.onnx"
    content(file)
    with pytest.raises(ModelError, match=words):
        store.import_file(file, catalogue)
    assert not store.folder.exists()


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.bin", "net.zip", "net", "net.pkl"])
def test_other_suffixes(store: Store, catalogue: Catalogue, tmp_path: Path, name: str):
    file = tmp_path / name
    file.write_bytes(GOOD)
    with pytest.raises(InputError, match=r"networks are \.onnx, \.dfm, \.safetensors files"):
        store.import_file(file, catalogue, "unknown")


def test_missing_import(store: Store, catalogue: Catalogue, tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        store.import_file(tmp_path / "none.onnx", catalogue)


# --- limits ---


def test_too_many_nodes(monkeypatch: pytest.MonkeyPatch):
    nodes = [helper.make_node("Identity", [f"x{i}"], [f"x{i + 1}"]) for i in range(6)]
    data = planted(nodes, {}, {"x0": [1]}, {"x6": [1]})
    monkeypatch.setattr(admission_module, "MOST_NODES", 6)
    admit("net", ".onnx", data)
    monkeypatch.setattr(admission_module, "MOST_NODES", 5)
    with pytest.raises(ModelError, match="net: 6 nodes; graphs above 5 are not loaded"):
        admit("net", ".onnx", data)


def test_too_large(
    store: Store, catalogue: Catalogue, here: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(admission_module, "MOST_BYTES", len(GOOD) - 1)
    file = tmp_path / "unknown.onnx"
    file.write_bytes(GOOD)
    with pytest.raises(ModelError, match="are not loaded"):
        store.import_file(file, catalogue)
    with pytest.raises(ModelError, match="are not loaded"):
        here.read(catalogue.card("known"))


def test_sizes_are_looked_at_before_the_file_is_read(
    store: Store, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("the file was read"))
    file = tmp_path / "unknown.onnx"
    with file.open("wb") as sparse:
        sparse.truncate(5 << 30)
    with pytest.raises(ModelError, match="above 4 GiB are not loaded"):
        store.import_file(file, catalogue)


def test_weights_elsewhere(tmp_path: Path):
    model = onnx.load_from_string(GOOD)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    with pytest.raises(ModelError, match="weights lie in another file"):
        admit("net", ".onnx", model.SerializeToString())


def test_safetensors():
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    admit("net", ".safetensors", len(header).to_bytes(8, "little") + header + bytes(4))
    for data in (GOOD, (9).to_bytes(8, "little") + header, (1 << 60).to_bytes(8, "little"), b"\x01"):
        with pytest.raises(ModelError, match="not a safetensors file"):
            admit("net", ".safetensors", data)
    with pytest.raises(ModelError, match="not a network in ONNX format"):
        admit("net", ".onnx", len(header).to_bytes(8, "little") + header + bytes(4))


# --- removing, twins, licences ---


def test_remove(here: Store, catalogue: Catalogue):
    card = catalogue.card("known")
    here.part(card).write_bytes(b"part")
    here.bad(card).write_bytes(b"bad")
    assert here.remove(card)
    assert names(here) == {"lock.json"}
    assert not here.remove(card)
    with pytest.raises(ModelError, match="is not on this machine"):
        here.read(card)
    with pytest.raises(UsageError, match="ships with Omote"):
        here.remove(catalogue.card("native"))


def test_pins_outlive_the_file(store: Store, catalogue: Catalogue, tmp_path: Path):
    file = tmp_path / "unknown.onnx"
    file.write_bytes(OTHER)
    store.import_file(file, catalogue)
    card = catalogue.card("unknown")
    assert store.remove(card)
    file.write_bytes(GOOD)
    with pytest.raises(ModelError, match=f"expected {digest(OTHER)}"):
        store.import_file(file, catalogue, "unknown")
    assert store.remove(card, forget=True)
    store.import_file(file, catalogue, "unknown")
    assert store.read(card) == GOOD


def test_twins_share_one_file(here: Store, catalogue: Catalogue):
    twin = catalogue.card("twin")
    assert here.adopt(twin, catalogue)
    assert here.read(twin) == GOOD
    assert here.path(twin).stat().st_ino == here.path(catalogue.card("known")).stat().st_ino
    assert not here.adopt(catalogue.card("unknown"), catalogue)
    here.remove(catalogue.card("known"))
    assert here.read(twin) == GOOD


def test_twins_where_files_have_one_name(here: Store, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert here.adopt(catalogue.card("twin"), catalogue)
    assert here.read(catalogue.card("twin")) == GOOD


def test_acceptance_is_of_a_licence(store: Store):
    card = Card("net", "mask", "plain", "plain", licence="Research", terms="non-commercial")
    assert not store.accepted(card)
    store.accept(card)
    assert store.accepted(card)
    assert not store.accepted(Card("net", "mask", "plain", "plain", licence="Other", terms="non-commercial"))
    assert not store.accepted(Card("other", "mask", "plain", "plain", licence="Research", terms="unknown"))
    assert store.accepted(Card("free", "mask", "plain", "plain", licence="MIT", terms="permissive"))


# --- the lock file ---


def test_lock_file_is_plain(here: Store, catalogue: Catalogue):
    tables = json.loads((here.folder / "lock.json").read_text())
    assert set(tables) == {"pins", "seen", "accepted"}
    assert tables["seen"]["known"]["sha256"] == digest(GOOD)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"pins": {"a": {"b": 1}}, "seen": {}, "accepted": {}}']
)
def test_damaged_lock_file(here: Store, catalogue: Catalogue, text: str):
    (here.folder / "lock.json").write_text(text)
    with pytest.raises(ModelError, match=r"lock\.json: damaged; put back a copy, or delete it"):
        here.read(catalogue.card("known"))


def test_failed_edit_changes_nothing(here: Store):
    before = (here.folder / "lock.json").read_text()
    with pytest.raises(ZeroDivisionError), here.lock_file.edit() as records:
        records.seen.clear()
        1 / 0  # noqa: B018
    assert (here.folder / "lock.json").read_text() == before
    assert "lock.json" in names(here)
    assert not any("lock.json." in name for name in names(here))


def test_edits_of_many_threads_all_count(tmp_path: Path):
    file = LockFile(tmp_path / "lock.json")

    def edit(number: int) -> None:
        store = Store(tmp_path)
        for turn in range(4):
            store.accept(Card(f"n{number}-{turn}", "mask", "plain", "plain"))

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.read().accepted) == 16


# --- locks ---

HOLDER = """
import sys, time
from pathlib import Path
from omote.zoo.exclusive import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_dead_holder_releases(tmp_path: Path):
    lock = tmp_path / ".lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waited = threading.Event()
    got: list[float] = []

    def want() -> None:
        with exclusive(lock, waited.set):
            got.append(time.monotonic())

    thread = threading.Thread(target=want)
    thread.start()
    assert waited.wait(10)
    assert got == []
    killed = time.monotonic()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    thread.join(10)
    assert got[0] >= killed
    assert not lock.exists()


def test_lock_that_its_holder_takes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Between opening and locking it, the holder may have removed the file: then others see another one."""
    lock, tried = tmp_path / ".lock", []

    def try_lock(handle: int) -> None:
        tried.append(handle)
        if len(tried) == 1:
            lock.unlink()

    monkeypatch.setattr("omote.zoo.exclusive._try_lock", try_lock)
    with exclusive(lock):
        assert lock.exists()
    assert len(tried) == 2


def test_lock_without_a_folder(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be written"), exclusive(tmp_path / "none" / ".lock"):
        pass
