"""Engines of other packages: real distributions on the path, good and broken ones."""

from pathlib import Path

import pytest

from omote.engines.plugins import engines, find_engine
from omote.errors import ModelError, UsageError
from omote.zoo import Runtime

GOOD = """
class Nothing:
    template = "arcface_128"
    colour = "none"
    def __init__(self, runtime): self.runtime = runtime
    def crop_size(self, face): return 128
    def identity(self, sources): return None
    def swap(self, crops, identity): return []
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package with entry points on the path, as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package: str, points: str, code: str = "", version: str = "1.2") -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[omote.engines]\n{points}\n")
        (info / "RECORD").write_text(f"{module}.py,,\n")

    return put


def test_an_engine_is_found_and_made_with_the_runtime(install) -> None:
    install("omote-plain-a", "plain-a = omote_plain_a:Nothing", GOOD)
    assert [str(engine) for engine in engines()] == ["engine 'plain-a' of omote-plain-a 1.2"]
    runtime = Runtime(threads=2)
    swapper = find_engine("plain-a").make(runtime)
    assert swapper.template == "arcface_128"
    assert swapper.runtime is runtime  # type: ignore[attr-defined]


def test_nothing_is_imported_before_it_is_asked_for(install) -> None:
    install("omote-plain-b", "plain-b = omote_plain_b:Nothing", "raise SystemError('imported')")
    install("omote-plain-c", "plain-c = omote_plain_c:Nothing", GOOD)
    assert [engine.name for engine in engines()] == ["plain-b", "plain-c"]
    assert find_engine("plain-c").make(Runtime()) is not None


BROKEN = {
    "import": ("import nowhere_to_be_found", "cannot be loaded .ModuleNotFoundError: No module named"),
    "syntax": ("def (:", "cannot be loaded .SyntaxError"),
    "absent": ("", "cannot be loaded .AttributeError"),
    "fails": ("def make(runtime):\n    raise OSError('two\\nlines')", "cannot be made .OSError: two lines."),
    "other": (
        "def make(runtime):\n    return 3",
        "makes no swapper, template, colour, crop_size, identity, swap missing",
    ),
    "calls": ("def make():\n    pass", "cannot be made .TypeError"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package_is_one_clear_line_that_names_it(kind: str, install) -> None:
    code, message = BROKEN[kind]
    install(f"omote-broken-{kind}", f"broken = omote_broken_{kind}:make", code)
    with pytest.raises(
        ModelError, match=rf"engine 'broken' of omote-broken-{kind} 1\.2: {message}"
    ) as caught:
        find_engine("broken").make(Runtime())
    assert "\n" not in str(caught.value)


def test_what_an_engine_says_itself_is_kept(install) -> None:
    code = "from omote.errors import UsageError\ndef make(runtime):\n    raise UsageError('give me a file')"
    install("omote-says", "says = omote_says:make", code)
    with pytest.raises(UsageError, match=r"^give me a file$"):
        find_engine("says").make(Runtime())


def test_an_unknown_name_is_told_with_near_ones(install) -> None:
    with pytest.raises(UsageError, match="no engine is called 'plainer': packages offer them"):
        find_engine("plainer")
    install("omote-plain-d", "plain = omote_plain_d:Nothing", GOOD)
    with pytest.raises(UsageError, match=r"no engine is called 'plainer': did you mean plain\?"):
        find_engine("plainer")


def test_one_name_from_two_packages_is_refused(install) -> None:
    install("omote-one", "same = omote_one:make")
    install("omote-two", "same = omote_two:make", version="3")
    with pytest.raises(
        ModelError, match=r"engine 'same' is offered by omote-one 1\.2 and omote-two 3: remove"
    ):
        find_engine("same")
