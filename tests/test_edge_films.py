"""Every awkward film in ../shared is swapped end to end and keeps whatever is not the face."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import omote as api
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
from omote.pipelines import SwapReport
from tests.conftest import Command, pictures
from tests.media_files import Looked, look, psnr
from tests.shared_data import SHARED, needs_shared

EDGE = SHARED / "media" / "video" / "edge"
FILMS = [
    "av1.mp4",
    "four_faces_noaudio.mp4",
    "hevc.mp4",
    "hevc_10bit.mp4",
    "mjpeg_pcm.mov",
    "moving_occluder.mp4",
    "mpeg4_mp3.avi",
    "odd_size_444.mp4",
    "rotation_meta_180.mp4",
    "rotation_meta_90.mp4",
    "scene_cut_two_people.mp4",
    "two_faces_audio.mp4",
    "vfr_audio.mp4",
    "vp9_opus.webm",
]

pytestmark = needs_shared
swap = partial(api.swap, rights="own")


@pytest.mark.parametrize("name", FILMS)
def test_a_swapped_film_keeps_everything_but_the_face(name: str, source: Path, tmp_path: Path):
    target, out = EDGE / name, tmp_path / "out" / name
    out.parent.mkdir()
    quick = {"preset": "ultrafast", "quality": 80, "detector_size": 320, "swapper": "mesh"}
    report = swap(source, target, out, allow_no_face=True, **quick)
    before, after = look(target), look(out)
    assert report.frames == len(before.times)
    assert after.times == before.times
    assert after.duration == before.duration
    assert after.codec == before.codec
    assert after.pixel_format == before.pixel_format
    assert after.tags == before.tags
    assert after.tracks == before.tracks
    assert after.rotation == 0
    turned = before.rotation % 180 != 0
    assert after.size == (before.size[::-1] if turned else before.size)
    assert after.aspect == (1 / before.aspect if turned else before.aspect)
    beside = [f"{name}.c2pa"] if out.suffix == ".webm" else []  # which has no place for credentials
    assert sorted(path.name for path in out.parent.iterdir()) == [name, *beside]
    _require_swapped_faces_only(report, target, out, before)


def _require_swapped_faces_only(report: SwapReport, target: Path, out: Path, before: Looked) -> None:
    """The film lies as its display matrix says; nearly every frame has a new face; the rest is as it was."""
    numbers = (10, report.frames - 10)
    for coded, new in zip(pictures(target, *numbers), pictures(out, *numbers), strict=True):
        old = np.ascontiguousarray(np.rot90(coded, before.rotation // 90))
        rest = np.ones(old.shape[:2], bool)
        if before.rotation:  # the matrix lays an upright person down, so there may be no face
            rest[60:-60, 60:-60] = False
        else:
            rivals = FaceFinder().find_rivals(old, Selection("largest"))
            likenesses = []
            for face in rivals:
                x0, y0, x1, y1 = face.box.round().astype(int).clip(0)
                likenesses.append(psnr(old[y0:y1, x0:x1], new[y0:y1, x0:x1]))
                margin = (x1 - x0) // 2
                rest[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin] = False
            assert sorted(value < 32 for value in likenesses) == [False] * (len(rivals) - 1) + [True]
        assert psnr(old[rest], new[rest]) > 32
    assert before.rotation or report.swapped >= 0.95 * report.frames


def test_an_animated_gif_is_swapped(source: Path, tmp_path: Path):
    out = tmp_path / "out" / "anim.gif"
    out.parent.mkdir()
    report = swap(source, EDGE / "anim.gif", out)
    before, after = look(EDGE / "anim.gif"), look(out)
    assert (report.frames, report.swapped) == (20, 20)
    assert (after.times, after.durations, after.size) == (before.times, before.durations, before.size)


def test_a_truncated_film_is_refused_in_one_line(omote: Command, source: Path, tmp_path: Path):
    folder = tmp_path / "films"
    folder.mkdir()
    target = shutil.copy(EDGE / "truncated_broken.mp4", folder)
    done = omote("swap", source, target, "-o", folder / "out.mp4", "--allow-no-face")
    assert done.code == 3
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert "truncated" in done.err
    assert [path.name for path in folder.iterdir()] == ["truncated_broken.mp4"]


def test_two_people_in_one_film_are_told_apart(source: Path, tmp_path: Path):
    out = tmp_path / "right.mp4"
    report = swap(
        source, EDGE / "two_faces_audio.mp4", out, face="right", end=0.5, preset="ultrafast", quality=90
    )
    (old,), (new,) = pictures(EDGE / "two_faces_audio.mp4", 5), pictures(out, 5)
    half = old.shape[1] // 2
    difference = np.abs(old.astype(int) - new).max(axis=2)
    assert report.swapped == report.frames == 15
    assert (difference[:, :half] > 25).mean() < 0.0005
    assert (difference[:, half:] > 25).mean() > 0.0015


def test_two_people_of_one_size_do_not_take_turns(source: Path, tmp_path: Path):
    target, out = EDGE / "two_faces_audio.mp4", tmp_path / "out.mp4"
    # So small a detector finds the one larger in some frames, the other in others.
    swap(source, target, out, end=1.0, preset="ultrafast", quality=90, detector_size=320, swapper="mesh")
    numbers = range(30)
    for old, new in zip(pictures(target, *numbers), pictures(out, *numbers), strict=True):
        left, right = np.hsplit(np.abs(old.astype(int) - new).max(axis=2) > 40, 2)
        assert left.mean() > 0.002
        assert right.mean() < 0.0005


def test_everyone_in_one_film_gets_the_face(source: Path, tmp_path: Path):
    films = [("two_faces_audio.mp4", 2), ("four_faces_noaudio.mp4", 4)]
    for name, count in films:
        report = swap(source, EDGE / name, tmp_path / name, face="all", end=0.2, preset="ultrafast")
        assert report.swapped == count * report.frames
