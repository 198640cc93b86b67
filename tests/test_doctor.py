"""`omote doctor --model`: card, licence, inputs, placement and time of one network."""

import hashlib
import json
from pathlib import Path

import onnxruntime
import pytest
from onnx import TensorProto, helper

from omote.zoo import Catalogue, Store, native_weights
from omote.zoo.lockfile import Pin
from tests.conftest import Command
from tests.planted import planted


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))


def waves() -> bytes:
    """Two nodes, one open and one fixed axis."""
    nodes = [helper.make_node("Sin", ["x"], ["s"]), helper.make_node("Cos", ["s"], ["y"])]
    return planted(nodes, {}, {"x": [1, 3, "height", 8]}, {"y": [1, 3, "height", 8]})


def test_a_native_network(omote: Command) -> None:
    done = omote("doctor", "--model", "omote-mesh")
    assert (done.code, done.err) == (0, "")
    lines = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[-1] for line in done.out.splitlines()}
    assert lines["task"] == "landmarks"
    assert lines["consequence"].startswith("non-commercial: for research or private use only")
    assert lines["crops"] == "n × 3 × 128 × 128"
    assert lines["points"] == "n × 478 × 3"
    assert int(lines["CPU"]) > 20
    assert 0 < float(lines["milliseconds"]) < 1000


def test_json_has_values(omote: Command, tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(waves())
    done = omote("doctor", "--model", path, "--json", "--device", "cpu")
    report = json.loads(done.out)
    milliseconds = report["run"].pop("milliseconds")
    assert 0 < milliseconds < 1000
    assert report == {
        "network": {
            "file": str(path),
            "card": "none is known",
            "licence": "not known: ask whoever made the file",
        },
        "inputs": {"x": [1, 3, "height", 8]},
        "outputs": {"y": [1, 3, "height", 8]},
        "nodes": {"CPU": 2},
        "run": {"device": "cpu", "threads": 1, "on random x": [1, 3, 256, 8]},
    }


def test_a_file_with_a_card_beside_it(omote: Command, tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(waves())
    path.with_suffix(".toml").write_text('contract = "xseg"\nlicence = "mine"\nterms = "permissive"')
    report = json.loads(omote("doctor", "--model", path, "--json").out)
    assert report["network"]["name"] == "own.onnx"
    assert (report["network"]["contract"], report["network"]["licence"]) == ("xseg", "mine")
    path.with_suffix(".toml").write_text('licence = "mine"')
    done = omote("doctor", "--model", path)
    assert (done.code, done.err.startswith("omote: own.onnx: names no contract: use ")) == (6, True)


def keep(name: str, data: bytes) -> None:
    """Put a file into the store as a pinned network of the catalogue."""
    store, card = Store(), Catalogue.load().cards[name]
    store.folder.mkdir(parents=True, exist_ok=True)
    part = store.folder / "part"
    part.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    store.keep(card, part, digest, Pin(digest, "import", "here", "2026-01-01"))


def unpinned() -> str:
    """A network of the catalogue that any file may be."""
    return next(card.name for card in Catalogue.load().cards.values() if not card.sha256 and not card.native)


def test_a_network_of_the_catalogue_by_name_and_by_its_file(omote: Command, tmp_path: Path) -> None:
    name, data = unpinned(), waves()
    missing = omote("doctor", "--model", name)
    assert (missing.code, missing.out) == (6, "")
    assert missing.err.startswith(f"omote: {name} is not on this machine: ")
    assert name not in json.loads(omote("doctor", "--json").out)["networks"]
    keep(name, data)
    (tmp_path / "copy.onnx").write_bytes(data)
    card = Catalogue.load().cards[name]
    for reference in (name, tmp_path / "copy.onnx"):
        network = json.loads(omote("doctor", "--model", reference, "--json").out)["network"]
        assert (network["name"], network["licence"], network["bytes"]) == (name, card.licence, len(data))
    here = json.loads(omote("doctor", "--json").out)["networks"]
    assert here[name] == f"here, 0.0 MB, {card.terms}"
    assert here["omote-detect"].startswith("ready")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--model", "omote-mash"], 2, "did you mean omote-mesh"),
        (["--model", "omote-mesh", "--device", "gpu"], 2, "device 'gpu' is unknown: use one of cpu"),
        (["--device", "cpu"], 2, "give both"),
        (["--model", "no/such.onnx"], 6, "no/such.onnx: cannot read the network"),
    ],
)
def test_bad_requests(omote: Command, arguments: list[str], code: int, said: str) -> None:
    done = omote("doctor", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_missing_provider(omote: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    done = omote("doctor", "--model", "omote-mesh", "--device", "cuda:1")
    assert (done.code, done.out) == (6, "")
    assert "cuda:1 is not available" in done.err
    assert "onnxruntime-gpu" in done.err


def test_a_network_that_cannot_be_tried(omote: Command, tmp_path: Path) -> None:
    text = {"words": TensorProto.STRING, "same": TensorProto.STRING}
    node = helper.make_node("Identity", ["words"], ["same"])
    (tmp_path / "text.onnx").write_bytes(planted([node], {}, {"words": [1]}, {"same": [1]}, text))
    done = omote("doctor", "--model", tmp_path / "text.onnx")
    assert (done.code, done.out) == (6, "")
    assert "inputs that are no numbers" in done.err


def test_damaged_weights_are_told_and_do_not_end_the_report(
    omote: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = native_weights("mesh")
    monkeypatch.setattr(
        "omote.zoo.native_weights", lambda name: good[:1000] if name == "mesh" else native_weights(name)
    )
    networks = json.loads(omote("doctor", "--json").out)["networks"]
    assert networks["omote-mesh"].startswith("omote-mesh: not a network in ONNX format")
    assert networks["omote-detect"].startswith("ready")
