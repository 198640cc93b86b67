"""The parts of live pictures, each by itself: no clock but a made one, no waiting."""

import http.client
import os
import pty
import socket
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from omote.cli.live_keys import hot_keys
from omote.errors import InputError, OmoteError, UsageError
from omote.faces.detect import Detector
from omote.faces.face import Face
from omote.faces.mesh import FaceMesh
from omote.faces.select import Selection
from omote.media import VideoReader
from omote.pipelines.badge import add_badge
from omote.pipelines.live_browser import Browser, parse_address
from omote.pipelines.live_faces import Follower, Lookout
from omote.pipelines.live_people import quick_mask, scaled
from omote.pipelines.live_quality import LADDER, Governor, Latencies
from omote.pipelines.live_settings import Controls, LiveSettings
from omote.pipelines.live_sink import FileOutput, Outputs, StreamOutput, VirtualCamera, Window, has_windows
from omote.pipelines.live_source import FilmCamera, Shot, Slot, even

BLACK = np.zeros((96, 128, 3), np.uint8)


class Time:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


# ---------------------------------------------------------------- the newest wins


def test_the_newest_replaces_what_nobody_took():
    slot: Slot[int] = Slot()
    for number in range(3):
        slot.put(number)
    slot.close()
    assert not slot.ended
    assert (slot.take(), slot.missed) == (2, 2)
    assert slot.ended
    assert slot.take() is None


def test_nothing_comes_out_of_an_empty_slot_in_time():
    assert Slot[int]().take(0) is None


# ---------------------------------------------------------------- cameras


def test_a_film_plays_at_its_own_pace(film: Path):
    time = Time()
    camera = FilmCamera(film, clock=time, wait=time.wait)
    shots = []
    for shot in camera.shots():
        shots.append(shot)
        assert time.now == pytest.approx(shot.captured)
    times = [shot.captured - shots[0].captured for shot in shots]
    assert times == pytest.approx([number / 25 for number in range(30)])
    assert (camera.width, camera.height, camera.rate) == (480, 270, 25)
    assert shots[0].pixels.shape == (270, 480, 3)


def test_what_comes_late_was_captured_when_it_was_due(film: Path):
    time = Time()
    shots = FilmCamera(film, clock=time, wait=time.wait).shots()
    first = next(shots).captured
    time.now += 1
    assert next(shots).captured == pytest.approx(first + 1 / 25)


def test_a_film_begins_again_and_stops_when_told(film: Path):
    time = Time()
    camera = FilmCamera(film, loop=True, clock=time, wait=time.wait)
    for number, _ in enumerate(camera.shots()):
        if number == 40:
            camera.stop()
    assert number == 40


@pytest.mark.parametrize("name", ["missing.mp4", "77"])
def test_a_camera_that_is_not_there_is_named(name: str):
    with pytest.raises(InputError, match=name):
        LiveSettings(camera=name, window=True).open_camera()


def test_a_photo_is_no_camera(source: Path):
    with pytest.raises(InputError, match="is a picture"):
        LiveSettings(camera=str(source), window=True).open_camera()


def test_odd_sides_lose_a_line():
    assert even(BLACK[:95, :127]).shape == (94, 126, 3)


# ---------------------------------------------------------------- quality


def feed(governor: Governor, frames: int, latency: float, work: float = 0.0) -> list[int]:
    return [governor.frame(latency, work) for _ in range(frames)]


@pytest.mark.parametrize(("latency", "work"), [(0.2, 0.01), (0.01, 0.08)])
def test_quality_steps_down_one_by_one_and_up_again(latency: float, work: float):
    governor = Governor(0.1, 0.04)
    down = feed(governor, 200, latency, work)
    assert sorted(set(down)) == list(range(len(LADDER)))
    assert down == sorted(down)
    up = feed(governor, 600, 0.01, 0.01)
    assert up == sorted(up, reverse=True)
    assert up[-1] == 0


def test_quality_stays_where_it_is_enough():
    assert set(feed(Governor(0.1, 0.04), 500, 0.08)) == {0}


def test_one_late_frame_changes_nothing():
    governor = Governor(0.1, 0.04)
    feed(governor, 50, 0.03)
    assert feed(governor, 1, 0.25) == [0]


def test_a_better_level_that_does_not_hold_is_tried_ever_less_often():
    governor, tries, level = Governor(0.1, 0.04), [], 0
    for number in range(3000):
        now = governor.frame(0.02 if governor.level else 0.2, 0.0)
        if now < level:
            tries.append(number)
        level = now
    gaps = np.diff(tries)
    assert len(tries) > 2
    assert list(gaps) == sorted(gaps)
    assert gaps[-1] > 2 * gaps[0]


def test_latencies_are_counted_by_the_millisecond():
    latencies = Latencies()
    assert latencies.quantile(0.5) is None
    for number in range(1, 101):
        latencies.add(number / 1000)
    latencies.add(1e9)
    assert latencies.quantile(0.5) == 0.051
    assert latencies.quantile(0.95) == 0.096
    assert latencies.quantile(1) == 5


