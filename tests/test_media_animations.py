"""GIF, animated WebP and APNG: exact delays, loop count, transparency, and what broken ones do."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from omote.errors import InputError
from omote.media import MediaInfo, VideoReader, VideoWriter, open_image, probe
from omote.media.types import Frame
from tests.media_files import make_film, psnr, texture

SUFFIXES = ("gif", "webp", "apng")


def make_animation(
    path: Path, delays: list[int], *, loop: int = 0, clear: bool = False, colours: int = 200
) -> list[np.ndarray]:
    """An animation with `delays` in ms, written by Pillow; its RGBA frames."""
    frames = []
    for index in range(len(delays)):
        small = Image.fromarray(texture(seed=index)).quantize(colours).convert("RGBA")
        pixels = np.array(small)
        if clear:
            pixels[8:20, 4 * index : 4 * index + 12, 3] = 0
        frames.append(pixels)
    pictures = [Image.fromarray(f) for f in frames]
    kind = {"apng": "PNG"}.get(path.suffix[1:])
    options = {"disposal": 2} if path.suffix == ".gif" else {}
    if path.suffix == ".webp":
        options = {"lossless": True, "exact": True}
    pictures[0].save(
        path, kind, save_all=True, append_images=pictures[1:], duration=delays, loop=loop, **options
    )
    with Image.open(path) as image:  # Pillow may have chosen other colours for a GIF
        found = []
        for index in range(len(delays)):
            image.seek(index)
            found.append(np.array(image.convert("RGBA")))
    return found


def copy(source: Path, target: Path, **options) -> VideoWriter:
    with VideoReader(source) as reader, VideoWriter(target, reader, **options) as writer:
        for frame in reader:
            writer.write(frame)
    return writer


def shown(frame: Frame) -> np.ndarray:
    alpha = np.full(frame.pixels.shape[:2], 255, np.uint8) if frame.alpha is None else frame.alpha
    rgba = np.dstack([frame.pixels, alpha])
    rgba[alpha == 0] = 0
    return rgba


@pytest.mark.parametrize("clear", [False, True], ids=["opaque", "transparent"])
@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_pixels_delays_and_loops_survive(source: str, target: str, clear: bool, tmp_path: Path) -> None:
    delays = [40, 120, 250, 30, 1000]
    frames = make_animation(tmp_path / f"in.{source}", delays, loop=3, clear=clear)
    with VideoReader(tmp_path / f"in.{source}") as reader:
        read = list(reader)
    starts = [Fraction(sum(delays[:i]), 1000) for i in range(5)]
    assert [f.pts * f.time_base for f in read] == starts
    assert [f.duration * f.time_base for f in read] == [Fraction(d, 1000) for d in delays]
    for frame, wanted in zip(read, frames, strict=True):
        wanted[wanted[..., 3] == 0] = 0
        assert (shown(frame) == wanted).all()
    writer = copy(tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    assert writer.warnings == []
    info, again = probe(tmp_path / f"out.{target}"), probe(tmp_path / f"in.{source}")
    assert (info.loop, info.duration, info.frames) == (again.loop, 1.44, 5)
    assert again.loop == (4 if source == "gif" else 3)
    assert info.alpha == clear
    with VideoReader(tmp_path / f"out.{target}") as reader:
        written = list(reader)
    assert [f.pts * f.time_base for f in written] == starts
    for frame, wanted in zip(written, frames, strict=True):
        assert (shown(frame) == wanted).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_programs_read_what_is_written(suffix: str, tmp_path: Path) -> None:
    delays = [50, 100, 150]
    frames = make_animation(tmp_path / "in.gif", delays, clear=True)
    copy(tmp_path / "in.gif", tmp_path / f"out.{suffix}")
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.n_frames == 3
        for index, wanted in enumerate(frames):
            image.seek(index)
            rgba = np.array(image.convert("RGBA"))
            assert image.info["duration"] == delays[index]
            rgba[rgba[..., 3] == 0] = 0
            wanted[wanted[..., 3] == 0] = 0
            assert (rgba == wanted).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_film_becomes_an_animation(suffix: str, tmp_path: Path) -> None:
    stamps = [0, 50, 100, 190, 250]
    source = make_film(tmp_path / "in.mkv", pts=stamps, time_base=Fraction(1, 1000), extras=True)
    writer = copy(source, tmp_path / f"out.{suffix}")
    assert any("silent" in w for w in writer.warnings)
    with VideoReader(tmp_path / f"out.{suffix}") as reader:
        frames = list(reader)
    assert [float(f.time) for f in frames] == pytest.approx([s / 1000 for s in stamps], abs=0.006)
    assert probe(tmp_path / f"out.{suffix}").loop == 0
    floor = 30 if suffix == "gif" else 38
    assert all(psnr(a.pixels, b.pixels) > floor for a, b in zip(frames, VideoReader(source), strict=True))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "mov"])
def test_an_animation_becomes_a_film(suffix: str, tmp_path: Path) -> None:
    delays = [40, 130, 20, 400]
    frames = make_animation(tmp_path / "in.webp", delays, clear=True)
    writer = copy(tmp_path / "in.webp", tmp_path / f"out.{suffix}")
    with VideoReader(tmp_path / f"out.{suffix}") as reader:
        read = list(reader)
    assert [f.pts * f.time_base for f in read] == [Fraction(sum(delays[:i]), 1000) for i in range(4)]
    if suffix == "webm":
        assert writer.warnings == []
        assert read[0].alpha is not None
        assert read[0].alpha[13, 6] < 30
    else:
        assert len(writer.warnings) == 1
        assert read[0].pixels[13, 5].min() > 240  # the hole shows white
    opaque = frames[2][24:, :, :3]
    assert psnr(np.ascontiguousarray(read[2].pixels[24:]), np.ascontiguousarray(opaque)) > 28
    total = probe(tmp_path / f"out.{suffix}").duration
    assert total == pytest.approx(0.59, abs=0.002)


def test_unchanged_frames_and_no_delay(tmp_path: Path) -> None:
    same = Image.fromarray(texture()).quantize(100)
    other = Image.fromarray(texture(seed=1)).quantize(100)
    same.save(tmp_path / "in.gif", save_all=True, append_images=[other, same, other], duration=[0, 10, 0, 70])
    with VideoReader(tmp_path / "in.gif") as reader:
        frames = list(reader)
        for suffix in SUFFIXES:
            with VideoWriter(tmp_path / f"out.{suffix}", reader.info) as writer:
                for frame in frames:
                    writer.write(frame.with_pixels(frames[0].pixels))
            assert probe(tmp_path / f"out.{suffix}").frames == len(frames)
    assert frames[0].duration == 10  # shown for a tenth of a second, as players do
    assert all(b.pts > a.pts for a, b in pairwise(frames))


def test_more_colours_than_a_palette_has_are_dithered(tmp_path: Path) -> None:
    info = MediaInfo(tmp_path / "none", "film", "x", "x", 128, 96, time_base=Fraction(1, 10))
    with VideoWriter(tmp_path / "a.gif", info) as writer:
        for index in range(3):
            writer.write(Frame(texture(96, 128, index), index, Fraction(1, 10), index))
    for index, frame in enumerate(VideoReader(tmp_path / "a.gif")):
        assert psnr(frame.pixels, texture(96, 128, index)) > 30


def test_spans_of_animations(tmp_path: Path) -> None:
    make_animation(tmp_path / "in.webp", [100] * 8)
    with VideoReader(tmp_path / "in.webp", start=0.2, end=0.5) as reader:
        frames = list(reader)
    assert [f.pts for f in frames] == [0, 1, 2] or [f.time for f in frames] == pytest.approx([0, 0.1, 0.2])
    whole = list(VideoReader(tmp_path / "in.webp"))
    assert (frames[0].pixels == whole[2].pixels).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_cut_animations_are_refused(suffix: str, part: float, tmp_path: Path) -> None:
    make_animation(tmp_path / f"in.{suffix}", [100] * 4)
    data = (tmp_path / f"in.{suffix}").read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InputError) as caught:
        list(VideoReader(cut))
    assert str(caught.value).startswith(f"{cut}: ")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_one_frame_is_a_picture(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(texture()).save(
        tmp_path / f"a.{suffix}", **({"save_all": True} if suffix != "webp" else {})
    )
    assert not probe(tmp_path / f"a.{suffix}").is_film
    assert open_image(tmp_path / f"a.{suffix}").pixels.shape == (48, 64, 3)
