"""`omote models`: what each command prints, with which exit code, and what it leaves."""

import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from omote.zoo import Catalogue
from tests.conftest import Command
from tests.file_server import FileServer, file_server
from tests.planted import planted


def network(value: float) -> bytes:
    return planted(
        [helper.make_node("Mul", ["x", "k"], ["y"])], {"k": np.float32([value])}, {"x": [1, 3]}, {"y": [1, 3]}
    )


ENCODER, SWAPPER, OTHER = network(1), network(2), network(3)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CATALOGUE = """
[contracts.encode]
task = "converter"
adapter = "crossface"
unit = true
size = 3

[contracts.swap]
task = "swapper"
adapter = "swap"
needs = {{ converter = "encoder" }}
side = 128

[models.encoder]
contract = "encode"
licence = "MIT"
terms = "permissive"
urls = ["{server}/encoder.onnx"]
sha256 = "{encoder}"

[models.swapper]
contract = "swap"
licence = "Research-1"
terms = "non-commercial"
vendor = "Somebody"
year = 2023
urls = ["{server}/swapper.onnx"]

[models.lost]
contract = "encode"
note = "its makers took it down"

[models.native]
contract = "encode"
urls = ["package:detect"]
"""


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as made:
        made.serve("/encoder.onnx", ENCODER)
        made.serve("/swapper.onnx", SWAPPER)
        yield made


