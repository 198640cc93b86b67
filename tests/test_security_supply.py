"""The bill of materials is whole and the same each time; a report of vulnerabilities is read rightly."""

import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools.audit import dependencies, vulnerable
from tools.sbom import bill

ROOT = Path(__file__).parents[1]


def test_the_bill_lists_all_that_omote_needs() -> None:
    content = bill()
    names = {entry["name"] for entry in content["components"]}
    for line in requires("omote") or ():
        if "extra ==" not in line:
            assert canonicalize_name(Requirement(line).name) in names
    assert {"ffmpeg", "detect.onnx", "mesh.onnx", "identity.onnx"} <= names
    assert "torch" not in names
    for entry in content["components"]:
        assert entry["type"] == "machine-learning-model" or entry["version"]
        assert not entry.get("purl") or re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", entry["purl"])


def test_every_reference_of_the_bill_leads_somewhere() -> None:
    content = bill()
    references = [entry["bom-ref"] for entry in [content["metadata"]["component"], *content["components"]]]
    assert len(set(references)) == len(references)
    for row in content["dependencies"]:
        assert {row["ref"], *row["dependsOn"]} <= set(references)


def test_the_bill_is_the_same_each_time() -> None:
    once, again = (
        subprocess.run([sys.executable, "tools/sbom.py"], cwd=ROOT, capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert once == again
    assert json.loads(once)["specVersion"] == "1.6"


@pytest.mark.parametrize(
    ("packages", "lines"),
    [
        ([{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "x"}], []),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}],
            ["a 1: PYSEC-1, mended in 2"],
        ),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}],
            ["a 1: PYSEC-1, mended in no version yet"],
        ),
    ],
)
def test_reports_of_vulnerabilities(packages: list[dict[str, Any]], lines: list[str]) -> None:
    assert vulnerable(dependencies(json.dumps({"dependencies": packages}))) == lines


@pytest.mark.parametrize("report", ["", "ERROR: cannot connect", "[]", '{"dependencies": 3}'])
def test_what_is_no_report(report: str) -> None:
    assert dependencies(report) == []
