"""Networks of a job: opened once, and only for what they can do."""

from pathlib import Path

import pytest

from omote.errors import ModelError, UsageError
from omote.zoo import Networks, Store, Task
from omote.zoo.native import native_weights
from tests.networks import CATALOGUE
from tests.swap_networks import PUBLISHED, recogniser, unchanging


def test_a_network_is_opened_once():
    networks = Networks()
    first = networks.open("omote-detect", "detector")
    assert networks.open("omote-detect", "detector") is first
    assert [card.name for card in networks.opened] == ["omote-detect"]


def test_a_network_that_is_open_serves_no_other_task():
    networks = Networks()
    networks.open("omote-detect", "detector")
    with pytest.raises(UsageError, match="no landmark network is called 'omote-detect'"):
        networks.open("omote-detect", "landmarks")


def test_a_file_that_is_open_serves_no_other_task(tmp_path: Path):
    file = tmp_path / "mine.onnx"
    file.write_bytes(native_weights("detect"))
    file.with_suffix(".toml").write_text('contract = "omote_detect"')
    networks = Networks()
    networks.open(file, "detector")
    with pytest.raises(UsageError, match="describes a detector, a mask network is wanted"):
        networks.open(file, "mask")


def test_what_a_network_needs_must_be_able_to_do_that(tmp_path: Path):
    file = tmp_path / "mine.onnx"
    file.write_bytes(native_weights("detect"))
    file.with_suffix(".toml").write_text('contract = "hyperswap"\nneeds = { identity = "omote-detect" }')
    with pytest.raises(UsageError, match="no identity network is called 'omote-detect'"):
        Networks().open(file, "swapper")


def test_a_missing_network_is_named_before_what_it_needs(tmp_path: Path):
    with pytest.raises(ModelError, match=r"omote models pull inswapper_128$"):
        Networks(store=Store(tmp_path)).open("inswapper_128", "swapper")


def test_a_folder_is_no_network():
    with pytest.raises(ModelError, match="cannot read the network"):
        Networks().open("./", "swapper")


def test_a_missing_name_is_told() -> None:
    with pytest.raises(UsageError, match="the name of a detector is missing: omote models list"):
        Networks().open("", "detector")


def names_of(task: str) -> str:
    return ", ".join(sorted(c.name for c in CATALOGUE.contracts.values() if c.task == task))


@pytest.mark.parametrize(
    ("task", "cure"),
    [
        ("swapper", f"give --contract NAME ({names_of('swapper')}), or a card own.toml beside it"),
        ("mask", "give a card own.toml beside it with contract = one of bisenet, omote_parse, pan, xseg"),
        ("restorer", f"give a card own.toml beside it with contract = one of {names_of('restorer')}"),
    ],
)
def test_a_file_of_which_nothing_is_known_is_told_what_helps(tmp_path: Path, task: Task, cure: str) -> None:
    file = tmp_path / "own.onnx"
    file.write_bytes(recogniser("nobody's"))
    with pytest.raises(UsageError) as told:
        Networks(store=Store(tmp_path)).open(file, task)
    assert str(told.value) == f"{file}: nothing says how this network is used: {cure}"


@pytest.mark.parametrize(
    ("card", "what"),
    [('licence = "MIT"', "names no contract"), ('contract = "xsek"', "contract 'xsek' is unknown")],
)
def test_a_card_without_a_contract_is_told_those_of_the_task(tmp_path: Path, card: str, what: str) -> None:
    file = tmp_path / "own.onnx"
    file.write_bytes(recogniser("nobody's"))
    file.with_suffix(".toml").write_text(card)
    with pytest.raises(ModelError, match=f"^own.onnx: {what}: use bisenet, omote_parse, pan, xseg$"):
        Networks().open(file, "mask")


def test_a_dfm_file_says_by_its_suffix_how_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "person.DFM"
    file.write_bytes(recogniser("a person"))
    card = Networks(store=Store(tmp_path)).open(file, "swapper").card
    assert (card.contract, card.task) == ("dfm", "swapper")
    with pytest.raises(UsageError, match=r"nothing says how this network is used: give a card person\.toml"):
        Networks(store=Store(tmp_path)).open(file, "mask")


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A swapper whose card names a file as its identity network."""
    folder = tmp_path / "mine"
    (folder / "ids").mkdir(parents=True)
    swapper = folder / "swapper.onnx"
    swapper.write_bytes(unchanging(PUBLISHED["hyperswap_1a_256"]))
    swapper.with_suffix(".toml").write_text(
        'contract = "hyperswap"\nneeds = { identity = "./ids/face.onnx" }'
    )
    (folder / "ids" / "face.onnx").write_bytes(recogniser("mine"))
    (folder / "ids" / "face.toml").write_text('contract = "arcface"\nmean = [0.25, 0.25, 0.25]')
    return swapper


def test_a_card_may_name_a_file_as_what_it_needs(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = Networks(store=Store(tmp_path))
    identity = networks.open(pair, "swapper").needs["identity"]
    assert identity.card.name == "face.onnx"
    assert identity.card.settings["mean"] == [0.25, 0.25, 0.25]
    monkeypatch.chdir(pair.parent)
    assert Networks(store=Store(tmp_path)).open("./swapper.onnx", "swapper").needs["identity"].card.name
    (pair.parent / "ids" / "face.toml").write_text('contract = "xseg"')
    with pytest.raises(UsageError, match="describes a mask network, an identity network is wanted"):
        Networks(store=Store(tmp_path)).open(pair, "swapper")


def test_a_file_that_is_needed_and_not_there_is_told(pair: Path) -> None:
    (pair.parent / "ids" / "face.onnx").unlink()
    with pytest.raises(ModelError, match=r"ids.face\.onnx: cannot read the network"):
        Networks().open(pair, "swapper")


@pytest.mark.parametrize("need", ["face.onnx", "../ids/face.onnx"])
def test_a_card_that_needs_itself_is_told(pair: Path, need: str) -> None:
    (pair.parent / "ids" / "face.toml").write_text(f'contract = "arcface"\nneeds = {{ identity = "{need}" }}')
    with pytest.raises(ModelError, match=r"face\.onnx: needs itself, by way of its card"):
        Networks().open(pair, "swapper")
    with pytest.raises(ModelError, match=r"face\.onnx: needs itself, by way of its card"):
        Networks().open(pair.parent / "ids" / "face.onnx", "identity")


@pytest.mark.parametrize("needs", ["{ identity = 3 }", '"arcface"', "[1]"])
def test_needs_that_are_no_names_are_told(pair: Path, needs: str) -> None:
    pair.with_suffix(".toml").write_text(f'contract = "hyperswap"\nneeds = {needs}')
    with pytest.raises(ModelError, match=r"expected the name of a network|not a model card"):
        Networks().open(pair, "swapper")
