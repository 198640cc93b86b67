"""What several test modules share: the portraits, a film with sound, and the command line."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from benchmarks.films import loop_film
from numpy.typing import NDArray

from omote.cli.main import run
from omote.demo import make_film, portraits
from omote.media.encoders import ENCODERS, after_opening
from omote.trust.watermark import Watermark

FILM_SECONDS = 1.2


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def trust_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of keys and the log of all tests, and of fixtures that outlive a test."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMOTE_HOME", str(home))
        yield home


@pytest.fixture(autouse=True)
def _usual_priority() -> Iterator[None]:
    """SVT-AV1 in a film of a test's own makes its process real-time for ever, and the others starve."""
    yield
    after_opening(ENCODERS["av1"])


@pytest.fixture(autouse=True)
def _private_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust_home: Path) -> None:
    """No settings from outside but a right to every face; temporary files are the test's own."""
    for name in os.environ:
        if name.startswith("OMOTE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OMOTE_HOME", str(trust_home))
    monkeypatch.setenv("OMOTE_RIGHTS", "own")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No watermark, for tests of what else changes in pixels; processes of their own still put it in."""
    monkeypatch.setattr(Watermark, "mark", lambda self, pixels: pixels)
    monkeypatch.setattr(Watermark, "mark_luma", lambda self, plane, peak, *, full_range: plane)


@pytest.fixture
def omote(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process; captures what libraries print past Python, too."""

    def call(*arguments: Any) -> Outcome:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


def start(*arguments: Any, **options: Any) -> "subprocess.Popen[str]":
    """Start `omote` as a process of its own."""
    command = [sys.executable, "-m", "omote", *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finish(process: "subprocess.Popen[str]", seconds: float = 60) -> Outcome:
    """Wait for a process; it is killed when that takes too long."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Outcome(process.returncode, out, err)


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, with a digest of its content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path.relative_to(folder))] = content
    return found


def pictures(path: Path, *numbers: int) -> list[NDArray[np.uint8]]:
    """Some pictures of a film as RGB, by their number, as they lie in the file; read with PyAV alone."""
    found = {}
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                found[number] = frame.to_ndarray(format="rgb24")
    return [found[number] for number in numbers]


@pytest.fixture(scope="session")
def source() -> Path:
    """The portrait whose face is taken."""
    return portraits()[0]


@pytest.fixture(scope="session")
def target() -> Path:
    """The portrait whose face is replaced."""
    return portraits()[1]


@pytest.fixture(scope="session")
def film(target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A silent film of one talking head, 30 frames of 480 x 270."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    make_film(target, path, FILM_SECONDS, (480, 270))
    return path


@pytest.fixture(scope="session")
def long_film(film: Path) -> Path:
    """The film ten times in a row, for what happens in the middle of a film."""
    path = film.with_name("long.mp4")
    loop_film(film, path, 10)
    return path


@pytest.fixture(scope="session")
def rich_film(film: Path) -> Path:
    """The film in Matroska with two sound tracks, subtitles, two chapters, a title and a colour space."""
    words = film.with_name("words.srt")
    words.write_text("1\n00:00:00,200 --> 00:00:00,600\nhello\n\n2\n00:00:00,700 --> 00:00:01,100\nworld\n")
    path = film.with_name("rich.mkv")
    with av.open(str(film)) as given, av.open(str(words)) as text, av.open(str(path), "w") as made:
        pictures = made.add_stream_from_template(given.streams.video[0])
        sounds = [made.add_stream("aac", rate=48_000), made.add_stream("flac", rate=44_100)]
        for sound, language in zip(sounds, ("eng", "jpn"), strict=True):
            sound.metadata["language"] = language
        subtitles = made.add_stream_from_template(text.streams[0])
        subtitles.metadata["language"] = "eng"
        made.metadata["title"] = "A short film"
        made.set_chapters(
            [
                {"id": n, "start": 600 * n, "end": 600 * (n + 1), "time_base": Fraction(1, 1000),
                 "metadata": {"title": name}}
                for n, name in enumerate(("one", "two"))
            ]
        )  # fmt: skip
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = pictures
                made.mux(packet)
        for sound in sounds:
            for frame in _tone(sound.rate, FILM_SECONDS, sound.frame_size or 1024, sound.format.name):
                made.mux(sound.encode(frame))
            made.mux(sound.encode(None))
        for packet in text.demux():
            if packet.size:
                packet.stream = subtitles
                made.mux(packet)
    return path


def _tone(rate: int, seconds: float, chunk: int, sample_format: str) -> Iterator[av.AudioFrame]:
    """A rising tone, so that no two sound packets are alike."""
    for first in range(0, round(rate * seconds), chunk):
        time = np.arange(first, first + chunk) / rate
        wave = 0.4 * np.sin(2 * np.pi * (300 + 200 * time) * time)
        planar = sample_format.endswith("p")
        samples = np.stack([wave, wave]) if planar else np.stack([wave, wave], 1).reshape(1, -1)
        if sample_format.startswith("flt"):
            values = samples.astype(np.float32)
        else:
            values = (samples * 30_000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(values), format=sample_format, layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        yield frame