@pytest.fixture
def home(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `OMOTE_HOME`; the catalogue is that of the server."""
    text = CATALOGUE.format(server=server.url(), encoder=digest(ENCODER))
    made = Catalogue.parse(text)
    monkeypatch.setattr(Catalogue, "load", classmethod(lambda cls: made))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "localhost")
    return tmp_path / "home"


@pytest.fixture
def filled(home: Path, omote: Command) -> Path:
    assert omote("models", "pull", "swapper", "--accept-licence").code == 0
    return home / "models"


# --- pull ---


def test_pull_brings_what_is_needed(home: Path, omote: Command, server: FileServer):
    done = omote("models", "pull", "swapper", "--accept-licence")
    assert done.code == 0
    folder = home / "models"
    assert done.out.splitlines() == [
        "encoder: licence MIT: may be used for any purpose, commercial too; keep the notice",
        "swapper: licence Research-1: for research or private use only, not for paid work",
        f"encoder: 0.0 MB, verified: {folder / 'encoder.onnx'}",
        f"swapper: 0.0 MB, verified: {folder / 'swapper.onnx'}",
    ]
    assert done.err == (
        f"note: swapper: no digest of it is published; from now on it must be sha256 {digest(SWAPPER)}\n"
    )
    assert (folder / "swapper.onnx").read_bytes() == SWAPPER
    again = omote("models", "pull", "swapper")
    assert (again.code, again.out, again.err) == (0, "swapper: is here\n", "")
    assert server.paths() == ["/encoder.onnx", "/swapper.onnx"]


def test_licence_is_refused_until_accepted(home: Path, omote: Command, server: FileServer):
    refused = omote("models", "pull", "swapper")
    assert refused.code == 5
    assert "swapper: licence Research-1: for research or private use only" in refused.out
    assert refused.err == (
        "omote: nothing was fetched: swapper: not under a permissive licence (see above); "
        "if you agree to that, repeat with --accept-licence\n"
    )
    assert server.requests == []
    assert not home.exists()
    assert omote("models", "pull", "swapper", "--accept-licence").code == 0
    accepted = json.loads((home / "models" / "lock.json").read_text())["accepted"]
    assert list(accepted) == ["swapper"]
    assert (accepted["swapper"]["licence"], accepted["swapper"]["terms"]) == ("Research-1", "non-commercial")
    assert omote("models", "remove", "swapper").code == 0
    assert omote("models", "pull", "swapper").code == 0  # accepted is accepted


def test_permissive_needs_no_acceptance(home: Path, omote: Command):
    done = omote("models", "pull", "encoder")
    assert done.code == 0
    assert "encoder: licence MIT" in done.out


@pytest.mark.parametrize("how", ["option", "OMOTE_OFFLINE", "OMOTE_MODELS_PULL_OFFLINE", "omote.toml"])
def test_offline_opens_no_socket(home: Path, omote: Command, monkeypatch: pytest.MonkeyPatch, how: str):
    def forbidden(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a socket was wanted")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, forbidden)
    if how == "omote.toml":
        Path(how).write_text("[models.pull]\noffline = true\n")
    elif how != "option":
        monkeypatch.setenv(how, "1")
    words = ["--offline"] if how == "option" else []
    done = omote("models", "pull", "encoder", *words)
    assert done.code == 6
    assert done.err == (
        "omote: encoder is not on this machine, and offline nothing is fetched: "
        "pull it without --offline, or omote models import FILE\n"
    )


def test_offline_is_content_with_what_is_here(filled: Path, omote: Command):
    assert omote("models", "pull", "swapper", "encoder", "--offline").code == 0


def test_pull_of_what_cannot_be_had(home: Path, omote: Command, server: FileServer):
    lost = omote("models", "pull", "lost", "--accept-licence")
    assert lost.code == 6
    assert lost.err == (
        "omote: lost is not on this machine: it has no public address; omote models import FILE --as lost\n"
    )
    del server.files["/encoder.onnx"]
    gone = omote("models", "pull", "encoder")
    assert (gone.code, gone.err) == (
        6,
        "omote: encoder cannot be had: localhost: answers 404 (not found)\n",
    )
    unknown = omote("models", "pull", "swaper")
    assert unknown.code == 2
    assert "did you mean swapper" in unknown.err
    assert omote("models", "pull", "native").out == "native: ships with Omote\n"


def test_wrong_digest(home: Path, omote: Command, server: FileServer):
    server.serve("/encoder.onnx", OTHER)
    done = omote("models", "pull", "encoder")
    assert done.code == 6
    assert done.err.count("\n") == 1
    assert f"sha256 is {digest(OTHER)}, expected {digest(ENCODER)}" in done.err
    assert (home / "models" / "encoder.onnx.bad").read_bytes() == OTHER


# --- looking ---


def test_list(home: Path, omote: Command):
    done = omote("models", "list")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["NAME", "TASK", "LICENCE", "SIZE", "HERE"]
    assert rows[1] == ["encoder", "converter", "permissive", "?", "no"]
    assert rows[3][-1] == "ships"
    assert rows[4] == ["swapper", "swapper", "non-commercial", "?", "no"]
    assert len({line.index(" converter") for line in done.out.splitlines() if " converter" in line}) == 1
    assert not home.exists()


def test_list_of_a_task(filled: Path, omote: Command):
    rows = omote("models", "list", "--task", "swapper").out.splitlines()[1:]
    assert [row.split()[-1] for row in rows] == ["yes"]
    wrong = omote("models", "list", "--task", "swappers")
    assert (wrong.code, wrong.err.startswith("omote: --task swappers: use detector, ")) == (2, True)


def test_list_as_json(filled: Path, omote: Command):
    rows = {row["name"]: row for row in json.loads(omote("models", "list", "--json").out)}
    assert set(rows) == {"encoder", "swapper", "lost", "native"}
    assert rows["swapper"]["here"] == "yes"
    assert rows["swapper"]["bytes"] == len(SWAPPER)
    assert rows["lost"]["here"] == "no"


def test_list_tells_damage(filled: Path, omote: Command):
    (filled / "encoder.onnx").write_bytes(OTHER[:-1])
    assert "damaged" in omote("models", "list", "--task", "converter").out


def test_info(filled: Path, omote: Command):
    done = omote("models", "info", "swapper")
    assert done.code == 0
    for words in (
        "needs:       converter: encoder",
        "settings:    side: 128",
        "licence:     Research-1",
        "consequence: for research or private use only, not for paid work",
        "vendor:      Somebody",
        "paper:       not known",
        f"sha256:      {digest(SWAPPER)}",
        f"path:        {filled / 'swapper.onnx'}",
        "here:        yes",
    ):
        assert words in done.out.splitlines()
    facts = json.loads(omote("models", "info", "swapper", "--json").out)
    assert facts["needs"] == {"converter": "encoder"}
    assert facts["origins"][0].endswith("/swapper.onnx")


def test_verify(filled: Path, omote: Command):
    done = omote("models", "verify")
    assert (done.code, done.out, done.err) == (0, "encoder: ok\nswapper: ok\n", "")
    (filled / "lost.onnx").write_bytes(OTHER)
    times = (filled / "encoder.onnx").stat()
    (filled / "encoder.onnx").write_bytes(OTHER)
    os.utime(filled / "encoder.onnx", ns=(times.st_atime_ns, times.st_mtime_ns))
    done = omote("models", "verify")
    assert done.code == 6
    assert done.out.splitlines() == [
        f"encoder: damaged (sha256 {digest(OTHER)}, expected {digest(ENCODER)})",
        "swapper: ok",
        "lost: no digest",
    ]
    assert done.err == "omote: damaged: encoder: fetch again: omote models pull encoder\n"
    assert omote("models", "verify", "swapper").code == 0
    assert omote("models", "pull", "encoder").code == 0
    assert omote("models", "verify", "encoder").out == "encoder: ok\n"


def test_verify_nothing(home: Path, omote: Command):
    assert omote("models", "verify").out == f"no networks in {home / 'models'}\n"
    missing = omote("models", "verify", "encoder")
    assert (missing.code, missing.err) == (
        6,
        "omote: encoder is not on this machine: omote models pull encoder\n",
    )
    assert omote("models", "verify", "native").out == "native: ships with Omote\n"


def test_path(home: Path, omote: Command):
    assert omote("models", "path").out == f"{home / 'models'}\n"
    assert omote("models", "path", "swapper").out == f"{home / 'models' / 'swapper.onnx'}\n"
    assert Path(omote("models", "path", "native").out.strip()).is_file()


# --- changing ---


def test_import(home: Path, omote: Command, tmp_path: Path):
    file = tmp_path / "anything.onnx"
    file.write_bytes(ENCODER)
    done = omote("models", "import", file)
    assert done.code == 0
    assert done.out.splitlines() == [
        f"encoder: imported: {home / 'models' / 'encoder.onnx'}",
        "encoder: licence MIT: may be used for any purpose, commercial too; keep the notice",
    ]
    file.write_bytes(OTHER)
    unknown = omote("models", "import", file)
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "--as NAME" in unknown.err
    assert omote("models", "import", file, "--as", "lost").code == 0
    assert omote("models", "verify").out == "encoder: ok\nlost: ok\n"


def test_import_against_the_contract(home: Path, omote: Command, tmp_path: Path):
    file = tmp_path / "lost.onnx"
    wide = {"x": [1, 4]}, {"y": [1, 4]}
    file.write_bytes(planted([helper.make_node("Identity", ["x"], ["y"])], {}, *wide))
    done = omote("models", "import", file)
    assert (done.code, done.err) == (6, "omote: lost: input 0 should be (any × 3), found x (1 × 4)\n")
    assert not home.exists()


def test_import_of_what_cannot_be_run(home: Path, omote: Command, tmp_path: Path):
    file = tmp_path / "lost.onnx"
    file.write_bytes(planted([helper.make_node("NoSuchThing", ["x"], ["y"])], {}, {"x": [3]}, {"y": [3]}))
    done = omote("models", "import", file)
    assert done.code == 6
    assert done.err.startswith("omote: lost: not a network that ONNX Runtime can load")
    assert done.err.count("\n") == 1
    file.write_bytes(b"\x80\x04\x95pickle")
    assert omote("models", "import", file).code == 6
    assert not home.exists()


def test_remove(filled: Path, omote: Command, server: FileServer):
    assert omote("models", "remove", "encoder", "swapper").out == "encoder: removed\nswapper: removed\n"
    again = omote("models", "remove", "swapper")
    assert (again.code, again.err) == (6, "omote: not on this machine: swapper\n")
    server.serve("/swapper.onnx", OTHER)
    changed = omote("models", "pull", "swapper")
    assert changed.code == 6
    assert "if its makers replaced it: omote models remove swapper --forget, then pull again" in changed.err
    assert omote("models", "remove", "swapper", "--forget").code == 0
    assert omote("models", "pull", "swapper").code == 0
    assert omote("models", "remove", "native").code == 2


# --- the group ---

COMMANDS = ["list", "info", "pull", "verify", "import", "remove", "path"]


def test_help(omote: Command):
    done = omote("models", "--help")
    assert (done.code, done.err) == (0, "")
    for command in COMMANDS:
        line = next(line for line in done.out.splitlines() if line.startswith(f"  {command} "))
        assert line.endswith(".")
        assert not line.endswith("..."), line
    alone = omote("models")
    assert (alone.code, alone.err, alone.out) == (2, done.out, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each(omote: Command, command: str):
    done = omote("models", command, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.lstrip().startswith(f"Usage: omote models {command} [OPTIONS]")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models.pul]\noffline = true", "no command 'models.pul'; tables are models.list, "),
        ("[models.pull]\nofline = true", "[models.pull] has no option 'ofline'"),
        ("[models]\noffline = true", "no command 'models.offline'"),
    ],
)
def test_settings_that_are_wrong(home: Path, omote: Command, text: str, words: str):
    Path("omote.toml").write_text(text)
    done = omote("models", "list")
    assert done.code == 2
    assert words in done.err


def test_environment_that_is_wrong(home: Path, omote: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMOTE_MODELS_PULL_OFLINE", "1")
    done = omote("models", "list")
    assert done.code == 2
    assert "OMOTE_MODELS_PULL_OFLINE: `omote models pull` has no such option" in done.err


def test_settings_of_sub_commands_count(home: Path, omote: Command, monkeypatch: pytest.MonkeyPatch):
    Path("omote.toml").write_text("[models.list]\ntask = 'swapper'\n")
    assert len(omote("models", "list").out.splitlines()) == 2
    monkeypatch.setenv("OMOTE_MODELS_PULL_ACCEPT_LICENCE", "1")
    assert omote("models", "pull", "swapper").code == 0


def test_without_the_extra_a_pull_says_what_to_install(
    omote: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "urllib3", None)
    done = omote("models", "pull", "yunet_n")
    assert done.code == 6
    assert "pip install 'omote[models]'" in done.err
