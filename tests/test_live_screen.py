"""The screen in place of a camera; FFmpeg's own test pictures stand in for it, by the same interface."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from omote.errors import InputError, UsageError
from omote.pipelines import live_screen
from omote.pipelines.live_screen import Grabber, Region, Screen, ScreenCamera, grabber
from omote.pipelines.live_settings import LiveSettings
from tests.conftest import Command

PART = Region(64, 48, 90, 20)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen of 160 x 121 pixels."""
    pictures = Grabber("lavfi", "testsrc2=size=160x121:rate=30", {})
    monkeypatch.setattr(live_screen, "grabber", lambda screen: pictures)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("screen", Screen()),
        ("screen:64x48+90+20", Screen(PART)),
        ("0", None),
        ("screen.mp4", None),
        ("./screen", None),
        ("/dev/video0", None),
    ],
)
def test_what_is_a_screen(name: str, expected: Screen | None):
    assert Screen.parse(name) == expected


@pytest.mark.parametrize(
    "name", ["screen:", "screen:1", "screen:64x48", "screen:64x48+-1+0", "screen:8x48+0+0"]
)
def test_what_is_no_region(name: str):
    with pytest.raises(UsageError, match=rf"^--camera '{name.replace('+', '.')}': [^\n]*$"):
        LiveSettings(camera=name, window=True)


@pytest.mark.parametrize(
    ("system", "whole", "part"),
    [
        (
            "linux",
            Grabber("x11grab", ":7", {"framerate": "30"}),
            Grabber("x11grab", ":7+90,20", {"framerate": "30", "video_size": "64x48"}),
        ),
        (
            "win32",
            Grabber("gdigrab", "desktop", {"framerate": "30"}),
            Grabber(
                "gdigrab",
                "desktop",
                {"framerate": "30", "video_size": "64x48", "offset_x": "90", "offset_y": "20"},
            ),
        ),
        (
            "darwin",
            Grabber("avfoundation", "Capture screen 0:none", {"framerate": "30"}),
            Grabber("avfoundation", "Capture screen 0:none", {"framerate": "30"}),
        ),
    ],
)
def test_each_system_has_its_grabber(
    system: str, whole: Grabber, part: Grabber, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv("DISPLAY", ":7")
    assert grabber(Screen()) == whole
    assert grabber(Screen(PART)) == part


def test_pictures_come_with_their_moment_until_it_is_stopped(screen: None):
    ticks = iter(range(1000))
    camera = ScreenCamera(Screen(), clock=lambda: next(ticks))
    assert (camera.width, camera.height, camera.rate) == (160, 120, 30)
    moments = []
    for shot in camera.shots():
        assert shot.pixels.shape == (120, 160, 3)
        assert shot.pixels.dtype == np.uint8
        moments.append(shot.captured)
        if len(moments) == 4:
            camera.stop()
    assert len(moments) == 4
    assert moments == sorted(set(moments))


def test_a_region_is_cut_where_the_grabber_gives_the_whole_screen(screen: None):
    whole, part = (ScreenCamera(which) for which in (Screen(), Screen(PART)))
    assert (part.width, part.height) == (64, 48)
    np.testing.assert_array_equal(
        next(part.shots()).pixels, next(whole.shots()).pixels[20:68, 90:154]
    )  # frames of a test picture are known by their number
    with pytest.raises(InputError, match="64 x 48 pixels reach beyond its edge"):
        ScreenCamera(Screen(Region(64, 48, 90, 90)))


def test_a_screen_larger_than_allowed_is_refused(screen: None):
    with pytest.raises(InputError, match="160 x 120 pixels, more than --max-pixels 1000"):
        ScreenCamera(Screen(), max_pixels=1000)


def test_a_grabber_that_has_no_picture_yet_is_asked_again(screen: None, monkeypatch: pytest.MonkeyPatch):
    opened = av.open
    waits: list[float] = []

    class Slow:
        """A container that has nothing twice."""

        def __init__(self, *words: Any, **more: Any) -> None:
            self.inner, self.asked = opened(*words, **more), 0
            self.streams, self.close = self.inner.streams, self.inner.close

        def demux(self, stream: Any) -> Iterator[Any]:
            self.asked += 1
            if self.asked < 3:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return self.inner.demux(stream)

    monkeypatch.setattr(av, "open", Slow)
    monkeypatch.setattr(live_screen.time, "sleep", waits.append)
    assert ScreenCamera(Screen()).width == 160
    assert len(waits) == 2


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(InputError, match="DISPLAY is not set"):
        ScreenCamera(Screen())
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.setattr(av, "formats_available", {"x11grab"})
    with pytest.raises(InputError, match=r"screen: cannot be grabbed \([^()]*\)$"):
        ScreenCamera(Screen())
    with pytest.raises(InputError, match=r"screen: cannot be grabbed .*; does all of the region lie on it\?"):
        ScreenCamera(Screen(PART))
    monkeypatch.setattr(av, "formats_available", set())
    with pytest.raises(UsageError, match="built without x11grab"):
        ScreenCamera(Screen())


def test_a_screen_that_goes_away_ends_the_command_and_the_film_is_whole(
    source: Path, film: Path, tmp_path: Path, omote: Command, monkeypatch: pytest.MonkeyPatch
):
    """The picture of the film stands in for the screen, for ten frames."""
    pictures = Grabber("lavfi", f"movie={film},trim=end_frame=10,realtime", {})
    monkeypatch.setattr(live_screen, "grabber", lambda screen: pictures)
    out = tmp_path / "out.mkv"
    words = ("--camera", "screen", "--max-latency", 5000, "-o", out)
    done = omote("live", source, *words)
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1), done.err
    assert "screen: gives no pictures any more" in done.err
    with av.open(str(out)) as made:
        shown = [frame.to_ndarray(format="rgb24") for frame in made.decode(video=0)]
    assert 0 < len(shown) <= 10
    assert shown[0].shape == (270, 480, 3)
