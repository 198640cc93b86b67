"""A face swapped in films, end to end: what is kept, spans, animations, codecs, and what is reported."""

import re
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import omote as api
from omote.errors import NoFaceError, UsageError
from omote.pipelines import Progress, SwapSettings, swap_file
from tests.conftest import Command, pictures
from tests.media_files import look, psnr

swap = partial(api.swap, rights="own")


@pytest.fixture(scope="module")
def swapped(source: Path, rich_film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rich film with another face."""
    out = tmp_path_factory.mktemp("swapped") / "out.mkv"
    swap(source, rich_film, out, preset="ultrafast")
    return out


def test_only_the_face_changes(rich_film: Path, swapped: Path):
    numbers = (0, 14, 29)
    for number, old, new in zip(
        numbers, pictures(rich_film, *numbers), pictures(swapped, *numbers), strict=True
    ):
        (face,) = (f for f in api.find_faces(old) if f.width > 40)
        x0, y0, x1, y1 = face.box.round().astype(int)
        rest = np.ones(old.shape[:2], bool)
        rest[y0 - 20 : y1 + 20, x0 - 20 : x1 + 20] = False
        assert psnr(old[y0:y1, x0:x1], new[y0:y1, x0:x1]) < 28, number
        assert psnr(old[rest], new[rest]) > 38, number


def test_everything_else_is_kept(rich_film: Path, swapped: Path):
    before, after = look(rich_film), look(swapped)
    assert [track[0] for track in before.tracks.values()] == ["audio", "audio", "subtitle"]
    assert after.tracks == before.tracks
    assert after.times == before.times
    assert after.chapters == before.chapters
    assert len(after.chapters) == 2
    assert after.metadata["title"] == "A short film"


def test_a_span_keeps_everything_that_lies_in_it(source: Path, rich_film: Path, tmp_path: Path):
    out = tmp_path / "out.mkv"
    report = swap(source, rich_film, out, start=0.4, end=1.0, preset="ultrafast")
    before, after = look(rich_film), look(out)
    assert report.frames == report.swapped == 15
    assert after.times == [t - before.times[10] for t in before.times[10:25]]
    assert after.metadata["title"] == "A short film"
    assert [name for *_, name in after.chapters] == ["one", "two"]
    assert after.chapters[0][1] == pytest.approx(0.2, abs=0.001)
    for old, new in zip(before.tracks.values(), after.tracks.values(), strict=True):
        assert old[:3] == new[:3]
        # Sound begins within a packet of the pictures and ends with them.
        if old[0] == "audio":
            packet = old[4][2] - old[4][1]
            assert abs(new[4][0]) <= packet
            assert Fraction(6, 10) - 2 * packet < new[4][-1] < Fraction(6, 10) + packet
        else:
            assert new[4] == (Fraction(3, 10),)
    (old,), (new,) = pictures(rich_film, 10), pictures(out, 0)
    assert psnr(old[:20], new[:20]) > 38


def test_the_report_adds_up(source: Path, film: Path, tmp_path: Path):
    seen: list[Progress] = []
    settings = SwapSettings(rights="own", preset="ultrafast", threads=2)
    report = swap_file([source], film, tmp_path / "out.mp4", settings, seen.append)
    assert seen == [Progress(number + 1, 30) for number in range(30)]
    assert (report.frames, report.swapped, report.empty, report.notes) == (30, 30, 0, ())
    assert set(report.stages) == {"decode", "find", "swap", "compose", "encode"}
    assert all(0 < seconds <= 2 * report.seconds for seconds in report.stages.values())
    assert report.frame_rate == pytest.approx(30 / report.seconds)


def test_the_number_of_threads_changes_nothing(source: Path, film: Path, tmp_path: Path):
    digests = set()
    for threads in (1, 3):
        out = tmp_path / f"{threads}.mkv"
        swap(source, film, out, threads=threads, codec="ffv1", end=0.4)
        digests.add(b"".join(picture.tobytes() for picture in pictures(out, *range(10))))
    assert len(digests) == 1


def test_the_closing_line(omote: Command, source: Path, film: Path, tmp_path: Path):
    out = tmp_path / "out.mp4"
    done = omote("swap", source, film, "-o", out, "--preset", "ultrafast", "--end", "0.2")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(
        rf"5 faces swapped in 5 frames, \d+\.\d fps, \d+\.\d s: {re.escape(str(out))}\n", done.out
    )


def test_what_cannot_be_kept_is_said(omote: Command, source: Path, rich_film: Path, tmp_path: Path):
    done = omote("swap", source, rich_film, "-o", tmp_path / "out.webp", "--end", "0.1")
    assert done.code == 0
    assert all(line.startswith("note: rich.mkv: ") for line in done.err.splitlines())
    assert "sound" in done.err


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("x264", "a.mp4"),
        ("x265", "b.mp4"),
        ("vp9", "c.webm"),
        ("av1", "d.mkv"),
        ("prores", "e.mov"),
        ("ffv1", "f.mkv"),
    ],
)
def test_codecs(omote: Command, source: Path, film: Path, tmp_path: Path, codec: str, name: str):
    out = tmp_path / name
    done = omote("swap", source, film, "-o", out, "--codec", codec, "--preset", "ultrafast", "--end", "0.2")
    assert (done.code, done.err) == (0, "")
    facts = look(out)
    assert facts.codec == {"x264": "h264", "x265": "hevc"}.get(codec, codec)
    assert [float(time) for time in facts.times] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=1e-3)


def test_quality_is_heeded(source: Path, film: Path, tmp_path: Path):
    sizes = []
    for quality in (20, 60, 95):
        out = tmp_path / f"{quality}.mp4"
        swap(source, film, out, quality=quality, preset="ultrafast", end=0.2)
        sizes.append(out.stat().st_size)
    assert 4 * sizes[0] < 2 * sizes[1] < sizes[2]


@pytest.mark.usefixtures("unmarked")
def test_frames_without_a_face_are_left_alone(source: Path, film: Path, tmp_path: Path):
    # Nobody is at the place of face number 7.
    with pytest.raises(NoFaceError, match=r"--allow-no-face"):
        swap(source, film, tmp_path / "out.mp4", face="7", end=0.2)
    assert not (tmp_path / "out.mp4").exists()
    out = tmp_path / "out.mkv"
    report = swap(source, film, out, face="7", end=0.2, allow_no_face=True, codec="ffv1")
    assert (report.frames, report.swapped, report.empty) == (5, 0, 5)
    for old, new in zip(pictures(film, 0, 4), pictures(out, 0, 4), strict=True):
        assert np.array_equal(old, new)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [(1.0, 0.5, "is not after"), (50.0, None, "beyond the end"), (-1.0, None, "0 seconds or more")],
)
def test_impossible_spans(
    source: Path, film: Path, tmp_path: Path, start: float, end: float | None, words: str
):
    with pytest.raises(UsageError, match=words):
        swap(source, film, tmp_path / "out.mp4", start=start, end=end)
    assert not (tmp_path / "out.mp4").exists()


@pytest.fixture(scope="module")
def animation(target: Path) -> list[Image.Image]:
    """Four pictures of the target with transparent corners, each a little to the right of the one before."""
    portrait = Image.open(target).convert("RGBA").crop((96, 0, 352, 256))
    portrait.paste((0, 0, 0, 0), (0, 0, 40, 40))
    return [
        portrait.transform(portrait.size, Image.Transform.AFFINE, (1, 0, -4 * n, 0, 1, 0)) for n in range(4)
    ]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_is_swapped_as_a_film(
    source: Path, animation: list[Image.Image], tmp_path: Path, suffix: str
):
    given, out = tmp_path / f"given{suffix}", tmp_path / f"out{suffix}"
    delays = [70, 120, 40, 200]
    options = {"lossless": True} if suffix == ".webp" else {}
    animation[0].save(
        given, save_all=True, append_images=animation[1:], duration=delays, loop=3, disposal=2, **options
    )
    report = swap(source, given, out)
    assert (report.frames, report.swapped) == (4, 4)
    before, after = Image.open(given), Image.open(out)
    assert after.n_frames == 4
    assert after.info["loop"] == before.info["loop"]
    for number, delay in enumerate(delays):
        before.seek(number)
        after.seek(number)
        old, new = (np.asarray(picture.convert("RGBA")) for picture in (before, after))
        assert after.info["duration"] == delay
        assert np.array_equal(old[..., 3], new[..., 3])
        assert (new[:30, :30, 3] == 0).all()
        assert psnr(old[..., :3], new[..., :3]) < 35
        assert psnr(old[200:, :, :3], new[200:, :, :3]) > 28
