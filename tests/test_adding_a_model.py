"""The page docs/adding-a-model.md: its blocks are run, not only read."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from omote.faces.align import align
from omote.zoo.card import Card
from omote.zoo.catalogue import Catalogue
from omote.zoo.store import Store
from tests.swap_networks import HYPERSWAP, catalogue, recogniser, unchanging
from tests.synthetic import painted, posed_face

PAGE = (Path(__file__).parents[1] / "docs" / "adding-a-model.md").read_text("utf-8")
TOML, PYTHON = (re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S) for kind in ("toml", "python"))
ROW, CONTRACT, SIDECAR, PROJECT = TOML
OWN_FILE, PLUGIN, FIND = PYTHON
FACE = posed_face()
PICTURE = painted(FACE)


def test_the_row_is_the_one_of_the_catalogue() -> None:
    known = catalogue()
    (name,) = tomllib.loads(ROW)["models"]
    sources = "[sources.visomaster]\nurls = ['https://github.com/visomaster/visomaster-assets/releases/download/{tag}/{file}']\n"
    needed = (
        "[contracts.any]\ntask = 'identity'\nadapter = 'any'\n[models.arcface_w600k_r50]\ncontract = 'any'\n"
    )
    assert Catalogue.parse("\n".join((sources, needed, CONTRACT, ROW))).cards[name] == known.cards[name]


def test_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    def read(self: Store, card: Card) -> bytes:
        assert card.name == "arcface_w600k_r50"
        return recogniser(card.name)

    monkeypatch.setattr(Store, "read", read)
    monkeypatch.chdir(tmp_path)
    Path("mine.onnx").write_bytes(unchanging(replace(HYPERSWAP, size=224)))
    Path("mine.toml").write_text(SIDECAR)
    names: dict[str, object] = {}
    exec(OWN_FILE, names)
    swapper, network = names["swapper"], names["network"]
    assert (swapper.template, swapper.crop_size(FACE), swapper.strength) == ("ffhq_512", 448, 0.9)
    assert (network.card.licence, network.card.terms) == ("my own", "permissive")
    from omote.engines.swapper import Source

    crop = align(PICTURE, FACE, swapper.template, 448)
    (made,) = swapper.swap([crop], swapper.identity([Source(PICTURE, FACE)]))
    np.testing.assert_allclose(made.pixels, crop.pixels / 255, atol=1e-5)


def test_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads(PROJECT)["project"]
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "omote_mirror.py").write_text(PLUGIN)
    info = tmp_path / f"omote_mirror-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = [f"{name} = {value}" for name, value in project["entry-points"]["omote.engines"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[omote.engines]", *points]))
    names: dict[str, object] = {}
    exec(FIND, names)
    swapper = names["swapper"]
    crop = align(PICTURE, FACE, swapper.template, swapper.crop_size(FACE))
    (made,) = swapper.swap([crop], swapper.identity([]))
    np.testing.assert_allclose(made.pixels, crop.pixels[:, ::-1] / 255, atol=1e-6)
    sys.modules.pop("omote_mirror")


def test_a_plug_in_has_about_twenty_lines() -> None:
    assert len([line for line in PLUGIN.splitlines() if line.strip()]) <= 20


def test_the_table_names_every_setting() -> None:
    from dataclasses import fields

    from omote.engines.oneshot.embedding import EmbeddingSettings
    from omote.engines.oneshot.image import ImageSettings

    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows))) - {"embedding", "image"}
    assert named == {field.name for kind in (EmbeddingSettings, ImageSettings) for field in fields(kind)}
