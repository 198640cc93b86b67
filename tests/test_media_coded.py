"""What a swap leaves alone reaches the encoder as the decoder gave it."""

from pathlib import Path

import av
import numpy as np
import pytest

from omote.media import ColourTags, VideoReader, VideoWriter, changed_box
from omote.media.coded import planes as planes_of
from omote.media.coded import repaint
from omote.media.colour import FromRGB

SIZES = {"even": (96, 64), "odd": (75, 53)}
BOX = (21, 10, 46, 31)


@pytest.mark.parametrize(
    ("before", "after", "box"),
    [
        ([], [], (0, 0, 0, 0)),
        ([], [(5, 7, 2)], (7, 5, 8, 6)),
        ([], [(0, 0, 0), (29, 39, 1)], (0, 0, 40, 30)),
        ([(3, 3, 0)], [(3, 3, 0)], (0, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_box_of_what_differs(before: list, after: list, box: tuple[int, ...], dtype: type) -> None:
    first, second = np.zeros((2, 30, 40, 3), dtype)
    for place in before:
        first[place] = 256 if dtype == np.uint16 else 1  # a difference in the upper byte alone counts
    for place in after:
        second[place] = 256 if dtype == np.uint16 else 1
    assert changed_box(first, second) == box


def noise(rng: np.random.Generator, pixel_format: str, size: tuple[int, int]) -> av.VideoFrame:
    """A frame of noise, so that every trip through RGB leaves traces."""
    frame = av.VideoFrame(*size, pixel_format)
    for plane in planes_of(frame):
        top = 1023 if plane.dtype == np.uint16 else 255
        plane[:] = rng.integers(0, top, plane.shape)
    return frame


def film(path: Path, pixel_format: str, size: tuple[int, int]) -> Path:
    """A lossless film of noise."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        for _ in range(3):
            container.mux(stream.encode(noise(rng, pixel_format, size)))
        container.mux(stream.encode(None))
    return path


def planes(path: Path) -> list[list[np.ndarray]]:
    with av.open(str(path)) as container:
        return [[plane.copy() for plane in planes_of(frame)] for frame in container.decode(video=0)]


def painted(source: Path, target: Path, told: bool) -> None:
    """Copy a film with a red box in every frame; `told`: the writer knows where it is."""
    with VideoReader(source) as reader, VideoWriter(target, reader, codec="ffv1") as writer:
        for frame in reader:
            pixels = frame.pixels.copy()
            x0, y0, x1, y1 = BOX
            pixels[y0:y1, x0:x1] = (np.iinfo(pixels.dtype).max, 0, 0)
            changed = changed_box(frame.pixels, pixels) if told else None
            writer.write(frame.with_pixels(pixels, changed=changed))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv420p10le", "gray"])
def test_outside_the_box_every_sample_is_the_decoders(pixel_format: str, size: str) -> None:
    width, height = SIZES[size]
    old = noise(np.random.default_rng(1), pixel_format, SIZES[size])
    dtype = planes_of(old)[0].dtype
    pixels = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (height, width, 3), dtype)
    convert = FromRGB(pixel_format, ColourTags(1, 1, 1, 1))
    part, whole = repaint(old, pixels, BOX, convert), convert(pixels, None)
    x0, y0, x1, y1 = BOX[0] // 4 * 4, BOX[1] // 4 * 4, -(-BOX[2] // 4) * 4, -(-BOX[3] // 4) * 4
    assert (part.color_range, part.colorspace) == (1, 1)
    for before, here, everywhere in zip(planes_of(old), planes_of(part), planes_of(whole), strict=True):
        across, down = -(-width // before.shape[1]), -(-height // before.shape[0])
        inside = np.zeros(before.shape, bool)
        inside[y0 // down : -(-y1 // down), x0 // across : -(-x1 // across)] = True
        assert np.array_equal(here[~inside], before[~inside])
        if size == "even" or across == down == 1:  # swscale spreads the chroma of odd sizes unevenly
            assert np.array_equal(here[inside], everywhere[inside])
        assert (here != before).mean() > 0.05


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_the_writer_takes_the_rest_from_the_decoder(tmp_path: Path, pixel_format: str) -> None:
    source = film(tmp_path / "source.mkv", pixel_format, SIZES["even"])
    painted(source, tmp_path / "part.mkv", told=True)
    painted(source, tmp_path / "whole.mkv", told=False)
    old, part, whole = (planes(tmp_path / f"{name}.mkv")[0] for name in ("source", "part", "whole"))
    x0, y0, x1, y1 = BOX
    above = y0 // 4 * 4
    assert np.array_equal(part[0][:above], old[0][:above])
    assert not np.array_equal(whole[0][:above], old[0][:above])  # the trip through RGB leaves traces
    assert np.array_equal(part[0][y0:y1, x0:x1], whole[0][y0:y1, x0:x1])


def test_without_a_change_the_film_is_the_same(tmp_path: Path) -> None:
    source = film(tmp_path / "source.mkv", "yuv420p", SIZES["even"])
    with VideoReader(source) as reader, VideoWriter(tmp_path / "copy.mkv", reader, codec="ffv1") as writer:
        for frame in reader:
            writer.write(frame.with_pixels(frame.pixels, changed=changed_box(frame.pixels, frame.pixels)))
    for before, after in zip(planes(source), planes(tmp_path / "copy.mkv"), strict=True):
        assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_pixels_of_an_unknown_change_are_taken_whole(tmp_path: Path) -> None:
    source = film(tmp_path / "source.mkv", "yuv444p", SIZES["even"])
    with VideoReader(source) as reader, VideoWriter(tmp_path / "grey.mkv", reader, codec="ffv1") as writer:
        for frame in reader:
            frame.pixels[:] = 128  # in place: nobody is told
            writer.write(frame)
    assert all(plane.min() == plane.max() for plane in planes(tmp_path / "grey.mkv")[0])
