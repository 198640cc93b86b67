"""Films that the tests make: timing, tracks, colour, depth and size in every container."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.frame import VideoFrame
from PIL import Image

from omote.errors import InputError, UsageError
from omote.media import ENCODERS, VideoReader, VideoWriter, available_encoders, probe
from omote.media.colour import FromRGB, ToRGB
from omote.media.subtitles import read_text, write_text
from omote.media.types import ColourTags, Frame
from tests.media_files import look, make_film, psnr, texture


def copy(source: Path, target: Path, *, start=None, end=None, **options) -> tuple[VideoReader, VideoWriter]:
    """Every frame of one film into another, untouched."""
    target.parent.mkdir(exist_ok=True)
    with (
        VideoReader(source, start=start, end=end) as reader,
        VideoWriter(target, reader, **options) as writer,
    ):
        for frame in reader:
            writer.write(frame)
    return reader, writer


def worst_psnr(one: Path, other: Path) -> float:
    return min(psnr(a.pixels, b.pixels) for a, b in zip(VideoReader(one), VideoReader(other), strict=True))


def test_all_tracks_chapters_and_metadata_go_over(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", extras=True, count=40, time_base=Fraction(1, 1000))
    _, writer = copy(source, tmp_path / "out.mkv")
    before, after = look(source), look(tmp_path / "out.mkv")
    assert writer.warnings == []
    assert replace(after, metadata={}) == replace(before, metadata={})
    assert [t[0] for t in before.tracks.values()] == ["audio", "audio", "subtitle"]
    assert [t[2] for t in after.tracks.values()] == ["eng", "deu", "eng"]
    assert [c[2] for c in after.chapters] == ["One", "Two"]
    assert after.metadata["title"] == "Waves"


def test_a_mp4_keeps_its_tracks_chapters_and_late_start(tmp_path: Path) -> None:
    stamps = [17 + 24 * i for i in range(40)]  # starts at 17/600 s
    source = make_film(tmp_path / "in.mp4", extras=True, pts=stamps)
    _, writer = copy(source, tmp_path / "out.mp4")
    before, after = look(source), look(tmp_path / "out.mp4")
    assert writer.warnings == []
    assert after.times == before.times
    assert after.times[1] - after.times[0] == Fraction(24, 600)
    assert after.tracks == before.tracks
    assert after.duration == before.duration
    for old, new in zip(before.chapters, after.chapters, strict=True):
        assert new == pytest.approx(old, abs=1e-3) if isinstance(new, float) else new[2] == old[2]
        assert new[:2] == pytest.approx(old[:2], abs=1e-3)
    assert after.metadata["title"] == "Waves"


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "ts"])
def test_what_a_container_cannot_hold_is_named(suffix: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", extras=True, count=30, time_base=Fraction(1, 1000))
    _, writer = copy(source, tmp_path / "out" / f"out.{suffix}")
    after = look(tmp_path / "out" / f"out.{suffix}")
    before = look(source)
    steps = [b - a for a, b in zip(after.times, after.times[1:], strict=False)]
    assert steps == [Fraction(1, 25)] * 29
    sounds = [t for t in after.tracks.values() if t[0] == "audio"]
    assert len(sounds) == 2
    if suffix in ("webm", "avi"):
        assert sum("re-encoded" in w for w in writer.warnings) == 2
    elif suffix != "ts":  # a transport stream wraps each AAC packet anew
        assert [t[3] for t in sounds] == [t[3] for t in before.tracks.values() if t[0] == "audio"]
    subtitles = [t[1] for t in after.tracks.values() if t[0] == "subtitle"]
    expected = {"mp4": ["mov_text"], "mov": ["mov_text"], "mkv": ["subrip"], "webm": ["webvtt"]}.get(
        suffix, []
    )
    assert subtitles == expected
    assert any("subtitle" in w for w in writer.warnings) == (suffix != "mkv")


@pytest.mark.parametrize("suffix", ["mp4", "mov", "webm", "mkv"])
def test_subtitles_keep_their_words_and_times(suffix: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", extras=True, count=10, time_base=Fraction(1, 1000))
    copy(source, tmp_path / f"middle.{suffix}")
    copy(tmp_path / f"middle.{suffix}", tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as film:
        found = [
            (bytes(p).decode(), p.pts, p.duration) for p in film.demux(film.streams.subtitles[0]) if p.size
        ]
    assert found == [("first line", 0, 100), ("second line", 150, 100)]


def test_styled_subtitles_become_plain() -> None:
    assert read_text("ass", b"0,0,Default,,0,0,0,,{\\i1}Hello,{\\i0} you\\Nthere") == "Hello, you\nthere"
    assert read_text("subrip", b'{\\an8}<font color="#fff"><i>up</i></font>') == "<i>up</i>"
    assert write_text("mov_text", "<i>H\u00e4</i>") == b"\0\3H\xc3\xa4"
    assert read_text("mov_text", write_text("mov_text", "one\ntwo")) == "one\ntwo"
    assert read_text("mov_text", b"\0\0") == ""


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_a_cover_picture_is_no_film_and_is_kept(suffix: str, tmp_path: Path) -> None:
    plain, source = make_film(tmp_path / "plain.mp4", count=5), tmp_path / "in.mp4"
    buffer = io.BytesIO()
    Image.fromarray(texture(16, 16)).save(buffer, "JPEG")
    with av.open(str(plain)) as film, av.open(str(source), "w") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        picture = out.add_stream_from_template(film.streams.video[0], opaque=True)
        head = av.Packet(buffer.getvalue())
        head.stream, head.time_base, head.pts, head.dts = cover, Fraction(1, 1), 0, 0
        head.is_keyframe = True
        out.mux(head)
        for packet in film.demux(film.streams.video[0]):
            if packet.size:
                packet.stream = picture
                out.mux(packet)
    info = probe(source)
    assert (info.width, info.height, info.codec) == (64, 48, "h264")
    _, writer = copy(source, tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as film:
        covers = [s for s in film.streams.video if s.disposition & Disposition.attached_pic]
        if suffix == "webm":
            assert covers == []
            assert writer.warnings == ["in.mp4: the cover picture is not kept"]
        else:
            assert [bytes(p) for p in film.demux(covers[0]) if p.size] == [buffer.getvalue()]
    assert probe(tmp_path / f"out.{suffix}").width == 64


def test_an_interlaced_film_is_named(tmp_path: Path) -> None:
    options = {"flags": "+ilme+ildct"}
    source = make_film(
        tmp_path / "in.mkv",
        codec="mpeg2video",
        options=options,
        pts=list(range(5)),
        time_base=Fraction(1, 25),
    )
    _, writer = copy(source, tmp_path / "out.mkv")
    assert writer.warnings == ["in.mkv: is interlaced; the output is not marked so"]


def test_an_edit_list_hides_frames(tmp_path: Path) -> None:
    """A cut made without re-encoding: the file holds more frames than it shows."""
    plain, source = make_film(tmp_path / "plain.mp4", count=30, options={"g": "30"}), tmp_path / "in.mp4"
    with av.open(str(plain)) as film, av.open(str(source), "w") as out:
        stream = film.streams.video[0]
        picture = out.add_stream_from_template(stream, opaque=True)
        hidden = round(10 / 25 / stream.time_base)
        for packet in film.demux(stream):
            if packet.size:
                packet.stream, packet.pts, packet.dts = picture, packet.pts - hidden, packet.dts - hidden
                out.mux(packet)
    info = probe(source)
    assert info.frames == 20
    copy(source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").times == [Fraction(i, 25) for i in range(20)]


@pytest.mark.parametrize("suffix", ["webm", "avi"])
def test_re_encoded_sound_is_the_same_sound(suffix: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", extras=True, count=50)
    copy(source, tmp_path / f"out.{suffix}")

    def tone(path: Path) -> tuple[float, float]:
        with av.open(str(path)) as film:
            wave = np.concatenate([f.to_ndarray()[0] for f in film.decode(film.streams.audio[0])])
            rate = film.streams.audio[0].rate
        middle = wave[rate // 2 : rate // 2 + rate]
        spectrum = np.abs(np.fft.rfft(middle))
        return float(spectrum.argmax()), len(wave) / rate

    peak, seconds = tone(tmp_path / f"out.{suffix}")
    first_peak, first_seconds = tone(source)
    assert peak == first_peak == 330
    assert seconds == pytest.approx(first_seconds, abs=0.1)


def test_attachments_stay_in_matroska_and_are_named_elsewhere(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    plain = make_film(tmp_path / "plain.mkv", count=5)
    with av.open(str(plain)) as film, av.open(str(source), "w") as out:
        picture = out.add_stream_from_template(film.streams.video[0], opaque=True)
        out.add_attachment("letters.ttf", "font/ttf", b"not really a font")
        for packet in film.demux(film.streams.video[0]):
            if packet.size:
                packet.stream = picture
                out.mux(packet)
    _, writer = copy(source, tmp_path / "out.mkv")
    assert writer.warnings == []
    with av.open(str(tmp_path / "out.mkv")) as film:
        assert [s.data for s in film.streams if s.type == "attachment"] == [b"not really a font"]
    _, writer = copy(source, tmp_path / "out.mp4")
    assert any("letters.ttf" in w for w in writer.warnings)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("stamps", [[0, 10, 300, 301, 900], [40, 90, 91, 92, 200]], ids=["gaps", "late"])
def test_variable_frame_rate(stamps: list[int], suffix: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / f"in.{suffix}", pts=stamps, time_base=Fraction(1, 1000))
    copy(source, tmp_path / f"out.{suffix}")
    assert look(tmp_path / f"out.{suffix}").times == [Fraction(s, 1000) for s in stamps]


def test_ntsc_time_is_exact(tmp_path: Path) -> None:
    source = make_film(
        tmp_path / "in.mp4", count=20, pts=list(range(20)), time_base=Fraction(1001, 30000), rate=30
    )
    copy(source, tmp_path / "out.mp4")
    after = look(tmp_path / "out.mp4")
    assert after.times == [Fraction(1001 * i, 30000) for i in range(20)]
    # MP4 keeps the length of what was coded last, which need not be what is shown last.
    assert abs(after.duration - look(source).duration) <= Fraction(2, 30000)


def test_an_uneven_film_does_not_go_into_avi(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", pts=[0, 40, 41, 42, 80], time_base=Fraction(1, 1000))
    with pytest.raises(UsageError, match="cannot hold the timing"):
        copy(source, tmp_path / "out" / "out.avi")
    assert list((tmp_path / "out").iterdir()) == []


TAGS = {
    "bt709": (1, 1, 1, 1),
    "bt601": (6, 6, 6, 1),
    "full range": (1, 1, 1, 2),
    "hlg": (9, 18, 9, 1),
    "untagged": (2, 2, 2, 0),
}


@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS.keys())
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_colour_tags_survive(codec: str, tags: tuple[int, int, int, int], tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    source = make_film(tmp_path / "in.mp4", codec=codec, tags=tags, options=options, count=4)
    copy(source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").tags == look(source).tags
    assert worst_psnr(source, tmp_path / "out.mp4") > 34


# Pure red in 8-bit limited BT.601 and BT.709 and in full range, from the standards' equations.
@pytest.mark.parametrize(
    ("matrix", "span", "yuv"),
    [
        (6, 1, (81, 90, 240)),
        (1, 1, (63, 102, 240)),
        (6, 2, (76, 85, 255)),
        (1, 2, (54, 99, 255)),
        (9, 1, (74, 97, 240)),
    ],
)
def test_rgb_follows_matrix_and_range(matrix: int, span: int, yuv: tuple[int, int, int]) -> None:
    tags = ColourTags(matrix, 1, 1, span)
    planes = np.concatenate([np.full((64, 64), yuv[0]), np.full((16, 64), yuv[1]), np.full((16, 64), yuv[2])])
    frame = VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv420p")
    red = ToRGB(tags)(frame).pixels
    assert np.abs(red.astype(int) - (255, 0, 0)).max() <= 3
    back = FromRGB("yuv420p", tags)(np.tile(np.uint8([255, 0, 0]), (64, 64, 1)), None).to_ndarray()
    assert np.abs(back.astype(int) - planes).max() <= 1


@pytest.mark.parametrize(("height", "luma"), [(64, 81), (720, 63)])
def test_untagged_colour_goes_by_the_height(height: int, luma: int) -> None:
    red = np.tile(np.uint8([255, 0, 0]), (height, 64, 1))
    assert abs(int(FromRGB("yuv420p", ColourTags())(red, None).to_ndarray()[5, 5]) - luma) <= 1


@pytest.mark.parametrize(
    "name",
    [
        "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv440p", "nv12", "yuv420p10le", "yuv422p10le",
        "yuv444p10le", "yuv420p12le", "p010le", "gbrp", "gbrp10le", "rgb24", "bgra", "yuva420p", "rgba64le",
    ],
)  # fmt: skip
@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (6, 6, 6, 2), (2, 2, 2, 0)])
def test_rgb_survives_every_pixel_format(name: str, tags: tuple[int, int, int, int]) -> None:
    from omote.media.colour import depth

    there = FromRGB(name, ColourTags(tags[2], tags[0], tags[1], tags[3]))
    back = ToRGB(ColourTags(tags[2], tags[0], tags[1], tags[3]))
    pixels = texture(96, 128)
    if depth(name) > 8:
        pixels = pixels.astype(np.uint16) * 257
    assert psnr(back(there(pixels, None)).pixels, pixels) > 38


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix", "expected"),
    [
        ("libx264", "yuv420p10le", "mp4", ("h264", "yuv420p10le")),
        ("libx264", "yuv422p", "mkv", ("h264", "yuv422p")),
        ("libx265", "yuv444p10le", "mp4", ("hevc", "yuv444p10le")),
        ("libx265", "yuv420p12le", "mkv", ("hevc", "yuv420p12le")),
        ("libsvtav1", "yuv420p10le", "webm", ("av1", "yuv420p10le")),
        ("prores_ks", "yuv422p10le", "mov", ("prores", "yuv422p10le")),
        ("ffv1", "yuv444p16le", "mkv", ("ffv1", "yuv444p16le")),
        ("libx265", "yuv420p10le", "webm", ("av1", "yuv420p10le")),  # VP9 here has 8 bits only
        ("mpeg4", "yuv420p", "mp4", ("h264", "yuv420p")),
        ("mjpeg", "yuvj420p", "avi", ("mjpeg", "yuvj420p")),
    ],
)
def test_codec_depth_and_chroma_are_kept(
    codec: str, pixel_format: str, suffix: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    middle = {"mpeg4": "avi", "mjpeg": "avi"}.get(codec, "mov" if codec == "prores_ks" else "mkv")
    source = make_film(
        tmp_path / f"in.{middle}", codec=codec, pixel_format=pixel_format, options=options,
        count=5, size=(128, 96), time_base=Fraction(1, 25), pts=list(range(5)),
    )  # fmt: skip
    _, writer = copy(source, tmp_path / f"out.{suffix}")
    after = look(tmp_path / f"out.{suffix}")
    assert (after.codec, after.pixel_format) == expected
    assert not any("bits" in w for w in writer.warnings)
    assert worst_psnr(source, tmp_path / f"out.{suffix}") > 34


def test_lost_depth_is_named(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", pixel_format="yuv420p10le", count=3)
    _, writer = copy(source, tmp_path / "out.webm", codec="vp9")
    assert writer.warnings == ["out.webm: with vp9, 10 bits become 8"]


def test_motion_jpeg_is_bt601_whatever_the_source_was(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", tags=(1, 1, 1, 1), count=3, size=(160, 120))
    for suffix in ("avi", "mov", "mkv"):
        copy(source, tmp_path / f"out.{suffix}", codec="mjpeg")
        assert worst_psnr(source, tmp_path / f"out.{suffix}") > 39


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "mov", "avi", "ts"])
def test_odd_sizes_stay_odd(suffix: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", codec="ffv1", size=(65, 49), count=3)
    copy(source, tmp_path / f"out.{suffix}")
    info = probe(tmp_path / f"out.{suffix}")
    assert (info.width, info.height) == (65, 49)
    assert worst_psnr(source, tmp_path / f"out.{suffix}") > 34


def test_transparency_survives_vp9_and_prores(tmp_path: Path) -> None:
    for codec, pixel_format, suffix in (
        ("libvpx-vp9", "yuva420p", "webm"),
        ("prores_ks", "yuva444p10le", "mov"),
    ):
        source = tmp_path / f"in.{suffix}"
        with av.open(str(source), "w") as out:
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
            stream.metadata["alpha_mode"] = "1"
            for i in range(4):
                alpha = np.full((48, 64), 255, np.uint8)
                alpha[:, : 8 * (i + 1)] = 0
                frame = VideoFrame.from_ndarray(np.dstack([texture(seed=i), alpha]), format="rgba")
                frame = frame.reformat(format=pixel_format)
                frame.pts = i
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        copy(source, tmp_path / f"out.{suffix}")
        frames = list(VideoReader(tmp_path / f"out.{suffix}"))
        top = np.iinfo(frames[0].pixels.dtype).max
        assert probe(tmp_path / f"out.{suffix}").alpha
        for i, frame in enumerate(frames):
            assert frame.alpha is not None
            assert frame.alpha[:, : 8 * i + 4].max(initial=0) < top * 0.1
            assert frame.alpha[:, 8 * i + 12 :].min() > top * 0.9
    _, writer = copy(tmp_path / "in.webm", tmp_path / "flat.mp4")
    assert writer.warnings == ["flat.mp4: with vp9, transparency is lost"]
    assert next(iter(VideoReader(tmp_path / "flat.mp4"))).pixels[:, :4].min() > 245  # laid on white


def test_hdr_data_survives(tmp_path: Path) -> None:
    light = (
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    )
    source = make_film(
        tmp_path / "in.mp4", codec="libx265", pixel_format="yuv420p10le", tags=(9, 16, 9, 1), count=4,
        options={"x265-params": f"log-level=none:hdr10=1:{light}"},
    )  # fmt: skip
    wanted = probe(source).extra["hdr"]
    assert wanted.luminance == (Fraction(1, 10_000), 1000)
    assert wanted.light == (1000, 400)
    for name, codec in (("a.mp4", None), ("b.mkv", "x264"), ("c.mkv", "av1")):
        _, writer = copy(source, tmp_path / name, codec=codec)
        info = probe(tmp_path / name)
        assert writer.warnings == []
        assert info.colour == probe(source).colour
        assert info.bit_depth == 10
        found = info.extra["hdr"]
        assert found.light == wanted.light
        for old, new in zip(wanted.primaries, found.primaries, strict=True):
            assert [float(v) for v in new] == pytest.approx([float(v) for v in old], abs=1e-4)
        assert float(found.luminance[1]) == pytest.approx(1000)
    _, writer = copy(source, tmp_path / "d.mov", codec="prores")
    assert any("HDR" in w for w in writer.warnings)


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_rotation_is_baked_in(turn: int, tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", rotation=turn, count=3, size=(64, 48))
    frame = next(iter(VideoReader(source)))
    plain = next(iter(VideoReader(make_film(tmp_path / "plain.mp4", count=3, size=(64, 48)))))
    assert psnr(frame.pixels, np.ascontiguousarray(np.rot90(plain.pixels, turn // 90))) > 36
    copy(source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").rotation == 0
    assert probe(tmp_path / "out.mp4").rotation == 0
    assert worst_psnr(source, tmp_path / "out.mp4") > 36


@pytest.mark.parametrize("name", [e.name for e in ENCODERS.values() if not e.hardware])
def test_quality_and_preset_reach_every_encoder(name: str, tmp_path: Path) -> None:
    entry = ENCODERS[name]
    suffix = {"prores": "mov", "mpeg4": "avi", "mjpeg": "avi"}.get(name, "mkv")
    source = make_film(tmp_path / "in.mkv", count=6, size=(160, 120))
    sizes = {}
    for quality in (10, 60, 95):
        target = tmp_path / f"{quality}.{suffix}"
        copy(source, target, codec=name, quality=quality, preset="superfast")
        assert look(target).codec == entry.family
        sizes[quality] = target.stat().st_size
    if name == "ffv1":
        assert worst_psnr(source, tmp_path / f"95.{suffix}") > 48  # only the way through RGB is not exact
    else:
        assert sizes[10] < sizes[60] < sizes[95]


@pytest.mark.parametrize("preset", ["ultrafast", "medium", "veryslow"])
@pytest.mark.parametrize("name", ["x264", "x265", "vp9", "av1"])
def test_presets_open(name: str, preset: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", count=2)
    copy(source, tmp_path / "out.mkv", codec=name, preset=preset)


def test_encoders_that_are_listed_open() -> None:
    names = {e.name for e in available_encoders()}
    assert {"x264", "x265", "vp9", "av1", "prores", "ffv1"} <= names


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("out.mp4", {"codec": "nonsense"}, "unknown codec 'nonsense'"),
        ("out.webm", {"codec": "x264"}, "do not hold H.264"),
        ("out.mp4", {"quality": 101}, "between 0 and 100"),
        ("out.mp4", {"preset": "warp"}, "unknown preset 'warp'"),
        ("out.xyz", {}, "unknown kind of film '.xyz'"),
        ("out.gif", {"codec": "x264"}, "takes no --codec"),
    ],
)
def test_wrong_wishes_are_refused_before_any_work(
    name: str, options: dict, words: str, tmp_path: Path
) -> None:
    source = make_film(tmp_path / "in.mp4", count=2)
    folder = tmp_path / "out"
    folder.mkdir()
    with VideoReader(source) as reader, pytest.raises(UsageError, match=words) as caught:
        VideoWriter(folder / name, reader, **options)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


def test_spans_count_from_the_beginning_of_the_film(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=50)
    for start, end in ((None, 0.5), (0.5, None), (0.52, 1.0), (1.2, 9.0)):
        with VideoReader(source, start=start, end=end) as reader:
            frames = list(reader)
        stamps = [Fraction(i, 25) for i in range(50) if (start or 0) <= i / 25 < (end or 99)]
        assert [f.pts * f.time_base for f in frames] == [s - stamps[0] for s in stamps]
        assert [f.index for f in frames] == list(range(len(stamps)))
    whole = list(VideoReader(source))
    part = next(iter(VideoReader(source, start=1.2)))
    assert (part.pixels == whole[30].pixels).all()


@pytest.mark.parametrize(("start", "end"), [(-1, None), (2, 1), (0, 0), (99, None)])
def test_impossible_spans_are_refused(start: float, end: float | None, tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=5)
    with pytest.raises(UsageError):
        VideoReader(source, start=start, end=end)


def test_frames_check_their_arrays(tmp_path: Path) -> None:
    good = Frame(texture(), 0, Fraction(1, 25), 0)
    assert good.with_pixels(texture(seed=1)).pts == 0
    with pytest.raises(ValueError, match="pixels must be"):
        good.with_pixels(texture().astype(np.float32))
    with pytest.raises(ValueError, match="alpha must be"):
        good.with_pixels(texture(), np.zeros((3, 3), np.uint8))
    source = make_film(tmp_path / "in.mp4", count=2)
    with (
        VideoReader(source) as reader,
        pytest.raises(UsageError, match=r"has 32 x 32 pixels, the film 64 x 48"),
        VideoWriter(tmp_path / "out.mp4", reader) as writer,
    ):
        writer.write(Frame(texture(32, 32), 0, Fraction(1, 25), 0))


def test_a_picture_track_that_changes_size_is_refused(tmp_path: Path) -> None:
    one = make_film(tmp_path / "a.ts", count=10, size=(64, 48))
    other = make_film(tmp_path / "b.ts", count=10, size=(96, 64))
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + other.read_bytes())
    with pytest.raises(InputError, match="changes its size from 64 x 48 to 96 x 64"):
        list(VideoReader(both))
