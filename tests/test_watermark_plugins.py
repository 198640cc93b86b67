"""Marks of other packages: real distributions on the path, good and broken ones."""

from pathlib import Path

import numpy as np
import pytest

from omote.errors import ModelError, UsageError
from omote.trust.watermark import find_scheme, schemes

GOOD = """
from omote.trust.watermark import Finding
class LowestBit:
    algorithm = "org.example.lowest"
    def mark(self, pixels, identifier): return pixels | 1
    def find(self, frames): return Finding(7, 1e-9) if all((frame & 1).all() for frame in frames) else None
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package with entry points on the path, as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package: str, point: str, code: str) -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[omote.watermarks]\n{point} = {module}:{code_name(code)}\n")

    return put


def code_name(code: str) -> str:
    return "LowestBit" if "LowestBit" in code else "make"


def test_a_scheme_is_found_marks_and_finds(install) -> None:
    install("marks-plain-a", "lowest", GOOD)
    assert [str(offered) for offered in schemes()] == ["watermark 'lowest' of marks-plain-a 1.2"]
    scheme = find_scheme("lowest").make()
    picture = np.zeros((4, 4, 3), np.uint8)
    assert scheme.find([picture]) is None
    finding = scheme.find([scheme.mark(picture, 7)])
    assert finding is not None
    assert finding.identifier == 7


def test_nothing_is_imported_before_it_is_asked_for(install) -> None:
    install("marks-plain-b", "first", "raise SystemError('imported')\nLowestBit = 0")
    install("marks-plain-c", "second", GOOD)
    assert [offered.name for offered in schemes()] == ["first", "second"]
    assert find_scheme("second").make().algorithm == "org.example.lowest"


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("import", "import nowhere_to_be_found", "cannot be loaded .ModuleNotFoundError: No module named"),
        ("fails", "def make():\n    raise OSError('two\\nlines')", "cannot be made .OSError: two lines."),
        ("other", "def make():\n    return 3", "makes no watermark, algorithm, mark, find missing"),
    ],
)
def test_a_broken_package_is_one_clear_line_that_names_it(
    kind: str, code: str, message: str, install
) -> None:
    install(f"marks-broken-{kind}", "broken", code)
    with pytest.raises(
        ModelError, match=rf"watermark 'broken' of marks-broken-{kind} 1\.2: {message}"
    ) as caught:
        find_scheme("broken").make()
    assert "\n" not in str(caught.value)


def test_two_packages_of_one_name_are_refused(install) -> None:
    install("marks-twice-a", "twice", GOOD)
    install("marks-twice-b", "twice", GOOD)
    with pytest.raises(ModelError, match=r"marks-twice-a 1\.2 and marks-twice-b 1\.2: remove all but one"):
        find_scheme("twice")


def test_an_unknown_name_suggests_a_near_one(install) -> None:
    install("marks-plain-d", "trustmark", GOOD)
    with pytest.raises(UsageError, match="did you mean trustmark"):
        find_scheme("trust-mark")
