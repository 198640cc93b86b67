"""The catalogue: what a row must be, and that every row which ships is so."""

import string
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from onnx import helper

from omote.errors import ModelError, UsageError
from omote.pipelines.contracts import CHECKS, check_contract
from omote.zoo import Card, Catalogue
from omote.zoo.card import CONSEQUENCES, SUFFIXES, TASKS
from omote.zoo.catalogue import Contract
from tests.planted import planted

SHIPPED = Catalogue.load()
CARDS = pytest.mark.parametrize("card", SHIPPED.cards.values(), ids=SHIPPED.cards.keys())
CONTRACTS = pytest.mark.parametrize("contract", SHIPPED.contracts.values(), ids=SHIPPED.contracts.keys())


# --- what ships ---


@CARDS
def test_origins(card: Card):
    """Every address is https and names a file of the right kind; who has none says what to do."""
    assert all(url.startswith(("https://", "package:")) for url in card.origins)
    assert all("{" not in url and " " not in url for url in card.origins)
    assert len(set(card.origins)) == len(card.origins)
    suffixes = {PurePosixPath(url.split("?")[0]).suffix for url in card.origins if card.native is None}
    assert suffixes <= set(SUFFIXES)
    assert len(suffixes) <= 1
    if not card.origins:
        assert card.note, "a network without address must say what users can do"


@CARDS
def test_facts(card: Card):
    assert card.task in TASKS
    assert card.terms in CONSEQUENCES
    assert card.licence
    assert card.year is None or 2014 <= card.year <= 2030
    assert card.bytes is None or 10_000 < card.bytes < 4 << 30
    assert card.sha256 is None or set(card.sha256) <= set(string.digits + "abcdef")
    assert card.licence != "not stated" or card.terms == "unknown"


@CARDS
def test_needs(card: Card):
    """What a network needs is there, and can do what it is needed for."""
    for role, name in card.needs.items():
        assert role not in TASKS or SHIPPED.card(name).task == role
    needed = SHIPPED.with_needs([card.name])
    assert needed[-1] == card
    assert len({other.name for other in needed}) == len(needed)


@CONTRACTS
def test_contracts(contract: Contract):
    """There is an adapter of that name for that task."""
    assert contract.task in TASKS
    assert contract.adapter in CHECKS[contract.task]
    assert all(name in SHIPPED.cards for name in contract.needs.values())


FOREIGN = planted([helper.make_node("Identity", ["x"], ["y"])], {}, {"x": [7]}, {"y": [7]})


@CARDS
def test_settings_and_contract(card: Card):
    """The adapter understands every setting of the row, and refuses a graph that is none of its kind."""
    with pytest.raises(ModelError) as caught:
        check_contract(card, FOREIGN)
    message = str(caught.value)
    assert message.startswith(f"{card.name}: ")
    assert "setting" not in message
    assert "x" in message or "(7)" in message
    assert "found" in message, message


def test_same_file_has_one_digest():
    by_origin: dict[tuple[str, ...], set[str | None]] = {}
    for card in SHIPPED.cards.values():
        if card.origins:
            by_origin.setdefault(card.origins, set()).add(card.sha256)
    assert all(len(digests) == 1 for digests in by_origin.values())


# --- what a row must be ---

BASE = """
[sources.place]
urls = ["https://one.org/{tag}/{file}", "https://two.org/{file}"]
[contracts.plain]
task = "mask"
adapter = "plain"
side = 256
needs = { detector = "eye" }
[contracts.look]
task = "detector"
adapter = "look"
[models.eye]
contract = "look"
"""


def parse(row: str) -> Card:
    return Catalogue.parse(f'{BASE}\n[models.net]\ncontract = "plain"\n{row}').card("net")


