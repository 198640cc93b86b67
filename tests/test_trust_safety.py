"""The safety gate: its rule, its sampling, its classifiers, and what happens where they fail."""

import hashlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

from omote.errors import ModelError, RefusedError
from omote.media import VideoReader
from omote.trust import nudenet
from omote.trust.classifiers import open_gate
from omote.trust.nudenet import NudeNet
from omote.trust.safety import Classifier, Gate, Look, Rule, SafetyRefusedError
from omote.trust.sampling import Sampler, check_film
from omote.zoo import Runtime
from tests.shared_data import SHARED, needs_shared

PICTURE = np.zeros((36, 64, 3), np.uint8)


@dataclass
class Told:
    """A classifier that says what it was told to say, picture by picture."""

    says: list[Look]
    name: str = "told"
    sha256: str = "f" * 64
    rule: Rule = field(default_factory=Rule)
    seen: list[np.ndarray] = field(default_factory=list)

    def look(self, pixels: np.ndarray) -> Look:
        self.seen.append(pixels)
        return self.says[(len(self.seen) - 1) % len(self.says)]


def told(*scores: float, youngest: float | None = None) -> Told:
    return Told([Look(score, youngest) for score in scores])


def run(*scores: float, youngest: float | None = None) -> Gate:
    """A film whose frames have these scores."""
    gate = Gate([told(*scores, youngest=youngest)])
    see = gate.sequence("film.mp4")
    for number in range(len(scores)):
        see(PICTURE, f" at {number} s")
    return gate


def check_type(classifier: Told) -> Classifier:
    return classifier


@pytest.mark.parametrize(
    "scores", [(0.0,), (0.59,), (0.59, 0.34, 0.59, 0.34), (0.34,) * 10, (0.2, 0.3, 0.35, 0.3)]
)
def test_what_stays_below_the_rule_passes(scores: tuple[float, ...]):
    verdict = run(*scores).verdict
    assert verdict.state == "passed"
    assert verdict.pictures == len(scores)
    assert verdict.highest == round(100 * max(scores))
    assert verdict.as_dict()["classifiers"] == [["told", "f" * 64]]


@pytest.mark.parametrize(
    ("scores", "where"),
    [((0.6,), 0), ((0.0, 0.0, 0.9, 0.0), 2), ((0.35, 0.35), 1), ((0.1, 0.4, 0.59, 0.1), 2)],
)
def test_what_reaches_it_is_refused_at_once(scores: tuple[float, ...], where: int):
    with pytest.raises(
        SafetyRefusedError, match=rf"film.mp4: refused at {where} s: sexual content"
    ) as refusal:
        run(*scores)
    verdict = refusal.value.verdict
    assert (verdict.state, verdict.young, verdict.pictures) == ("refused", False, where + 1)
    assert refusal.value.exit_code == 5


def test_a_hint_is_enough_where_somebody_looks_young():
    assert run(0.2, youngest=30.0).verdict.state == "passed"
    assert run(0.19, youngest=9.0).verdict.state == "passed"
    with pytest.raises(SafetyRefusedError, match="apparent minor") as refusal:
        run(0.2, youngest=24.0)
    assert refusal.value.verdict.young


def test_a_photo_is_looked_at_twice_once_mirrored():
    classifier = told(0.0)
    picture = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    Gate([check_type(classifier)]).photo(picture, "photo.jpg")
    assert [seen.tolist() for seen in classifier.seen] == [picture.tolist(), picture[:, ::-1].tolist()]
    Gate([told(0.5, 0.3)]).photo(PICTURE, "photo.jpg")
    with pytest.raises(SafetyRefusedError, match=r"photo.jpg: refused: sexual"):
        Gate([told(0.4)]).photo(PICTURE, "photo.jpg")


def test_series_do_not_add_up_across_files():
    gate = Gate([told(0.4)])
    gate.sequence("a")(PICTURE, "")
    gate.sequence("b")(PICTURE, "")
    assert gate.verdict.state == "passed"


def test_every_classifier_must_let_it_pass():
    with pytest.raises(SafetyRefusedError):
        Gate([told(0.0), told(0.7)]).photo(PICTURE, "a")