# ---------------------------------------------------------------- faces


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    return FaceMesh(passes=2)


@pytest.fixture(scope="module")
def frames(film: Path) -> list[np.ndarray]:
    with VideoReader(film) as reader:
        return [frame.pixels for frame in reader]


def middle(face: Face) -> np.ndarray:
    return face.mesh[:, :2].mean(0)


def test_a_face_is_followed_after_one_look_of_the_detector(mesh: FaceMesh, frames: list[np.ndarray]):
    follower, found = Follower(mesh, Selection("largest")), Detector(size=320).find(frames[0])
    assert follower.follow(frames[0], 0) == []
    follower.noticed(found)
    for number, pixels in enumerate(frames[:16]):
        (face,) = follower.follow(pixels, number / 25, look=number % 2 == 0)
        assert face.track == 0
    (true,) = mesh.refine(frames[15], Detector(size=640).find(frames[15]))
    apart = np.linalg.norm((face.mesh - true.mesh)[:, :2], axis=1).mean()
    assert apart < 0.06 * true.eye_distance


def test_a_face_that_is_gone_is_lost_at_once(mesh: FaceMesh, frames: list[np.ndarray]):
    follower = Follower(mesh, Selection("all"))
    follower.noticed(Detector(size=320).find(frames[0]))
    assert len(follower.follow(frames[0], 0)) == 1
    assert follower.follow(np.zeros_like(frames[0]), 0.04) == []


def test_what_the_detector_does_not_find_three_times_is_no_face(mesh: FaceMesh, frames: list[np.ndarray]):
    follower = Follower(mesh, Selection("all"))
    follower.noticed(Detector(size=320).find(frames[0]))
    for number in range(3):
        assert len(follower.follow(frames[0], number / 25)) == 1
        follower.noticed([])
    assert follower.follow(frames[0], 1) == []


