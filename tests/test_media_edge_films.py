"""Every awkward film in ../shared goes through the reader and the writer and comes out with all it had."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from omote.errors import InputError
from omote.media import VideoReader, VideoWriter, probe
from tests.media_files import look, psnr
from tests.shared_data import SHARED, needs_shared

EDGE = SHARED / "media" / "video" / "edge"
PLAIN = SHARED / "media" / "video"
FILMS = [
    *(
        EDGE / name
        for name in (
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
        )
    ),
    *(PLAIN / f"intel_asl_{name}.mkv" for name in ("again", "help", "walk")),
    *(PLAIN / f"liveportrait_{name}.mp4" for name in ("d14", "d18", "d19", "d20")),
]


@needs_shared
@pytest.mark.parametrize("source", FILMS, ids=lambda p: p.name)
def test_a_film_keeps_everything(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / source.name
    target.parent.mkdir()
    worst = 99.0
    kept = {}
    with VideoReader(source) as reader, VideoWriter(target, reader) as writer:
        for frame in reader:
            assert frame.pixels.flags.c_contiguous
            if frame.index % 20 == 3:
                kept[frame.index] = frame.pixels
            writer.write(frame)
    assert writer.warnings == []
    assert reader.warnings == []
    before, after = look(source), look(target)
    assert after.times == before.times
    assert after.duration == before.duration
    assert after.durations in (before.durations, before.standing)
    assert after.codec == before.codec
    assert after.pixel_format == before.pixel_format
    assert after.tags == before.tags
    assert after.tracks == before.tracks
    assert after.rotation == 0
    if before.rotation in (90, -90):
        assert after.size == before.size[::-1]
        assert after.aspect == 1 / before.aspect
    else:
        assert after.size == before.size
        assert after.aspect == before.aspect
    info, again = probe(source), probe(target)
    assert again.bit_depth == info.bit_depth
    assert again.colour == info.colour
    assert (again.width, again.height) == (info.width, info.height)
    for frame in VideoReader(target):
        if frame.index in kept:
            assert frame.pixels.dtype == kept[frame.index].dtype
            worst = min(worst, psnr(frame.pixels, kept[frame.index]))
    assert worst >= 40
    assert [p.name for p in target.parent.iterdir()] == [target.name]


@needs_shared
def test_rotation_matches_the_display_matrix(tmp_path: Path) -> None:
    """The two files hold the same coded pictures; a tag of 90 means a quarter turn anticlockwise."""
    with av.open(str(EDGE / "rotation_meta_90.mp4")) as film:
        coded = next(film.decode(video=0)).to_ndarray(format="rgb24")
    quarter = next(iter(VideoReader(EDGE / "rotation_meta_90.mp4"))).pixels
    half = next(iter(VideoReader(EDGE / "rotation_meta_180.mp4"))).pixels
    assert psnr(quarter, np.ascontiguousarray(np.rot90(coded, 1))) > 30
    assert psnr(half, np.ascontiguousarray(np.rot90(coded, 2))) > 30


@needs_shared
def test_ten_bits_use_the_full_range_of_sixteen() -> None:
    frame = next(iter(VideoReader(EDGE / "hevc_10bit.mp4")))
    assert frame.pixels.dtype == np.uint16
    eight = next(iter(VideoReader(EDGE / "hevc.mp4")))
    assert abs(float(frame.pixels.mean()) / 257 - float(eight.pixels.mean())) < 2
    assert len(np.unique(frame.pixels)) > 256


@needs_shared
def test_a_truncated_film_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out" / "out.mp4"
    target.parent.mkdir()
    with (
        pytest.raises(InputError, match=r"truncated_broken\.mp4: truncated") as caught,
        VideoReader(EDGE / "truncated_broken.mp4") as reader,
        VideoWriter(target, reader) as writer,
    ):
        for frame in reader:
            writer.write(frame)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    assert list(target.parent.iterdir()) == []


@needs_shared
@pytest.mark.parametrize("start", [None, 1.3])
def test_a_span_is_cut_with_its_sound(start: float | None, tmp_path: Path) -> None:
    source, target = EDGE / "vfr_audio.mp4", tmp_path / "cut.mp4"
    end = 2.5
    begin = Fraction(str(start or 0))
    with VideoReader(source, start=start, end=end) as reader, VideoWriter(target, reader) as writer:
        for frame in reader:
            writer.write(frame)
    before, after = look(source), look(target)
    wanted = [t for t in before.times if begin <= t < end]
    assert after.times == [t - wanted[0] for t in wanted]
    shift = wanted[0] if start else Fraction(0)
    times = before.tracks[1][4]
    sound = [t - shift for t in times if (not start or t >= shift) and t < end]
    found = after.tracks[1][4]
    assert len(found) == len(sound)
    assert max(abs(a - b) for a, b in zip(found, sound, strict=True)) <= Fraction(1, 44100)
    digest = hashlib.sha256()
    with av.open(str(source)) as film:
        for packet in film.demux(film.streams.audio[0]):
            if packet.size and packet.pts * packet.time_base - shift in set(sound):
                digest.update(bytes(packet))
    assert after.tracks[1][3] == digest.hexdigest()


@needs_shared
def test_an_animated_gif_is_a_film(tmp_path: Path) -> None:
    source = EDGE / "anim.gif"
    frames = list(VideoReader(source))
    assert [f.pts for f in frames] == [10 * i for i in range(20)]
    for name in ("out.gif", "out.webp", "out.apng", "out.mp4"):
        target = tmp_path / name
        with VideoReader(source) as reader, VideoWriter(target, reader) as writer:
            for frame in reader:
                writer.write(frame)
        info = probe(target)
        assert (info.frames, info.duration) == (20, 2.0)
        again = list(VideoReader(target))
        assert [f.time for f in again] == pytest.approx([f.time for f in frames])
        if name != "out.mp4":
            assert info.loop == 0
            assert all((a.pixels == b.pixels).all() for a, b in zip(again, frames, strict=True))
        if name != "out.webp" and name != "out.apng":
            assert info.sample_aspect_ratio == Fraction(15, 16)
