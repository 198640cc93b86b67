"""The page docs/adding-a-model.md: its blocks are run, not only read."""

import re
import shutil
import sys
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from omote.engines.oneshot.dfm import DfmSettings
from omote.engines.oneshot.embedding import EmbeddingSettings
from omote.engines.oneshot.image import ImageSettings
from omote.engines.swapper import Source
from omote.faces.align import align
from omote.zoo.card import Card
from omote.zoo.catalogue import Catalogue, card_of
from omote.zoo.store import Store
from tests.conftest import Command
from tests.swap_networks import HYPERSWAP, catalogue, recogniser, unchanging
from tests.synthetic import painted, posed_face
from tests.test_oneshot_dfm import dfm

PAGE = (Path(__file__).parents[1] / "docs" / "adding-a-model.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)


ROW, CONTRACT, SIDECAR, PROJECT = blocks("toml")
OWN_FILE, PLUGIN, FIND = blocks("python")
COMMANDS = blocks("console")
FACE = posed_face()
PICTURE = painted(FACE)


def test_the_row_is_the_one_of_the_catalogue() -> None:
    known = catalogue()
    ((name, row),) = tomllib.loads(ROW)["models"].items()
    address = known.cards[name].origins[0].replace(row["tag"], "{tag}").replace(row["file"], "{file}")
    around = f"""
        [sources.visomaster]
        urls = ["{address}"]
        [contracts.any]
        task = "identity"
        adapter = "any"
        [models.arcface_w600k_r50]
        contract = "any"
        """
    assert Catalogue.parse("\n".join((around, CONTRACT, ROW))).cards[name] == known.cards[name]


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Swappers that change nothing in the current folder, one with the page's side-car."""

    def read(self: Store, card: Card) -> bytes:
        assert card.name == "arcface_w600k_r50"
        return recogniser(card.name)

    monkeypatch.setattr(Store, "read", read)
    monkeypatch.chdir(tmp_path)
    Path("mine.onnx").write_bytes(unchanging(replace(HYPERSWAP, size=224)))
    Path("mine.toml").write_text(SIDECAR)
    Path("other.onnx").write_bytes(unchanging(HYPERSWAP))
    Path("person.dfm").write_bytes(dfm(factors=(1.0, 1.0, 1.0)))


def run(block: str) -> dict[str, Any]:
    """What a block of Python leaves behind."""
    names: dict[str, Any] = {}
    exec(block, names)
    return names


@pytest.mark.usefixtures("own_file")
def test_a_file_of_ones_own() -> None:
    names = run(OWN_FILE)
    swapper, card = names["swapper"], names["network"].card
    assert (swapper.template, swapper.crop_size(FACE), swapper.strength) == ("ffhq_512", 448, 0.9)
    assert (card.licence, card.terms) == ("my own", "permissive")
    crop = align(PICTURE, FACE, swapper.template, 448)
    (made,) = swapper.swap([crop], swapper.identity([Source(PICTURE, FACE)]))
    np.testing.assert_allclose(made.pixels, crop.pixels / 255, atol=1e-5)


@pytest.mark.usefixtures("own_file", "unmarked")
@pytest.mark.parametrize("block", COMMANDS)
def test_on_the_command_line(block: str, omote: Command, source: Path, target: Path) -> None:
    shutil.copy(source, "me.jpg")
    shutil.copy(target, "photo.jpg")
    (line,) = block.strip().splitlines()
    assert line.startswith("$ omote ")
    outcome = omote(*line.split()[2:])
    assert outcome.code == 0, outcome.err
    before, after = (cv2.imread(name, cv2.IMREAD_COLOR).astype(float) for name in ("photo.jpg", "new.png"))
    assert np.mean((before - after) ** 2) < 0.5, "swappers that change nothing leave the photo"


def test_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads(PROJECT)["project"]
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "omote_mirror.py").write_text(PLUGIN)
    info = tmp_path / f"omote_mirror-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = [f"{name} = {value}" for name, value in project["entry-points"]["omote.engines"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[omote.engines]", *points]))
    swapper = run(FIND)["swapper"]
    crop = align(PICTURE, FACE, swapper.template, swapper.crop_size(FACE))
    (made,) = swapper.swap([crop], swapper.identity([]))
    np.testing.assert_allclose(made.pixels, crop.pixels[:, ::-1] / 255, atol=1e-6)
    sys.modules.pop("omote_mirror")


def test_a_plug_in_has_twenty_lines() -> None:
    assert len([line for line in PLUGIN.splitlines() if line.strip()]) <= 20


def test_the_table_names_every_setting() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows))) - {"embedding", "image"}
    assert named == {field.name for kind in (EmbeddingSettings, ImageSettings) for field in fields(kind)}


@pytest.mark.parametrize("kind", [EmbeddingSettings, ImageSettings, DfmSettings])
def test_no_setting_has_the_name_of_a_fact(kind: type) -> None:
    """Else a row could not set it: `size` is that of the file, `source` where it is."""
    for field in fields(kind):
        card = card_of("mine", {"contract": "inswapper", field.name: "given"}, catalogue().contracts)
        assert card.settings[field.name] == "given"