@pytest.mark.parametrize(("text", "expected"), [("right", 1), ("left", 0), ("1", 1), ("all", None)])
def test_the_face_that_is_meant_is_followed(
    mesh: FaceMesh, frames: list[np.ndarray], text: str, expected: int | None
):
    two = np.hstack([frames[0], frames[0]])
    width = frames[0].shape[1]
    found = Detector(size=640).find(two)
    assert len(found) == 2
    follower = Follower(mesh, Selection.parse(text))
    for number in range(3):
        follower.noticed(found)
        faces = follower.follow(two, number / 25)
    places = sorted(int(middle(face)[0] // width) for face in faces)
    assert places == ([0, 1] if expected is None else [expected])


def test_the_detector_has_a_thread_of_its_own_whose_errors_are_heard():
    def broken(shot: Shot, level: int) -> list[Face]:
        raise InputError("blind")

    lookout = Lookout(broken)
    lookout.offer(Shot(BLACK, 0), 0)
    lookout.close()
    with pytest.raises(InputError, match="blind"):
        lookout.news()


def test_news_are_told_once():
    lookout = Lookout(lambda shot, level: [], threaded=False)
    assert lookout.news() is None
    lookout.offer(Shot(BLACK, 0), 0)
    assert lookout.news() == []
    assert lookout.news() is None


def test_a_scaled_face_is_where_the_scaled_picture_shows_it():
    points = np.zeros((5, 2))
    face = Face(np.array([0, 0, 10, 10]), 1.0, points, mesh=np.full((478, 3), 9.5))
    half = scaled(face, 0.5)
    assert half.mesh[0] == pytest.approx([4.5, 4.5, 4.75])
    assert half.points[0] == pytest.approx([-0.25, -0.25])


@pytest.mark.parametrize(
    ("mask", "quick"),
    [("box,occlusion", "box"), ("occlusion:a+b", "box"), ("face, region:skin,area:mouth", "face,area:mouth")],
)
def test_a_quick_mask_asks_no_network(mask: str, quick: str):
    assert quick_mask(mask) == quick


# ---------------------------------------------------------------- badge


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (64, 96), (8, 12)])
@pytest.mark.parametrize("ground", [0, 255])
def test_the_badge_is_small_and_seen_on_any_ground(size: tuple[int, int], ground: int):
    pixels = np.full((*size, 3), ground, np.uint8)
    add_badge(pixels)
    corner = pixels[-size[0] // 4 :, -size[1] // 2 :]
    assert corner.min() == 0
    assert corner.max() > 200 or size[1] < 96
    changed = (pixels != ground).any(2)
    if size[1] >= 96:
        assert not changed[: size[0] // 2].any()
    if size[1] >= 480:
        assert changed.mean() < 0.015


# ---------------------------------------------------------------- outputs


def stream(browser: Browser, host: str | None = None) -> http.client.HTTPResponse:
    port = int(browser.url.rstrip("/").rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/stream", headers={"Host": host} if host else {})
    return connection.getresponse()


def test_a_browser_is_given_jpeg_parts():
    browser = Browser(("127.0.0.1", 0))
    try:
        browser.show(BLACK + 77, 0)
        answer = stream(browser)
        assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace; boundary=")
        for value in (77, 180):
            assert answer.readline().startswith(b"--")
            head = {}
            while line := answer.readline().strip():
                name, _, text = line.decode().partition(": ")
                head[name] = text
            assert head["Content-Type"] == "image/jpeg"
            jpeg = answer.read(int(head["Content-Length"]))
            picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert picture.shape == BLACK.shape
            assert abs(int(picture[50, 50, 0]) - value) < 3
            assert answer.readline() == b"\r\n"
            browser.show(BLACK + 180, 1)
    finally:
        browser.close()


def test_a_page_of_another_site_cannot_read_the_camera():
    browser = Browser(("127.0.0.1", 0))
    try:
        assert stream(browser, "evil.example:80").status == 403
        port = int(browser.url.rstrip("/").rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/", headers={"Host": f"localhost:{port}"})
        assert b'src="/stream"' in connection.getresponse().read()
        with pytest.raises(InputError, match="another port"):
            Browser(("127.0.0.1", port))
    finally:
        browser.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [("8765", ("127.0.0.1", 8765)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:80", ("::1", 80))],
)
def test_without_a_host_this_machine_alone_is_served(text: str, address: tuple[str, int]):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "say where"),
        ({"serve": "here"}, "--serve 'here'"),
        ({"serve": "99999"}, "--serve '99999'"),
        ({"outputs": ("a.mp4", "b.mp4")}, "one file"),
        ({"window": True, "max_latency": 1}, "--max-latency 1 "),
        ({"window": True, "camera": "screen:640x480"}, "screen:WIDTHxHEIGHT\\+X\\+Y"),
        ({"window": True, "camera": "screen:640x8+0+0"}, "at least 16 x 16"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, object], words: str):
    with pytest.raises(UsageError, match=words):
        LiveSettings(**options)


def test_a_stream_is_sent_as_mpeg_ts():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        output = StreamOutput(f"udp://127.0.0.1:{receiver.getsockname()[1]}", (128, 96), 25)
        for number in range(5):
            output.show(BLACK + 20 * number, number / 25)
        output.close()
        packet = receiver.recv(65536)
    assert len(packet) % 188 == 0
    assert set(packet[::188]) == {0x47}


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [("gopher://here", UsageError, "rtmp://"), ("rtmp://127.0.0.1:9/live", InputError, "cannot stream")],
)
def test_a_stream_that_cannot_be_is_named(url: str, error: type[OmoteError], words: str):
    with pytest.raises(error, match=words):
        StreamOutput(url, (128, 96), 25)


def test_what_this_machine_does_not_have_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(UsageError, match="pip install pyvirtualcam"):
        VirtualCamera((128, 96), 25)
    if not has_windows():
        with pytest.raises(UsageError, match="headless"):
            Window()


def test_a_file_has_the_pictures_at_their_times(tmp_path: Path):
    path = tmp_path / "out.mp4"
    output = FileOutput(path, (128, 96), 25, lambda finished: finished.replace(path) and None)
    times = [0, 0.04, 0.0401, 0.5]
    for seconds in times:
        output.show(BLACK, seconds)
    output.close()
    with VideoReader(path) as reader:
        assert [frame.time for frame in reader] == pytest.approx([0, 0.04, 0.041, 0.5])
    with pytest.raises(UsageError, match="kept as"):
        FileOutput(tmp_path / "out.gif", (128, 96), 25, lambda finished: None)


class Broken:
    """An output that cannot be finished."""

    def show(self, pixels: np.ndarray, seconds: float) -> None: ...

    def close(self) -> None:
        raise InputError("torn")

    abort = close


def test_all_outputs_are_finished_though_one_cannot(tmp_path: Path):
    path = tmp_path / "out.mp4"
    file = FileOutput(path, (128, 96), 25, lambda finished: finished.replace(path) and None)
    outputs = Outputs([Broken(), file, Broken()])
    outputs.show(BLACK, 0)
    with pytest.raises(InputError, match="torn"):
        outputs.close()
    assert path.exists()


# ---------------------------------------------------------------- keys


def test_keys_change_what_is_wanted():
    keys = iter(["n", "M", "s", "x", "n", ""])
    controls = Controls(lambda: next(keys))
    assert controls.poll()
    assert (controls.source, controls.mask, controls.swap) == (2, False, False)
    last = iter(["q", ""])
    assert not Controls(lambda: next(last)).poll()


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are another thing there")
def test_keys_of_a_terminal_are_heard_without_enter(monkeypatch: pytest.MonkeyPatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with hot_keys() as pressed:
            assert pressed() == ""
            os.write(ours, b"nq")
            assert [pressed(), pressed(), pressed()] == ["n", "q", ""]
    os.close(ours)


def test_without_a_terminal_no_key_is_pressed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "empty").write_text("n")
    with (tmp_path / "empty").open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with hot_keys() as pressed:
            assert pressed() == ""