def test_row():
    card = parse(
        'source = "place"\ntag = "v1"\nfile = "net.dfm"\nbytes = 5\nlicence = "MIT"\nterms = "permissive"\n'
        'side = 512\nmean = [1, 2]\nneeds = { mask = "eye" }\n'
    )
    assert card.origins == ("https://one.org/v1/net.dfm", "https://two.org/net.dfm")
    assert (card.task, card.adapter, card.suffix, card.bytes) == ("mask", "plain", ".dfm", 5)
    assert card.settings == {"side": 512, "mean": [1, 2]}
    assert card.needs == {"detector": "eye", "mask": "eye"}
    assert card.consequence.startswith("may be used for any purpose")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('urls = ["http://one.org/a.onnx"]', "origin http://one.org/a.onnx is not https"),
        ('urls = ["ftp://one.org/a.onnx"]', "is not https"),
        ('urls = ["http://localhost.example.org/a.onnx"]', "is not https"),
        ('urls = ["https://one.org/a.pth"]', ".pth files are not loaded"),
        ('urls = ["https://one.org/a.zip?x=.onnx"]', ".zip files are not loaded"),
        ('terms = "free"', "terms 'free' are not one of"),
        ('sha256 = "abc"', "64 hexadecimal digits"),
        (f'sha256 = "{"g" * 64}"', "64 hexadecimal digits"),
        ("sha256 = 5", "'sha256' is 5, expected str"),
        ('bytes = "5"', "'bytes' is '5', expected int"),
        ("bytes = true", "'bytes' is True, expected int"),
        ("year = 2020.5", "'year' is 2020.5, expected int"),
        ("licence = 3", "'licence' is 3, expected str"),
        ('needs = { identity = "none" }', "needs 'none' as its identity"),
        ('source = "elsewhere"', "source 'elsewhere' is unknown: use place"),
        ('source = "place"\ntag = "v1"', "its source needs 'file'"),
    ],
)
def test_rows_that_are_wrong(row: str, words: str):
    with pytest.raises(ModelError) as caught:
        parse(row)
    assert "net" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models.net", "not valid TOML"),
        ("[modles.net]\n", "'modles' is not one of sources, contracts, models"),
        ("models = 3", "'models' is not one of"),
        ("[models]\nnet = 3", "'net' is not a name with a table"),
        ('[models."../net"]\n', "'../net' is not a name"),
        ('[models.net]\ncontract = "none"', "contract 'none' is unknown"),
        ("[models.net]\n", "names no contract"),
        ('[contracts.c]\ntask = "mask"', "'adapter' is missing"),
        ('[contracts.c]\ntask = "x"\nadapter = "a"\n[models.net]\ncontract = "c"', "task 'x' is not one of"),
    ],
)
def test_catalogues_that_are_wrong(text: str, words: str):
    with pytest.raises(ModelError) as caught:
        Catalogue.parse(text)
    assert words in str(caught.value)


def test_rows_of_two_files_do_not_collide():
    with pytest.raises(ModelError, match=r"b\.toml: \[models\.eye\] stands in the catalogue twice"):
        Catalogue._of([("a.toml", BASE), ("b.toml", '[models.eye]\ncontract = "look"')])


def test_names_that_are_near():
    with pytest.raises(UsageError, match=r"no network is called 'omote-detekt': did you mean omote-detect"):
        SHIPPED.card("omote-detekt")
    with pytest.raises(UsageError, match="no swapper is called 'omote-detect'"):
        SHIPPED.card("omote-detect", "swapper")


def test_needs_in_a_circle_end():
    first, second = parse(""), parse("")
    first = replace(first, name="first", needs={"mask": "second"})
    second = replace(second, name="second", needs={"mask": "first"})
    catalogue = Catalogue({"first": first, "second": second}, {})
    assert [card.name for card in catalogue.with_needs(["first"])] == ["second", "first"]


def test_needs_come_first_and_once():
    text = BASE + '[models.a]\ncontract = "plain"\n[models.b]\ncontract = "plain"\nneeds = { mask = "a" }\n'
    found = Catalogue.parse(text).with_needs(["b", "a", "b"])
    assert [card.name for card in found] == ["eye", "a", "b"]
