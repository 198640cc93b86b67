"""Live pictures as a whole, with a film or a made camera in place of a real one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from omote.errors import InputError
from omote.faces.face import Face
from omote.media import VideoReader
from omote.pipelines.choose import open_networks
from omote.pipelines.live import Live
from omote.pipelines.live_faces import Follower, Lookout
from omote.pipelines.live_people import Person, detectors
from omote.pipelines.live_quality import LADDER, Level
from omote.pipelines.live_settings import Controls, LiveSettings
from omote.pipelines.live_source import Shot
from omote.pipelines.settings import SwapSettings
from omote.trust.audit import AuditLog
from omote.trust.audit_verify import entries
from omote.trust.home import trust_folder
from omote.trust.safety import Gate, Look, Rule
from omote.trust.verify import verify_file
from omote.trust.watermark import Watermark, find_mark
from tests.conftest import Command

IDENTIFIER = 0x0123_4567_89AB
STAMP = Watermark(IDENTIFIER)


def picture(number: int) -> np.ndarray:
    """A picture with some texture, (240, 320, 3)."""
    rows, columns = np.mgrid[:240, :320]
    wave = 127 + 60 * np.sin(rows / 9 + number) + 40 * np.cos(columns / 7)
    return np.repeat(wave[..., None], 3, 2).astype(np.uint8)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class MadeCamera:
    """Gives pictures as fast as they are taken, then ends or fails."""

    width, height, rate = 320, 240, 30.0

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.stopped = False

    def shots(self) -> Iterator[Shot]:
        for number in range(self.count):
            if self.stopped:
                return
            yield Shot(picture(number), 0.0)
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        self.stopped = True


class NoFollower:
    """Follows nobody."""

    def noticed(self, faces: list[Face]) -> None: ...

    def follow(self, pixels: np.ndarray, time: float, *, look: bool = True) -> list[Face]:
        return []


class Painter:
    """A person who paints whole pictures in one colour, and takes so many seconds for each level."""

    def __init__(self, value: int, time: Time, seconds: dict[int, float] | None = None) -> None:
        self.value, self.time, self.seconds = value, time, seconds or {}
        self.asked: list[tuple[Level, bool]] = []

    def swap(self, pixels: np.ndarray, faces: list[Face], level: Level, mask: bool) -> np.ndarray:
        self.asked.append((level, mask))
        self.time.now += self.seconds.get(LADDER.index(level), 0.0)
        return np.full_like(pixels, self.value)


class Kept:
    """An output that keeps all pictures."""

    def __init__(self) -> None:
        self.pictures: list[np.ndarray] = []

    def show(self, pixels: np.ndarray, seconds: float) -> None:
        self.pictures.append(pixels)


class Bench:
    """A `Live` of made parts."""

    def __init__(self, camera: MadeCamera | None = None, *, mirror: bool = False) -> None:
        self.time, self.output, self.controls = Time(), Kept(), Controls()
        self.people = [Painter(10, self.time), Painter(200, self.time)]
        self.levels: list[int] = []
        self.camera = camera or MadeCamera(0)
        self.lookout = Lookout(self._look, threaded=False)
        self.live = Live(
            self.camera,
            self.people,
            self.lookout,
            NoFollower(),
            self.output,
            STAMP,
            LiveSettings(serve="0", mirror=mirror, max_latency=200),
            self.controls,
            self.time,
        )

    def _look(self, shot: Shot, level: int) -> list[Face]:
        self.levels.append(level)
        return []

    def frame(self, number: int = 0) -> None:
        """One picture, captured now."""
        made = self.live.make(Shot(picture(number), self.time.now))
        if made is not None:
            self.live.show(made)


# ---------------------------------------------------------------- the engine


def test_of_many_pictures_the_newest_comes_out():
    bench = Bench(MadeCamera(50))
    bench.controls.swap = False
    status = bench.live.run()
    assert status.captured == 50
    assert status.captured == status.shown + status.missed
    assert status.shown == len(bench.output.pictures) >= 1
    last = bench.output.pictures[-1].astype(float)
    assert np.abs(last[:200] - picture(49)[:200]).mean() < 6
    assert np.abs(last[:200] - picture(48)[:200]).mean() > 10
    assert bench.camera.stopped


def test_a_slow_worker_misses_pictures_and_never_queues_them():
    bench = Bench()
    shots, made = bench.live._shots, bench.live._made
    for number in range(5):
        shots.put(Shot(picture(number), 0))
    shot = shots.take(0)
    assert shot is not None
    assert np.array_equal(shot.pixels, picture(4))
    for _ in range(3):
        made.put(bench.live.make(shot))
    assert bench.live.status().missed == 4 + 2


def test_pictures_that_are_too_old_are_dropped():
    bench = Bench()
    shot = Shot(picture(0), bench.time.now)
    bench.time.now += 0.19
    made = bench.live.make(shot)
    assert made is not None
    bench.time.now += 0.02
    bench.live.show(made)
    assert bench.live.make(shot) is None
    assert bench.output.pictures == []
    assert (bench.live.status().late, bench.live.status().shown) == (2, 0)


def test_quality_steps_down_until_it_is_fast_enough_and_up_again():
    bench = Bench()
    bench.live._stamp = None  # what it costs is no matter here
    bench.people[0].seconds = {0: 0.15, 1: 0.15, 2: 0.13, 3: 0.03, 4: 0.01}
    for _ in range(100):
        bench.frame()
    assert bench.levels[-1] == 3
    assert set(bench.levels) == {0, 1, 2, 3}
    bench.people[0].seconds = {}
    for _ in range(400):
        bench.frame()
    assert bench.levels[-1] == 0
    assert bench.live.status().late == 0


def test_pictures_that_all_come_too_late_bring_quality_down_too():
    bench = Bench()
    for _ in range(60):
        assert bench.live.make(Shot(picture(0), bench.time.now - 1)) is None
    assert bench.live.status().level == len(LADDER) - 1


def test_latency_is_measured_from_capture_to_output():
    bench = Bench()
    bench.people[0].seconds = {0: 0.03}
    for _ in range(5):
        bench.frame()
    status = bench.live.status()
    assert (status.median, status.high) == (0.03, 0.03)


@pytest.mark.parametrize("keys", ["", "s", "m", "n", "sm"])
def test_whatever_is_wanted_every_picture_is_marked_and_says_so(keys: str):
    bench = Bench()
    for key in keys:
        bench.controls.press(key)
    bench.frame()
    (shown,) = bench.output.pictures
    corner = shown[-20:, -64:]
    assert corner.max() > 180
    assert np.median(corner) < 30
    if "s" in keys:
        found = find_mark(shown)
        assert found is not None
        assert found.identifier == IDENTIFIER


def test_keys_choose_the_person_and_the_mask():
    bench = Bench()
    for key in ("", "n", "m", "n", "s"):
        bench.controls.press(key)
        bench.frame()
    brightness = [float(shown[:100].mean()) for shown in bench.output.pictures]
    assert brightness[:4] == pytest.approx([10, 200, 200, 10], abs=6)
    assert 100 < brightness[4] < 150
    assert [mask for _, mask in bench.people[0].asked] == [True, False]


def test_the_picture_is_mirrored_and_the_badge_is_not():
    plain, mirrored = Bench(MadeCamera(1)), Bench(MadeCamera(1), mirror=True)
    for bench in (plain, mirrored):
        bench.controls.swap = False
        bench.live.run()
    (one,), (other,) = plain.output.pictures, mirrored.output.pictures
    assert np.abs(other[:200].astype(int) - picture(0)[:200, ::-1]).mean() < 6
    assert np.abs(one[-12:, -60:].astype(int) - other[-12:, -60:]).mean() < 12


def test_a_camera_that_breaks_off_is_heard():
    bench = Bench(MadeCamera(3, InputError("unplugged")))
    with pytest.raises(InputError, match="unplugged"):
        bench.live.run()


def test_a_user_can_quit():
    bench = Bench(MadeCamera(10**9))
    keys = iter(["q", ""])
    bench.controls._keys = lambda: next(keys)
    assert bench.live.run().shown == 0
    assert bench.camera.stopped


@pytest.mark.parametrize("level", [0, len(LADDER) - 1])
def test_the_face_is_swapped_and_the_rest_stays(source: Path, film: Path, level: int):
    settings = SwapSettings(rights="own", detector_size=320)
    networks = open_networks(settings, 1)
    person = Person([source], settings, networks, lambda path, photo: None)
    follower = Follower(person.full.finder.mesh, person.full.selection)
    with VideoReader(film) as reader:
        pixels = next(reader).pixels
    follower.noticed(detectors(settings, networks)[level].find(pixels))
    (face,) = follower.follow(pixels, 0)
    x0, y0, x1, y1 = face.box.astype(int)
    change = np.abs(person.swap(pixels, [face], LADDER[level]).astype(int) - pixels)
    assert change[y0:y1, x0:x1].mean() > 5
    assert change[:, : x0 // 2].mean() < (4 if LADDER[level].scale < 1 else 1e-9)


# ---------------------------------------------------------------- the command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))
    return trust_folder()


def test_without_a_right_no_camera_is_opened(
    omote: Command, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OMOTE_RIGHTS")
    out = tmp_path / "out.mp4"
    done = omote("live", source, "--camera", tmp_path / "none.mp4", "-o", out)
    assert (done.code, done.out) == (5, "")
    assert "--rights own, consent" in done.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "say where the pictures go"),
        (("-o", "out.gif"), 2, "kept as"),
        (("-o", "gopher://here"), 2, "stream to"),
        (("--serve", "0", "--mask", "fog"), 2, "fog"),
        (("--serve", "0", "--camera", "none.mp4"), 3, "none.mp4"),
        (("-o", "film.mp4", "--camera", "film.mp4"), 2, "overwrite an input"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    omote: Command,
    source: Path,
    film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    code: int,
    words: str,
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())
    done = omote("live", source, "--camera", "film.mp4", *options)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_ctrl_c_finishes_and_signs_what_was_shown(
    omote: Command, source: Path, film: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    shown: list[int] = []
    show = Live.show

    def noted(live: Live, made: object) -> None:
        show(live, made)
        shown.append(live.status().shown)

    def poll(controls: Controls) -> bool:
        if shown and shown[-1]:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(Live, "show", noted)
    monkeypatch.setattr(Controls, "poll", poll)
    out = tmp_path / "out.mp4"
    done = omote("live", source, "--camera", film, "--loop", "-o", out, "--max-latency", 5000)
    assert (done.code, done.out) == (130, "")
    assert "out.mp4 is finished and signed" in done.err
    assert verify_file(out).verdict.exit_code == 0
    with VideoReader(out) as reader:
        pictures = [frame.pixels for frame in reader]
    assert len(pictures) == shown[-1]
    assert pictures[0][-16:, -60:].max() > 150


def test_pictures_that_are_kept_nowhere_are_logged(
    omote: Command, source: Path, film: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Controls, "poll", lambda controls: False)
    done = omote("live", source, "--camera", film, "--serve", 0)
    assert done.code == 0
    assert "open http://127.0.0.1:" in done.err
    (line,) = entries(AuditLog(home))
    assert (line["operation"], line["output"]) == ("face swap", None)
    assert line["watermark"] is not None
    assert [role for role, _ in line["inputs"]] == ["source"]


class Watchful:
    """A classifier to which pictures of the camera are too much, and photos are not."""

    name, sha256, rule = "watchful", "0" * 64, Rule()

    def look(self, pixels: np.ndarray) -> Look:
        return Look(0.9 if pixels.shape == (270, 480, 3) else 0.0)


def test_the_safety_gate_watches_the_camera(
    omote: Command, source: Path, film: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("omote.pipelines.examination.open_gate", lambda runtime: Gate([Watchful()]))
    out = tmp_path / "out.mp4"
    done = omote("live", source, "--camera", film, "--loop", "-o", out, "--max-latency", 5000)
    assert (done.code, done.out) == (5, "")
    assert "the camera: refused: sexual content" in done.err
    assert not out.exists()
    (line,) = entries(AuditLog(home))
    assert (line["operation"], line["gate"]["state"]) == ("refused", "refused")
