"""Many swaps from one file: patterns, failures in between, the summary, and what is refused at once."""

import shutil
from pathlib import Path

import pytest

from omote.errors import InputError, UsageError
from omote.pipelines import read_batch
from tests.conftest import Command
from tests.media_files import look


@pytest.fixture
def room(tmp_path: Path, source: Path, target: Path, film: Path) -> Path:
    """Two photos and a film in a folder, sources beside it."""
    for name, given in (
        ("me/a.jpg", source),
        ("me/b.jpg", target),
        ("in/one.jpg", target),
        ("in/two.jpg", source),
        ("in/film.mp4", film),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(given, tmp_path / name)
    return tmp_path


def write(room: Path, text: str) -> Path:
    path = room / "jobs.toml"
    path.write_text(text)
    return path


ALL = """
[settings]
preset = "ultrafast"
detector-size = 320
[[job]]
source = "me/a.jpg"
target = ["in/*.jpg", "in/film.mp4"]
output = "out/{number}-{stem}-{folder}{suffix}"
end = 0.1
[[job]]
source = ["me/*.jpg"]
target = "in/one.jpg"
output = "both.png"
detector_size = 640
"""


def test_a_batch_is_read(room: Path):
    items = read_batch(write(room, ALL))
    assert [item.target.name for item in items] == ["one.jpg", "two.jpg", "film.mp4", "one.jpg"]
    assert [str(item.output.relative_to(room)) for item in items] == [
        "out/1-one-in.jpg",
        "out/2-two-in.jpg",
        "out/3-film-in.mp4",
        "both.png",
    ]
    assert [len(item.sources) for item in items] == [1, 1, 1, 2]
    assert [item.settings.detector_size for item in items] == [320, 320, 320, 640]
    assert [item.settings.end for item in items] == [0.1, 0.1, 0.1, None]


def test_a_batch_goes_on_after_failures(room: Path, omote: Command):
    (room / "in" / "broken.jpg").write_bytes(b"no photo")
    (room / "in" / "two.jpg").unlink()
    done = omote("batch", write(room, ALL))
    assert done.code == 3
    assert done.err.startswith("failed: broken.jpg: ")
    assert done.err.count("\n") == 1
    lines = done.out.splitlines()
    assert lines[-1] == f"3 of 4 done, 1 failed: {room / 'jobs.toml'}"
    assert len(lines) == 4
    assert len(look(room / "out" / "3-film-in.mp4").times) == 3
    made = {path.name: path.stat().st_mtime_ns for path in (room / "out").iterdir()}
    assert sorted(made) == ["2-one-in.jpg", "3-film-in.mp4"]

    shutil.copy(room / "me" / "a.jpg", room / "in" / "broken.jpg")
    done = omote("batch", room / "jobs.toml", "--resume")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == f"1 of 4 done, 3 there already, 0 failed: {room / 'jobs.toml'}"
    assert {name: (room / "out" / name).stat().st_mtime_ns for name in made} == made


def test_the_first_failure_gives_the_exit_code(room: Path, omote: Command):
    text = """
    [[job]]
    source = "me/a.jpg"
    target = "in/film.mp4"
    output = "a.mp4"
    face = "7"
    end = 0.1
    [[job]]
    source = "me/a.jpg"
    target = "in/none.mp4"
    output = "b.mp4"
    """
    done = omote("batch", write(room, text))
    assert done.code == 4
    assert [line.split(":")[1] for line in done.err.splitlines()] == [" film.mp4", " none.mp4"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[job]\n", "not valid TOML"),
        ("", r"write one \[\[job\]\]"),
        ("job = 3", r"write one \[\[job\]\]"),
        ("job = [3]", "job 1: is no table"),
        ("[jobs]\n[[job]]", r"has no table \[jobs\]"),
        ('[[job]]\nsource = "me/a.jpg"\noutput = "a.png"', "job 1: names no target"),
        ('[[job]]\nsource = "me/a.jpg"\ntarget = "in/one.jpg"', "job 1: names no output"),
        ('[[job]]\ntarget = "in/one.jpg"\noutput = "a.png"', "job 1: names no source"),
        ('[[job]]\nsource = 3\ntarget = "in/one.jpg"\noutput = "a.png"', "names of files"),
        ('[[job]]\nsource = "me/a.jpg"\ntarget = "in/one.jpg"\noutput = 3', "output is a name"),
        ('[[job]]\nsource = "me/a.jpg"\ntarget = "in/one.jpg"\noutput = "{x}"', "output is a name"),
        (
            '[[job]]\nsource = "me/a.jpg"\ntarget = "in/one.jpg"\noutput = "a.png"\ncolor = 1',
            "has no setting color",
        ),
        (
            '[[job]]\nsource = "me/a.jpg"\ntarget = "in/one.jpg"\noutput = "a.png"\nopacity = 2',
            "job 1: --opac",
        ),
        (
            '[[job]]\nsource = "me/a.jpg"\ntarget = "in/one.jpg"\noutput = "a.png"\nopacity = "2"',
            "wrong kind",
        ),
        (
            '[[job]]\nsource = "me/a.jpg"\ntarget = "in/one.jpg"\noutput = "a.png"\npreview = 3',
            "has no setting preview",
        ),
        ('[[job]]\nsource = "me/a.jpg"\ntarget = "in/*.jpg"\noutput = "a.png"', "both be written to"),
    ],
)
def test_a_wrong_batch_is_refused_before_it_begins(text: str, words: str, room: Path, omote: Command):
    path = write(room, text)
    with pytest.raises(UsageError, match=words) as caught:
        read_batch(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert omote("batch", path).code == 2


def test_settings_may_be_named_as_options_are(room: Path):
    text = '[settings]\nexcept = ["1"]\nmask-blur = 3\n'
    job = '[[job]]\nsource = "me/a.jpg"\ntarget = "in/one.jpg"\noutput = "a.png"\n'
    settings = read_batch(write(room, text + job))[0].settings
    assert (settings.exclude, settings.mask_blur) == (("1",), 3)


def test_a_pattern_without_files_is_refused(room: Path):
    with pytest.raises(InputError, match=r"job 1: nothing matches in/\*\.webm"):
        read_batch(write(room, '[[job]]\nsource = "me/a.jpg"\ntarget = "in/*.webm"\noutput = "a{stem}.webm"'))
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        read_batch(room / "none.toml")