@pytest.mark.parametrize("score", [math.nan, -1.0])
def test_a_classifier_without_an_answer_lets_nothing_pass(score: float):
    with pytest.raises(ModelError, match="expected 0 to 1"):
        run(score)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No nudenet, even if it is installed."""
    monkeypatch.setattr(NudeNet, "installed", lambda runtime: None)


@pytest.mark.usefixtures("bare")
def test_without_a_classifier_the_state_says_so_and_films_are_not_read(tmp_path: Path):
    gate = open_gate(Runtime())
    assert gate.verdict.as_dict() == {"state": "unavailable", "reason": "no classifier is installed"}
    check_film(gate, tmp_path / "none.mp4")
    off = open_gate(Runtime(), off=True)
    assert (off.verdict.state, off.looks) == ("off", False)


def times(film: Path, sampler: Sampler) -> list[float]:
    with VideoReader(film) as reader:
        return [frame.time for frame in reader if sampler.wants(frame.pixels, frame.time)]


def test_films_are_looked_at_twice_a_second(film: Path):
    assert times(film, Sampler()) == pytest.approx([0, 0.5, 1.0], abs=0.05)


def test_a_new_shot_is_looked_at_and_a_flicker_not_every_time():
    sampler = Sampler()
    dark, light = np.zeros((72, 128, 3), np.uint8), np.full((72, 128, 3), 200, np.uint8)
    shots = [(0.0, dark), (0.1, dark), (0.28, light), (0.32, light), (0.36, dark), (0.48, dark)]
    assert [time for time, pixels in shots if sampler.wants(pixels, time)] == [0.0, 0.28]
    flicker = Sampler()
    looked = [n for n in range(100) if flicker.wants((dark, light)[n % 2], n / 100)]
    assert len(looked) <= 11
    deep = Sampler()
    assert [deep.wants(pixels.astype(np.uint16) * 257, n) for n, pixels in enumerate((dark, light))] == [
        True
    ] * 2


def test_a_film_is_refused_where_it_is_too_much(film: Path):
    with pytest.raises(SafetyRefusedError, match=r"at 1\.0 s"):
        check_film(Gate([told(0.0, 0.4, 0.4)]), film)
    with pytest.raises(SafetyRefusedError, match=r"at 0\.5 s"):
        check_film(Gate([told(0.9)]), film, start=0.5)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a package on the path, as pip would."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def put(package: str, version: str, points: str = "", **files: bytes) -> Path:
        info = folder / f"{package}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(points)
        for name, content in files.items():
            (folder / f"{name}.py").write_bytes(content)
        return folder

    return put


def test_another_network_under_the_name_of_nudenet_is_refused(install):
    folder = install("nudenet", "3.4.2")
    with pytest.raises(RefusedError, match=r"safety gate cannot be opened: .*cannot be read"):
        open_gate(Runtime())
    (folder / "nudenet").mkdir()
    (folder / "nudenet" / "320n.onnx").write_bytes(b"something else")
    with pytest.raises(RefusedError, match=r"pip install nudenet==3\.4\.2"):
        open_gate(Runtime())


def test_a_network_that_cannot_be_loaded_is_refused(install, monkeypatch: pytest.MonkeyPatch):
    folder = install("nudenet", "3.4.2")
    (folder / "nudenet").mkdir()
    (folder / "nudenet" / "320n.onnx").write_bytes(b"damaged")
    monkeypatch.setattr(nudenet, "SHA256", hashlib.sha256(b"damaged").hexdigest())
    with pytest.raises(RefusedError, match="nudenet"):
        open_gate(Runtime())


GOOD = b"""
from omote.trust.safety import Look, Rule
class Calm:
    name, sha256, rule = "calm 1", "e" * 64, Rule()
    def __init__(self, runtime): pass
    def look(self, pixels): return Look(0.1)
"""


@pytest.mark.usefixtures("bare")
def test_classifiers_of_other_packages_are_asked(install):
    install("omote-calm", "1.0", "[omote.safety]\ncalm = omote_calm_a:Calm\n", omote_calm_a=GOOD)
    gate = open_gate(Runtime())
    gate.photo(PICTURE, "a.png")
    assert gate.verdict.classifiers == (("calm 1", "e" * 64),)
    assert (gate.verdict.state, gate.verdict.pictures, gate.verdict.highest) == ("passed", 2, 10)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (b"import nowhere_to_be_found", "ModuleNotFoundError"),
        (b"def Calm(runtime):\n    raise OSError('two\\nlines')", "OSError: two lines"),
        (b"def Calm(runtime):\n    return 7", "is no classifier, name, sha256, rule, look missing"),
    ],
)
def test_a_broken_classifier_is_a_refusal_in_one_line(install, code: bytes, told: str):
    name = f"omote_calm_{hashlib.sha256(code).hexdigest()[:8]}"
    install("omote-calm", "1.0", f"[omote.safety]\ncalm = {name}:Calm\n", **{name: code})
    with pytest.raises(RefusedError, match=r"'calm' of omote-calm 1\.0") as refusal:
        open_gate(Runtime())
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
    sys.modules.pop(name, None)


def has_nudenet() -> bool:
    try:
        return distribution("nudenet").version == "3.4.2"
    except PackageNotFoundError:
        return False


needs_nudenet = pytest.mark.skipif(not has_nudenet(), reason="needs the extra `safety` (nudenet 3.4.2)")


@needs_nudenet
def test_nudenet_lets_the_portraits_pass(source: Path, target: Path):
    from omote.media import open_image

    gate = open_gate(Runtime())
    for path in (source, target):
        gate.photo(open_image(path).pixels, path.name)
    assert gate.verdict.state == "passed"
    assert gate.verdict.highest < 20


@needs_nudenet
@needs_shared
def test_nudenet_sees_the_same_in_16_bits_and_in_any_shape():
    from omote.media import open_image

    network = NudeNet.installed(Runtime())
    assert network is not None
    pixels = open_image(next((SHARED / "media" / "eval" / "groups").glob("*.jpg"))).pixels
    score = network.look(pixels).exposed
    assert network.look(pixels.astype(np.uint16) * 257).exposed == pytest.approx(score, abs=0.02)
    for height, width in ((1, 1), (1, 4000), (4000, 1)):
        assert 0 <= network.look(np.zeros((height, width, 3), np.uint8)).exposed < 0.2
