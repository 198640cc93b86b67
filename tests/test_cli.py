"""The command line: help, versions, faces, settings from files and the environment, and the demo."""

import json
import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import omote as api
from omote import __version__
from omote.cli.main import run
from omote.errors import UsageError
from tests.conftest import Command, finish, snapshot, start
from tests.media_files import look, psnr

COMMANDS = ["swap", "faces", "demo", "doctor"]


@pytest.fixture
def room(tmp_path: Path, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with both portraits."""
    folder = tmp_path / "room"
    folder.mkdir()
    shutil.copy(source, folder / "source.jpg")
    shutil.copy(target, folder / "target.jpg")
    monkeypatch.chdir(folder)
    return folder


def read(path: Path | str) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_version(omote: Command):
    assert omote("--version").out == f"omote {__version__}\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands(omote: Command, flag: str):
    done = omote(flag)
    assert (done.code, done.err) == (0, "")
    assert all(re.search(rf"^ +{command} +\w", done.out, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(omote: Command, command: str):
    done = omote(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.lstrip().startswith(f"Usage: omote {command} [OPTIONS]")


def test_every_option_says_what_it_does(omote: Command):
    for command in COMMANDS:
        described = re.findall(
            r"^  (?:-\w, )?(--[\w-]+)(.*(?:\n {10,}.*)*)", omote(command, "--help").out, re.MULTILINE
        )
        assert described
        for option, words in described:
            assert re.search(r"[a-z]{4}", words), f"{command} {option}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell: str):
    done = finish(start("--show-completion", shell))
    assert (done.code, done.err) == (0, "")
    assert "_OMOTE_COMPLETE" in done.out


def test_completion_knows_the_commands():
    environment = os.environ | {
        "_OMOTE_COMPLETE": "complete_bash",
        "COMP_WORDS": "omote s",
        "COMP_CWORD": "1",
    }
    assert finish(start(env=environment)).out.split() == ["swap"]


@pytest.mark.parametrize(
    "arguments",
    [["smile"], ["--no-such"], ["faces"], ["faces", "a.jpg", "--at", "noon"], ["doctor", "extra"]],
)
def test_misspelt_commands_are_refused_in_one_line(omote: Command, arguments: list[str]):
    done = omote(*arguments)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"omote: [^\n]+\n", done.err)


def test_debug_shows_where_an_error_comes_from(omote: Command):
    assert omote("faces", "nowhere.jpg").code == 3
    for arguments in (["--debug", "faces", "nowhere.jpg"], ["faces", "nowhere.jpg", "--debug"]):
        with pytest.raises(Exception, match=r"nowhere\.jpg"):
            run(arguments)


def test_even_a_defect_of_omote_gives_one_line(omote: Command, room: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect\nof two lines")

    monkeypatch.setattr("omote.pipelines.swap_file", broken)
    done = omote("swap", "source.jpg", "target.jpg", "-o", "out.png")
    assert (done.code, done.out) == (1, "")
    assert done.err == "omote: unexpected ZeroDivisionError: a defect of two lines (--debug shows where)\n"
    monkeypatch.setenv("OMOTE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["swap", "source.jpg", "target.jpg", "-o", "out.png"])


def test_doctor(omote: Command):
    done = omote("doctor")
    assert (done.code, done.err) == (0, "")
    assert re.search(rf"omote +{re.escape(__version__)}\n", done.out)
    report = json.loads(omote("doctor", "--json").out)
    assert set(report) == {"versions", "networks", "accelerators", "encoders"}
    assert all(report["networks"][name].startswith("ready") for name in ("omote-detect", "omote-mesh"))
    assert "missing" not in json.dumps(report["versions"])
    assert report["accelerators"]["CPU"] == "present"
    assert report["encoders"]["x264"] == "works: H.264"


def test_doctor_tells_the_cure(omote: Command, monkeypatch: pytest.MonkeyPatch):
    from importlib import metadata

    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert "missing: pip install numpy" in omote("doctor").out


def test_faces_prints_a_table(omote: Command, room: Path):
    done = omote("faces", "source.jpg")
    assert (done.code, done.err) == (0, "")
    head, *rows = (line.split() for line in done.out.splitlines())
    assert head == ["face", "x0", "y0", "x1", "y1", "score", "yaw", "pitch", "roll"]
    (row,) = rows
    number, x0, y0, x1, y1, score, yaw, pitch, roll = (float(word) for word in row)
    assert number == 0
    assert 150 < x0 < 200 < 340 < x1 < 380
    assert 90 < y0 < 150 < 320 < y1 < 390
    assert 0.5 < score <= 1
    assert max(abs(yaw), abs(pitch), abs(roll)) < 20


def test_faces_numbers_from_left_to_right(omote: Command, room: Path):
    pair = np.hstack([cv2.resize(read(name), (400, 400)) for name in ("source.jpg", "target.jpg")])
    Image.fromarray(pair).save("pair.png")
    rows = omote("faces", "pair.png").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["0", "1"]
    assert float(rows[0].split()[1]) < 400 < float(rows[1].split()[1])


def test_faces_without_a_face(omote: Command, room: Path):
    Image.new("RGB", (200, 200), (90, 120, 160)).save("blank.png")
    assert omote("faces", "blank.png").out == "no face found\n"
    assert json.loads(omote("faces", "blank.png", "--json").out) == []


def test_faces_as_json(omote: Command, room: Path):
    (face,) = json.loads(omote("faces", "source.jpg", "--json").out)
    assert set(face) == {"box", "score", "points", "presence", "pose"}
    assert np.shape(face["box"]) == (4,)
    assert np.shape(face["points"]) == (5, 2)
    assert set(face["pose"]) == {"yaw", "pitch", "roll"}
    assert face["presence"] > 0.5
    x0, y0, x1, y1 = face["box"]
    assert all(x0 < x < x1 and y0 < y < y1 for x, y in face["points"])
    (face,) = json.loads(omote("faces", "source.jpg", "--json", "--mesh").out)
    assert np.shape(face["mesh"]) == (478, 3)


@pytest.mark.usefixtures("unmarked")
def test_faces_draws_what_it_found(omote: Command, room: Path):
    assert omote("faces", "source.jpg", "--draw", "drawn.png").code == 0
    (face,) = json.loads(omote("faces", "source.jpg", "--json").out)
    before, after = read("source.jpg"), read("drawn.png")
    changed = (before != after).any(axis=2)
    x0, y0, x1, y1 = (round(value) for value in face["box"])
    assert changed[y0 : y1 + 1, x0].all()
    assert changed[y0, x0 : x1 + 1].all()
    for x, y in face["points"]:
        assert changed[round(y), round(x)]
    assert changed[y0:y1, x0:x1].mean() > 0.02
    changed[y0 - 60 : y1 + 60, x0 - 60 : x1 + 60] = False
    assert not changed.any()


def test_faces_looks_into_a_film(omote: Command, room: Path, film: Path):
    early, late = (json.loads(omote("faces", film, "--json", "--at", at).out) for at in ("0", "1.0"))
    assert len(early) == len(late) == 1
    assert early[0]["points"] != late[0]["points"]
    assert omote("faces", film, "--at", "0.5", "--draw", "frame.png").code == 0
    assert read("frame.png").shape == (270, 480, 3)
    beyond = omote("faces", film, "--at", "99")
    assert beyond.code == 2
    assert "film.mp4" in beyond.err


def swapped(omote: Command, *options: str) -> np.ndarray:
    done = omote("swap", "source.jpg", "target.jpg", "-o", "out.png", *options)
    assert (done.code, done.err) == (0, ""), done.err
    return read("out.png")


@pytest.mark.usefixtures("unmarked")
def test_settings_come_from_the_file_the_environment_and_the_line(
    omote: Command, room: Path, monkeypatch: pytest.MonkeyPatch
):
    plain, full = read("target.jpg"), swapped(omote, "--swapper", "mesh")
    none = swapped(omote, "--swapper", "mesh", "--colour", "none")
    (room / "omote.toml").write_text('[swap]\nswapper = "mesh"\ncolour = "none"\nallow-no-face = true\n')
    assert np.array_equal(swapped(omote), none)
    # The environment counts more than the file, the command line more than both.
    monkeypatch.setenv("OMOTE_SWAP_COLOUR", "light")
    assert np.array_equal(swapped(omote), full)
    monkeypatch.setenv("OMOTE_SWAP_OPACITY", "0")
    assert np.array_equal(swapped(omote), plain)
    assert np.array_equal(swapped(omote, "--opacity", "1", "--colour", "none"), none)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[swap]\ncolor = "none"\n', "color"),
        ("[swop]\nopacity = 1\n", "swop"),
        ("opacity = 1\n", "opacity"),
        ("[swap\n", "TOML"),
        ('[swap]\nopacity = "much"\n', "--opacity"),
        ("[swap]\nopacity = 7\n", "opacity"),
        ('[swap]\ncolour = "pink"\n', "pink"),
    ],
)
def test_a_wrong_omote_toml_is_refused(omote: Command, room: Path, text: str, words: str):
    (room / "omote.toml").write_text(text)
    before = snapshot(room)
    done = omote("swap", "source.jpg", "target.jpg", "-o", "out.png")
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"omote: [^\n]+\n", done.err)
    assert words in done.err
    assert snapshot(room) == before


def test_options_may_be_written_as_on_the_command_line(
    omote: Command, room: Path, monkeypatch: pytest.MonkeyPatch
):
    (room / "omote.toml").write_text('[swap]\nexcept = ["7"]\n')
    refused = omote("swap", "target.jpg", "-o", "out.png")
    assert "has no option" not in refused.err
    (room / "omote.toml").write_text("")
    assert refused.err == omote("swap", "target.jpg", "-o", "out.png", "--except", "7").err != ""
    monkeypatch.setenv("OMOTE_SWAP_EXCLUDE", "7")
    assert refused.err == omote("swap", "target.jpg", "-o", "out.png").err


@pytest.mark.parametrize(
    ("name", "value"), [("COLOR", "none"), ("COLOUR", "pink"), ("WORKERS", "many"), ("RIGHTS", "own")]
)
def test_a_wrong_environment_is_refused(
    omote: Command, room: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(f"OMOTE_SWAP_{name}", value)
    done = omote("swap", "source.jpg", "target.jpg", "-o", "out.png")
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"omote: [^\n]+\n", done.err)
    assert value in done.err or name.lower() in done.err.lower()
    assert not (room / "out.png").exists()


def test_other_commands_have_settings_too(omote: Command, room: Path):
    (room / "omote.toml").write_text("[faces]\njson = true\n")
    assert len(json.loads(omote("faces", "source.jpg").out)) == 1


def test_the_demo_swaps_a_photo_and_a_film(omote: Command, room: Path):
    done = omote("demo", "--output", "deep/demo", "--seconds", "0.6")
    assert (done.code, done.err) == (0, "")
    photo, film = done.out.splitlines()
    assert re.match(r"1 face swapped, .*photo\.jpg$", photo)
    assert re.match(r"15 faces swapped in 15 frames, .*film\.mp4$", film)
    made = {path.name for path in (room / "deep" / "demo").iterdir()}
    assert made == {"photo.jpg", "film-before.mp4", "film.mp4"}
    before, after = look(room / "deep/demo/film-before.mp4"), look(room / "deep/demo/film.mp4")
    assert before.size == after.size == (1280, 720)
    assert before.times == after.times
    (face,) = api.find_faces("target.jpg")
    x0, y0, x1, y1 = face.box.round().astype(int)
    assert psnr(read("target.jpg")[y0:y1, x0:x1], read("deep/demo/photo.jpg")[y0:y1, x0:x1]) < 28


def test_the_demo_needs_a_folder_it_can_make(omote: Command, room: Path):
    done = omote("demo", "--output", "source.jpg/demo")
    assert done.code == 3
    assert "source.jpg/demo" in done.err


def test_settings_are_checked_in_python_too():
    from omote.pipelines import SwapSettings

    with pytest.raises(UsageError, match="opacity"):
        SwapSettings(opacity=1.5)
