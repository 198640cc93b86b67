"""Films cut, encoded piece by piece and joined: the same frames, and the same file in all but coding."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from omote.errors import InputError, UsageError
from omote.faces.face import Face
from omote.media import MediaInfo, VideoReader, VideoWriter, probe
from omote.media.cutting import CutFilm, Segment, SegmentReader, cut_film
from omote.media.pieces import Encoding, PieceWriter, join
from omote.media.sealed import SealedFile, SealedWriter
from omote.pipelines import JobFolder, SwapSettings
from omote.pipelines.cuts import Seen, thumbnail
from omote.pipelines.found import pack_seen, unpack_seen
from omote.pipelines.meant import Role, meant_faces
from omote.pipelines.segments import FilmOrder, swap_tasks
from tests.media_files import look, make_film
from tests.shared_data import SHARED, needs_shared
from tests.synthetic import posed_face

EDGE = SHARED / "media" / "video" / "edge"
EDGE_FILMS = [
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


def one_pass(source: Path, out: Path, start: float | None = None, end: float | None = None, **how: Any):
    """What the pieces are measured by: every frame through reader and writer, untouched."""
    with VideoReader(source, start=start, end=end) as reader, VideoWriter(out, reader, **how) as writer:
        for frame in reader:
            writer.write(frame)
    return writer.warnings


def make_pieces(film: CutFilm, encoding: Encoding, folder: Path) -> list[Path]:
    """A piece of every segment."""
    pieces = [folder / f"{number}.piece" for number in range(len(film.segments))]
    for segment, piece in zip(film.segments, pieces, strict=True):
        with SegmentReader(film, segment) as reader, PieceWriter(piece, film, encoding) as writer:
            for frame in reader:
                writer.write(frame)
            writer.flush()
            writer.seal({})
    return pieces


def in_pieces(source: Path, out: Path, seconds: float, start=None, end=None, **how: Any) -> list[str]:
    """The same film, cut and joined."""
    film = cut_film(probe(source), seconds=seconds, start=start, end=end)
    assert len(film.segments) > 1
    encoding = Encoding(out, **how)
    folder = out.with_name(out.name + ".pieces")
    folder.mkdir()
    return join(make_pieces(film, encoding, folder), film, encoding)


def seen(frames: Iterable[Any]) -> list[tuple[Any, ...]]:
    return [(frame.pts, frame.duration, frame.pixels.tobytes()) for frame in frames]


def require_same_frames(path: Path, seconds: float, **span: float) -> CutFilm:
    """Segments must give what a reader of the whole gives, bit for bit."""
    film = cut_film(probe(path), seconds=seconds, **span)
    parts: list[tuple[Any, ...]] = []
    for segment in film.segments:
        with SegmentReader(film, segment) as reader:
            part = seen(replace(frame, pts=frame.pts - film.shift) for frame in reader)
        assert len(part) == segment.frames
        parts += part
    with VideoReader(path, **span) as reader:
        assert parts == seen(reader)
    return film


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b-frames.mp4", "libx264", {"bf": "3", "g": "12"}),
        ("one-group.mp4", "libx264", {"bf": "2", "g": "1000", "sc_threshold": "0"}),
        ("open.mkv", "libx264", {"g": "10", "x264-params": "open-gop=1:bframes=3:b-adapt=0"}),
        ("stream.ts", "libx264", {"g": "12", "bf": "2"}),
        ("open.mp4", "libx265", {"x265-params": "log-level=none:keyint=10:open-gop=1"}),
        (
            "hidden.webm",
            "libvpx-vp9",
            {"g": "15", "lag-in-frames": "10", "auto-alt-ref": "1", "cpu-used": "8"},
        ),
        ("counted.avi", "mpeg4", {"g": "8"}),
        ("old.mkv", "mpeg2video", {"g": "9", "bf": "2"}),
    ],
)
def test_segments_hold_the_frames_of_the_film(name: str, codec: str, options: dict, tmp_path: Path):
    base = Fraction(1, 25) if codec.startswith("mpeg") else Fraction(1, 600)
    path = make_film(tmp_path / name, codec=codec, count=50, options=options, time_base=base)
    require_same_frames(path, 0.4)
    require_same_frames(path, 0.3, start=0.5, end=1.5)


def test_a_film_is_cut_at_key_frames_where_there_are_some(tmp_path: Path):
    options = {"g": "12", "keyint_min": "12", "sc_threshold": "0"}
    film = cut_film(probe(make_film(tmp_path / "keys.mp4", count=60, options=options)), seconds=0.4)
    # Ten frames were asked for; every twelfth is a key frame.
    assert [segment.frames for segment in film.segments] == [12] * 5
    options = {"g": "1000", "keyint_min": "1000", "sc_threshold": "0"}
    film = cut_film(probe(make_film(tmp_path / "none.mp4", count=60, options=options)), seconds=0.4)
    assert [segment.frames for segment in film.segments] == [10] * 6
    assert film.segments[0].stamps[0] is None
    assert film.segments[-1].stamps[1] is None
    for one, other in itertools.pairwise(film.segments):
        assert one.stamps[1] == other.stamps[0]


@pytest.mark.parametrize("name", ["bare.h264", "stream.mpg"])
def test_a_film_that_cannot_be_jumped_in_is_one_segment(name: str, tmp_path: Path):
    codec = "libx264" if name.endswith("h264") else "mpeg2video"
    path = make_film(tmp_path / name, codec=codec, count=30, options={"g": "5"}, time_base=Fraction(1, 25))
    film = cut_film(probe(path), seconds=0.2)
    assert len(film.segments) == 1
    with SegmentReader(film, film.segments[0]) as reader:
        assert len(list(reader)) == 30


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "x264"),
        ("b.mp4", "x265"),
        ("c.mkv", "vp9"),
        ("d.mp4", "av1"),
        ("e.mov", "prores"),
        ("f.mkv", "ffv1"),
        ("g.avi", "mpeg4"),
        ("h.mov", "mjpeg"),
        ("i.ts", "x264"),
    ],
)
def test_joined_pieces_are_the_film_of_one_pass(name: str, codec: str, tmp_path: Path):
    source = make_film(tmp_path / "in.mkv", count=40, extras=True, time_base=Fraction(1, 1000), size=(80, 64))
    one, other = tmp_path / "one" / name, tmp_path / "other" / name
    for path in (one, other):
        path.parent.mkdir()
    warnings = one_pass(source, one, codec=codec, preset="ultrafast")
    assert in_pieces(source, other, 0.4, codec=codec, preset="ultrafast") == warnings
    assert look(other) == look(one)
    if codec in ("ffv1", "prores", "mjpeg"):  # each picture is coded by itself
        assert seen(VideoReader(other)) == seen(VideoReader(one))


@pytest.mark.parametrize("codec", ["x264", "x265", "vp9", "av1"])
def test_the_same_frames_give_the_same_bits(codec: str, tmp_path: Path):
    source = make_film(tmp_path / "in.mkv", count=24, size=(320, 180), codec="ffv1")
    made = set()
    for number in range(4):
        out = tmp_path / f"{number}.mkv"
        one_pass(source, out, codec=codec, preset="veryfast")
        with av.open(str(out)) as film:
            made.add(tuple(bytes(packet) for packet in film.demux(video=0)))
    assert len(made) == 1


@pytest.mark.parametrize("stamps", [[0, 10, 300, 301, 302, 900, 950], [40, 90, 91, 92, 200, 777, 778]])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_uneven_timing_goes_over(stamps: list[int], suffix: str, tmp_path: Path):
    source = make_film(tmp_path / f"in{suffix}", pts=stamps, time_base=Fraction(1, 1000))
    one_pass(source, tmp_path / f"one{suffix}", preset="medium")
    in_pieces(source, tmp_path / f"out{suffix}", 0.1, preset="medium")
    before, after = look(tmp_path / f"one{suffix}"), look(tmp_path / f"out{suffix}")
    assert after.times == before.times == [Fraction(stamp, 1000) for stamp in stamps]
    if suffix == ".mkv":  # MP4 says how long a frame is decoded for, which reordering changes
        assert after.duration == before.duration


@needs_shared
@pytest.mark.parametrize("name", EDGE_FILMS)
def test_awkward_films_keep_everything_in_pieces(name: str, tmp_path: Path):
    source, span = EDGE / name, {"start": 0.7, "end": 1.7}
    one, other = tmp_path / "one" / name, tmp_path / "other" / name
    for path in (one, other):
        path.parent.mkdir()
    how = {"preset": "ultrafast", "quality": 60}
    warnings = one_pass(source, one, **span, **how)
    assert in_pieces(source, other, 0.4, **span, **how) == warnings
    assert look(other) == look(one)


def test_what_avi_cannot_hold_is_found_between_pieces_too(tmp_path: Path):
    source = make_film(tmp_path / "in.mkv", pts=[0, 40, 80, 120, 121, 160], time_base=Fraction(1, 1000))
    with pytest.raises(UsageError, match="cannot hold the timing"):
        in_pieces(source, tmp_path / "out.avi", 0.1)
    assert not (tmp_path / "out.avi").exists()


def test_pieces_of_another_encoder_are_refused(tmp_path: Path):
    source = make_film(tmp_path / "in.mp4", count=20)
    film = cut_film(probe(source), seconds=0.4)
    mixed = []
    for preset in ("ultrafast", "medium"):
        (tmp_path / preset).mkdir()
        mixed.append(make_pieces(film, Encoding(tmp_path / "out.mp4", preset=preset), tmp_path / preset))
    with pytest.raises(InputError, match="another version of the encoder"):
        join([mixed[0][0], mixed[1][1]], film, Encoding(tmp_path / "out.mp4", preset="ultrafast"))
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 0.99])
def test_a_damaged_or_missing_piece_is_named(place: float, tmp_path: Path):
    source = make_film(tmp_path / "in.mp4", count=20)
    film = cut_film(probe(source), seconds=0.4)
    encoding = Encoding(tmp_path / "out.mp4")
    pieces = make_pieces(film, encoding, tmp_path)
    data = bytearray(pieces[1].read_bytes())
    data[int(len(data) * place)] ^= 1
    pieces[1].write_bytes(data)
    with pytest.raises(InputError, match=r"^[^\n]*1\.piece: damaged; --resume makes it again$"):
        join(pieces, film, encoding)
    pieces[1].write_bytes(data[: int(len(data) * place)])
    with pytest.raises(InputError, match=r"1\.piece: damaged"):
        join(pieces, film, encoding)
    pieces[1].unlink()
    with pytest.raises(InputError, match=r"1\.piece: cannot be read"):
        join(pieces, film, encoding)
    with SealedWriter(pieces[1]) as other:
        other.seal({"stamps": []})
    with pytest.raises(InputError, match=r"1\.piece: is no piece of a film"):
        join(pieces, film, encoding)
    assert not (tmp_path / "out.mp4").exists()


def test_a_sealed_file_appears_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    with SealedWriter(path) as file:
        file.add(b"left alone")
    assert list(path.parent.iterdir()) == []
    with SealedWriter(path) as file:
        file.add(b"one")
        file.add(b"")
        file.seal({"a": [1, None]})
    sealed = SealedFile(path)
    sealed.require_whole()
    assert (list(sealed.records()), sealed.head) == ([b"one", b""], {"a": [1, None]})
    for size in (0, 10, 60, path.stat().st_size - 1):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(InputError, match=": damaged"):
            SealedFile(path).require_whole()


def test_segments_know_the_whole_film(tmp_path: Path):
    """Who is followed and how much a face trembles does not begin anew with each segment."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(12):
        left, right = posed_face((120, 190), 60), posed_face((320, 190), 60 + 3 * (number >= 5))
        trembling = [replace(face, mesh=face.mesh + rng.normal(0, 0.3, (478, 3))) for face in (left, right)]
        larger_first = [trembling[number >= 5], trembling[number < 5]]
        frames.append(Seen(larger_first, thumbnail(rng.integers(0, 9, (90, 160, 3), np.uint8))))
    folder = JobFolder(tmp_path)
    (tmp_path / "faces").mkdir()
    pieces = [range(3), range(3, 6), range(6, 7), range(7, 12)]
    for number, piece in enumerate(pieces):
        with SealedWriter(folder.faces(number)) as file:
            file.add(pack_seen([frames[place] for place in piece]))
            file.seal({"stamps": [10 * place for place in piece]})
    film = CutFilm(MediaInfo(Path("film"), "film", "", "", 1, 1), tuple(Segment((0, 0), 0) for _ in pieces))
    order = FilmOrder((), SwapSettings(), film, folder, Encoding(Path("out.mp4")))
    tasks = list(swap_tasks(order, SimpleNamespace(largest=True, cast=lambda found, path: None)))
    assert [task.number for task in tasks] == [0, 1, 2, 3]
    meant = [item for task in tasks for item in task.meant]
    expected = list(meant_faces(((10 * place, seen) for place, seen in enumerate(frames)), largest=True))
    assert [stamp for stamp, _ in meant] == [stamp for stamp, _ in expected] == list(range(0, 120, 10))
    for (_, one), (_, other) in zip(meant, expected, strict=True):
        assert one.faces[0].box[0] < 200
        assert np.array_equal(one.faces[0].mesh, other.faces[0].mesh)
        assert one.roles == other.roles == [Role()]


def test_found_faces_come_back_as_they_were():
    plain = Face(box=np.array([1, 2, 3, 4.5]), score=0.1 + 0.2, points=np.arange(10).reshape(5, 2))
    full = replace(
        posed_face(),
        pose=(1.5, -2.25, 3.1),
        landmarks=np.ones((68, 2), np.float32),
        embedding=np.full(4, 0.5, np.float32),
        track=3,
    )
    frames = [[], [plain, full], [], [full]]
    small = [np.full((18, 32, 3), number, np.uint8) for number in range(4)]
    back = unpack_seen(pack_seen([Seen(*pair) for pair in zip(frames, small, strict=True)]))
    assert [len(seen.faces) for seen in back] == [0, 2, 0, 1]
    assert all(np.array_equal(seen.thumbnail, one) for seen, one in zip(back, small, strict=True))
    faces = [seen.faces for seen in back]
    for old, new in zip(itertools.chain(*frames), itertools.chain(*faces), strict=True):
        for name in Face.__slots__:
            a, b = getattr(old, name), getattr(new, name)
            assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b, name
            assert type(a) is type(b)
    with pytest.raises(InputError):
        unpack_seen(b"no faces")
