"""Whatever a command makes is marked, signed and logged; and what may not be made is not made."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from omote.cli.main import app
from omote.errors import InputError, NoFaceError, RefusedError
from omote.pipelines import SwapSettings, swap_file
from omote.pipelines.provenance import mark_identifier
from omote.trust.audit import AuditLog
from omote.trust.audit_verify import entries, verify_log
from omote.trust.home import trust_folder
from omote.trust.safety import Look, Rule
from omote.trust.verify import verify_file
from omote.trust.watermark import SMALLEST
from tests.conftest import Command, snapshot

QUICK = ("--preset", "ultrafast", "--detector-size", "192", "--end", "0.4", "--swapper", "mesh")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))
    return trust_folder()


@pytest.fixture
def room(tmp_path: Path, source: Path, target: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    for name, path in (("source.jpg", source), ("target.jpg", target), ("film.mp4", film)):
        (folder / name).write_bytes(path.read_bytes())
    monkeypatch.chdir(folder)
    return folder


BATCH = """
[settings]
preset = "ultrafast"
end = 0.4
[[job]]
source = "source.jpg"
target = ["film.mp4", "target.jpg"]
output = "made/{name}"
"""

MAKING: dict[str, list[tuple[str, ...]]] = {
    "swap": [
        ("swap", "source.jpg", "target.jpg", "-o", "made/out.jpg"),
        ("swap", "source.jpg", "target.jpg", "-o", "made/out.png"),
        ("swap", "source.jpg", "target.jpg", "-o", "made/out.webp"),
        ("swap", "source.jpg", "target.jpg", "-o", "made/out.tiff"),
        ("swap", "source.jpg", "film.mp4", "-o", "made/out.mp4", *QUICK),
        ("swap", "source.jpg", "film.mp4", "-o", "made/out.mov", *QUICK),
        ("swap", "source.jpg", "film.mp4", "-o", "made/out.mkv", *QUICK),
        ("swap", "source.jpg", "film.mp4", "-o", "made/cut.mp4", *QUICK, "--segment", "0.1"),
        ("swap", "source.jpg", "film.mp4", "-o", "made/out.gif", *QUICK[2:]),
        ("swap", "source.jpg", "film.mp4", "-o", "made/look.mp4", *QUICK[:4], "--preview", "0.3"),
    ],
    "batch": [("batch", "jobs.toml")],
    "demo": [("demo", "-o", "made", "--seconds", "0.4")],
    "faces": [("faces", "target.jpg", "--draw", "made/faces.png")],
    "live": [
        ("live", "source.jpg", "--camera", "film.mp4", "-o", "made/live.mp4", "--max-latency", "5000"),
        ("live", "source.jpg", "--camera", "film.mp4", "-o", "made/live.mkv", "--max-latency", "5000"),
    ],
    "people": [("people", "film.mp4", "-o", "made/people.png")],
}
"""Commands that make pictures, each with some of its ways."""

OTHERS = "audit config consent dataset doctor evaluate export jobs keys models train verify"
"""The others. `evaluate` and `train` draw sheets for those who develop engines."""


def test_every_command_is_spoken_of():
    commands = set(get_command(app).commands)
    assert commands - set(MAKING) <= set(OTHERS.split())


@pytest.mark.parametrize("line", [line for lines in MAKING.values() for line in lines], ids=" ".join)
def test_what_is_made_is_signed_marked_and_logged(omote: Command, room: Path, line: tuple[str, ...]):
    (room / "made").mkdir()
    (room / "jobs.toml").write_text(BATCH)
    done = omote(*line)
    assert (done.code, done.err) == (0, "")
    made = [path for path in (room / "made").iterdir() if path.suffix != ".c2pa"]
    assert made
    log = list(entries(AuditLog(trust_folder())))
    assert verify_log(AuditLog(trust_folder())).fault is None
    for path in made:
        found = verify_file(path)
        assert (found.verdict.exit_code, found.own, found.marks_agree) == (0, True, True), found.reasons
        assert found.logged is not None
        assert found.logged["watermark"] == found.mark.value
    assert len(log) == len(made)


def test_a_picture_too_small_for_a_mark_is_signed_and_says_so(omote: Command, room: Path):
    Image.open("target.jpg").resize((SMALLEST - 1, 200)).save("small.png")
    done = omote("swap", "source.jpg", "small.png", "-o", "out.png")
    assert done.code == 0
    assert "too small for a watermark" in done.out + done.err
    found = verify_file(room / "out.png")
    assert (found.verdict.exit_code, found.mark, found.logged) == (0, None, None)


# ---------------------------------------------------------------- what may not be made


def refused(omote: Command, room: Path, *options: str, words: str, code: int = 5) -> None:
    before = snapshot(room)
    done = omote("swap", "source.jpg", "target.jpg", "-o", "out.png", *options)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert done.err.count("\n") == 1
    assert snapshot(room) == before


def test_without_a_right_nothing_is_made(omote: Command, room: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMOTE_RIGHTS")
    refused(omote, room, words="--rights own, consent")
    refused(omote, room, "--rights", "because", words="--rights", code=2)
    with pytest.raises(RefusedError):
        swap_file([room / "source.jpg"], room / "target.jpg", room / "out.png", SwapSettings())


def test_a_face_that_is_not_to_be_swapped_is_not(omote: Command, room: Path):
    assert omote("consent", "block", "source.jpg", "--name", "Grace").code == 0
    refused(omote, room, words="do-not-swap")
    (line,) = entries(AuditLog(trust_folder()))
    assert (line["operation"], line["output"]) == ("refused", None)
    assert {role for role, _ in line["inputs"]} == {"source", "target"}


def test_a_consent_is_for_one_face(omote: Command, room: Path):
    assert (
        omote("consent", "new", "target.jpg", "--subject", "E", "--until", "2999-01-01", "-o", "e.json").code
        == 0
    )
    assert omote("consent", "sign", "e.json").code == 0
    refused(omote, room, "--rights", "consent:e.json", words="another face")


class Watchful:
    """A classifier to which every picture is too much."""

    name, sha256, rule = "watchful", "0" * 64, Rule()

    def look(self, pixels: np.ndarray) -> Look:
        return Look(0.9)


@pytest.mark.parametrize("given", ["target.jpg", "film.mp4"])
def test_the_safety_gate_stops_photos_and_films(
    omote: Command, room: Path, monkeypatch: pytest.MonkeyPatch, given: str
):
    from omote.trust.safety import Gate

    monkeypatch.setattr("omote.pipelines.examination.open_gate", lambda runtime: Gate([Watchful()]))
    before = snapshot(room)
    done = omote("swap", "source.jpg", given, "-o", f"out{Path(given).suffix}")
    assert (done.code, done.out) == (5, "")
    assert "sexual content" in done.err
    assert snapshot(room) == before
    (line,) = entries(AuditLog(trust_folder()))
    assert line["gate"]["state"] == "refused"


def test_a_log_that_was_changed_stops_everything_before_it_begins(omote: Command, room: Path):
    assert omote("faces", "target.jpg", "--draw", "a.png").code == 0
    log = trust_folder() / "audit.jsonl"
    log.write_bytes(log.read_bytes()[:-9] + b"x" * 8 + b"\n")
    refused(omote, room, words="was changed")


def test_nothing_takes_its_name_unsigned(room: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*args: object, **options: object) -> None:
        raise InputError("no ink")

    monkeypatch.setattr("omote.pipelines.provenance.publish", broken)
    before = snapshot(room)
    for target, out in (("target.jpg", "out.png"), ("film.mp4", "out.mp4")):
        settings = SwapSettings(rights="own", preset="ultrafast", end=0.2)
        with pytest.raises(InputError, match="no ink"):
            swap_file([room / "source.jpg"], room / target, room / out, settings)
    assert snapshot(room) == before


# ---------------------------------------------------------------- the mark's identifier


@pytest.fixture
def identifier(room: Path) -> Callable[..., int]:
    def make(**settings: object) -> int:
        out = room / "out.png"
        swap_file([room / "source.jpg"], room / "target.jpg", out, SwapSettings(rights="own", **settings))
        return int(verify_file(out).mark.value, 16)

    return make


def test_the_same_job_has_the_same_mark_and_another_job_another(
    identifier: Callable[..., int], room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = identifier()
    assert first >> 40 == 1
    assert identifier() == first
    assert identifier(opacity=0.9) != first
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "other"))
    assert identifier() != first


def test_small_pictures_have_no_identifier():
    assert mark_identifier(SMALLEST - 1, 4000, "x") is None
    assert mark_identifier(SMALLEST, SMALLEST, "x") is not None


def test_a_target_without_a_face_leaves_no_line(omote: Command, room: Path):
    Image.new("RGB", (400, 400)).save("empty.png")
    with pytest.raises(NoFaceError):
        swap_file([room / "source.jpg"], room / "empty.png", room / "out.png", SwapSettings(rights="own"))
    assert not list(entries(AuditLog(trust_folder())))


@pytest.mark.usefixtures("unmarked")
def test_a_visible_label_is_on_every_picture_where_it_is_asked_for(omote: Command, room: Path):
    plain, labelled = room / "plain.png", room / "labelled.png"
    for out, options in ((plain, ()), (labelled, ("--visible-label",))):
        assert omote("swap", "source.jpg", "target.jpg", "-o", out, *options).code == 0
    before, after = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (plain, labelled))
    rows, columns = np.nonzero((before != after).any(2))
    height, width = before.shape[:2]
    assert rows.min() > 0.9 * height
    assert columns.min() > 0.7 * width
    assert (after[rows, columns].max(), after[rows, columns].min()) == (255, 0)
    done = omote("swap", "source.jpg", "film.mp4", "-o", "out.mp4", *QUICK, "--visible-label", "--face", "7")
    assert done.code == 4  # a label makes no face
