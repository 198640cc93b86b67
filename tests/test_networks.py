"""Networks of a job: opened once, and only for what they can do."""

from pathlib import Path

import pytest

from omote.errors import ModelError, UsageError
from omote.zoo import Networks, Store
from omote.zoo.native import native_weights


def test_a_network_is_opened_once():
    networks = Networks()
    first = networks.open("omote-detect", "detector")
    assert networks.open("omote-detect", "detector") is first
    assert [card.name for card in networks.opened] == ["omote-detect"]


def test_a_network_that_is_open_serves_no_other_task():
    networks = Networks()
    networks.open("omote-detect", "detector")
    with pytest.raises(UsageError, match="no landmarks is called 'omote-detect'"):
        networks.open("omote-detect", "landmarks")


def test_a_file_that_is_open_serves_no_other_task(tmp_path: Path):
    file = tmp_path / "mine.onnx"
    file.write_bytes(native_weights("detect"))
    file.with_suffix(".toml").write_text('contract = "omote_detect"')
    networks = Networks()
    networks.open(file, "detector")
    with pytest.raises(UsageError, match="describes a detector, a mask is wanted"):
        networks.open(file, "mask")


def test_what_a_network_needs_must_be_able_to_do_that(tmp_path: Path):
    file = tmp_path / "mine.onnx"
    file.write_bytes(native_weights("detect"))
    file.with_suffix(".toml").write_text('contract = "hyperswap"\nneeds = { identity = "omote-detect" }')
    with pytest.raises(UsageError, match="no identity is called 'omote-detect'"):
        Networks().open(file, "swapper")


def test_a_missing_network_is_named_before_what_it_needs(tmp_path: Path):
    with pytest.raises(ModelError, match=r"omote models pull inswapper_128$"):
        Networks(store=Store(tmp_path)).open("inswapper_128", "swapper")


def test_a_folder_is_no_network():
    with pytest.raises(ModelError, match="cannot read the network"):
        Networks().open("./", "swapper")
