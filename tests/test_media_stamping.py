"""Marks enter the luma of every frame on its way to the encoder, and nothing else."""

from pathlib import Path

import av
import numpy as np
import pytest

from omote.media import Picture, VideoReader, VideoWriter, save_image
from omote.media.atomic import AtomicFile
from omote.media.stamping import has_luma_plane
from tests.media_files import make_film


class Brighter:
    """A mark that anybody can see: luma is 8 of 255 levels higher."""

    def mark(self, pixels):
        step = 8 if pixels.dtype == np.uint8 else 8 * 257
        return np.minimum(pixels, np.iinfo(pixels.dtype).max - step) + pixels.dtype.type(step)

    def mark_luma(self, plane, peak, *, full_range):
        assert plane.max() <= peak
        step = round((peak + 1) / 256 * (8 if full_range else 8 * 219 / 255))
        return np.minimum(plane, peak - step) + plane.dtype.type(step)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yuv420p", True),
        ("yuvj420p", True),
        ("yuv422p10le", True),
        ("yuva444p10le", True),
        ("nv12", True),
        ("gray", True),
        ("gray10le", True),
        ("p010le", False),  # its 10 bits lie in the upper bits of 16
        ("yuyv422", False),
        ("yuv420p10be", False),
        ("gbrp", False),
        ("rgb24", False),
        ("pal8", False),
    ],
)
def test_luma_is_marked_where_it_has_a_plane_of_its_own(name, expected):
    assert has_luma_plane(name) is expected


def rewritten(source: Path, target: Path, stamp: Brighter | None, codec: str | None) -> np.ndarray:
    """The film as a swap writes it in which nothing is swapped; its pictures as they are decoded."""
    with VideoReader(source) as reader, VideoWriter(target, reader, codec=codec, stamp=stamp) as writer:
        for frame in reader:
            writer.write(frame.with_pixels(frame.pixels, changed=(0, 0, 0, 0)))
    with VideoReader(target) as made:
        return np.stack([frame.pixels for frame in made])


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "out"),
    [
        ("a.mkv", "ffv1", "yuv420p", "b.mkv"),
        ("a.mov", "png", "rgb24", "b.mkv"),
        ("a.mkv", "ffv1", "yuv422p10le", "b.mkv"),
        ("a.mp4", "libx264", "yuv420p", "b.mp4"),
        ("a.mp4", "libx264", "yuv420p", "b.apng"),
        ("a.mp4", "libx264", "yuv420p", "b.webp"),
        ("a.mp4", "libx264", "yuv420p", "b.gif"),
    ],
)
def test_every_frame_is_marked(tmp_path, name, codec, pixel_format, out):
    source = tmp_path / name
    with av.open(str(source), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        rng = np.random.default_rng(0)
        for _ in range(5):
            picture = np.full((48, 64, 3), 100, np.uint8) + rng.integers(0, 4, (48, 64, 1), np.uint8) * 12
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    wanted = "ffv1" if out == "b.mkv" else None
    plain = rewritten(source, tmp_path / f"plain-{out}", None, wanted).astype(float)
    marked = rewritten(source, tmp_path / f"marked-{out}", Brighter(), wanted).astype(float)
    scale = 257 if plain.max() > 255 else 1
    assert len(marked) == 5
    np.testing.assert_allclose((marked - plain).mean((1, 2)), 8 * scale, atol=0.6 * scale)


def test_what_is_marked_is_a_copy_of_the_decoded_frame(tmp_path):
    source = make_film(tmp_path / "a.mkv", codec="ffv1", options={})
    with VideoReader(source) as reader, VideoWriter(tmp_path / "b.mkv", reader, stamp=Brighter()) as writer:
        for frame in reader:
            before = frame.coded.to_ndarray().copy()
            writer.write(frame.with_pixels(frame.pixels, changed=(0, 0, 0, 0)))
            np.testing.assert_array_equal(frame.coded.to_ndarray(), before)


def signed_beside(target: Path, calls: list[bytes]):
    def publish(finished: Path) -> None:
        calls.append(finished.read_bytes())
        with AtomicFile(target) as file:
            file.path.write_bytes(calls[-1] + b"signed")

    return publish


def test_publishing_takes_the_place_of_the_rename(tmp_path):
    source = make_film(tmp_path / "a.mp4")
    film, photo = tmp_path / "b.mp4", tmp_path / "b.png"
    before = set(tmp_path.iterdir())
    seen: list[bytes] = []
    with (
        VideoReader(source) as reader,
        VideoWriter(film, reader, publish=signed_beside(film, seen)) as writer,
    ):
        for frame in reader:
            writer.write(frame)
            pixels = frame.pixels
    save_image(photo, Picture(pixels), publish=signed_beside(photo, seen))
    assert [film.read_bytes(), photo.read_bytes()] == [content + b"signed" for content in seen]
    assert set(tmp_path.iterdir()) == before | {film, photo}


def test_what_cannot_be_published_leaves_nothing(tmp_path):
    def refuse(finished: Path) -> None:
        assert finished.stat().st_size
        raise ZeroDivisionError

    before = set(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError):
        save_image(tmp_path / "b.png", Picture(np.zeros((8, 8, 3), np.uint8)), publish=refuse)
    source = make_film(tmp_path / "a.mp4")
    reader = VideoReader(source)
    with (
        pytest.raises(ZeroDivisionError),
        reader,
        VideoWriter(tmp_path / "b.mp4", reader, publish=refuse) as writer,
    ):
        for frame in reader:
            writer.write(frame)
    assert set(tmp_path.iterdir()) == before | {source}
