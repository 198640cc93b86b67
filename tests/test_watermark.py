"""The mark in pictures and frames: unseen, found again after what files go through, and never where it is
not."""

import cv2
import numpy as np
import pytest

from omote.errors import InputError, UsageError
from omote.trust.watermark import PROVIDER, SMALLEST, Watermark, find_mark, new_identifier
from omote.trust.watermark.detect import false_alarm

IDENTIFIER = 0x01A1B2C3D4E5


def scene(height: int = 360, width: int = 480, seed: int = 0) -> np.ndarray:
    """A smooth sky over textured ground, RGB uint8."""
    rng = np.random.default_rng(seed)
    ground = sum(
        cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), s) * s * 25
        for s in (1, 3, 9)
    )
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    luma = 190 - 90 * down + ground * (down > 0.4)
    return np.clip(np.stack([luma * 0.95, luma, luma * 1.05], axis=-1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def marked() -> np.ndarray:
    return Watermark(IDENTIFIER).mark(scene())


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(
        cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
    )


def turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC)


def scaled(pixels: np.ndarray, by: float) -> np.ndarray:
    return cv2.resize(pixels, None, fx=by, fy=by, interpolation=cv2.INTER_AREA if by < 1 else cv2.INTER_CUBIC)


PROCESSES = {
    "nothing": lambda p: p,
    "JPEG of quality 50": lambda p: jpeg(p, 50),
    "half": lambda p: scaled(p, 0.5),
    "1.6 times": lambda p: scaled(p, 1.6),
    "crop": lambda p: p[51 : 51 + 252, 77 : 77 + 336],
    "turned by 3 degrees": lambda p: turned(p, 3),
    "turned by -1.3 degrees": lambda p: turned(p, -1.3),
    "flipped": lambda p: p[:, ::-1],
    "brighter": lambda p: np.clip(p * 1.15, 0, 255).astype(np.uint8),
    "darker": lambda p: (p * 0.85).astype(np.uint8),
    "grey": lambda p: cv2.cvtColor(p, cv2.COLOR_RGB2GRAY),
    "16 bits": lambda p: p.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("process", PROCESSES)
def test_the_mark_is_found_after(process: str, marked: np.ndarray) -> None:
    reading = find_mark(PROCESSES[process](marked))
    assert reading is not None
    assert reading.identifier == IDENTIFIER
    assert reading.false_alarm < 1e-6


def test_the_reading_tells_what_happened(marked: np.ndarray) -> None:
    reading = find_mark(np.rot90(scaled(turned(marked, 2), 0.7))[:, ::-1])
    assert reading is not None
    assert reading.scale == pytest.approx(0.7, rel=0.01)
    assert reading.flipped
    straight = find_mark(marked)
    assert straight is not None
    assert (straight.scale, straight.rotation, straight.flipped, straight.corrected) == (1, 0, False, 0)


def test_a_picture_without_mark_gives_nothing() -> None:
    assert find_mark(scene(seed=5)) is None
    assert find_mark(np.zeros((300, 300, 3), np.uint8)) is None


def test_another_key_finds_nothing(marked: np.ndarray) -> None:
    assert find_mark(marked, key=b"mine") is None
    own = Watermark(IDENTIFIER, key=b"mine").mark(scene())
    assert find_mark(own) is None
    reading = find_mark(own, key=b"mine")
    assert reading is not None
    assert reading.identifier == IDENTIFIER


def test_the_mark_is_weak_and_weakest_where_nothing_hides_it(marked: np.ndarray) -> None:
    before = scene()
    assert cv2.PSNR(before, marked) >= 42
    difference = np.abs(marked.astype(int) - before)
    assert difference[:120].max() <= 4
    assert difference[:120].mean() < 0.6 * difference[200:].mean()
    assert (marked[..., 0].astype(int) - before[..., 0] == difference_of(marked, before, 2)).mean() > 0.99


def difference_of(marked: np.ndarray, before: np.ndarray, channel: int) -> np.ndarray:
    return marked[..., channel].astype(int) - before[..., channel]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_marking_keeps_shape_and_depth_and_repeats_itself(dtype: type) -> None:
    picture = scene(301, 263).astype(dtype) * (1 if dtype is np.uint8 else 257)
    first, second = (Watermark(IDENTIFIER).mark(picture) for _ in range(2))
    assert first.dtype == dtype
    assert first.shape == picture.shape
    assert (first == second).all()
    assert 42 < cv2.PSNR((first / np.iinfo(dtype).max * 255), picture / np.iinfo(dtype).max * 255) < 60


@pytest.fixture(scope="module")
def lumas() -> list[np.ndarray]:
    """Of different pictures, 0..1, as in a film that moves."""
    return [scene(256, 320, seed)[..., 1].astype(np.float32) / 255 for seed in range(24)]


@pytest.mark.parametrize(
    ("bits", "full_range"), [(8, False), (8, True), (10, False), (12, True), (16, False)]
)
def test_a_film_is_read_from_the_sum_of_its_frames(
    bits: int, full_range: bool, lumas: list[np.ndarray]
) -> None:
    """Noise hides the mark in one frame, and 24 of them show it."""
    peak = (1 << bits) - 1
    mark, rng = Watermark(IDENTIFIER), np.random.default_rng(3)
    frames = []
    for luma in lumas:
        plane = (luma * peak).astype(np.uint8 if bits == 8 else np.uint16)
        before = plane.copy()
        marked = mark.mark_luma(plane, peak, full_range=full_range)
        assert marked.dtype == plane.dtype
        assert (plane == before).all()
        noisy = marked / peak + rng.normal(0, 20 / 255, plane.shape)
        frames.append(np.clip(noisy * 255, 0, 255).astype(np.uint8))
    reading = find_mark(frames)
    assert reading is not None
    assert reading.identifier == IDENTIFIER
    if bits == 8:
        assert find_mark(frames[0]) is None


def test_a_film_of_ten_bits_stays_within_its_bits() -> None:
    white = np.full((256, 256), 1023, np.uint16)
    marked = Watermark(IDENTIFIER).mark_luma(white, 1023, full_range=True)
    assert marked.max() == 1023
    assert marked.min() < 1023


@pytest.fixture(scope="module")
def large() -> np.ndarray:
    return Watermark(IDENTIFIER).mark(scene(1700, 1750))


@pytest.mark.parametrize(("by", "part"), [(0.8, 1), (0.25, 1), (1, 0.5)])
def test_a_large_picture_gets_a_doubled_tile_that_is_found(large: np.ndarray, by: float, part: float) -> None:
    height, width = (int(side * part) for side in large.shape[:2])
    reading = find_mark(scaled(large[60 : 60 + height, 90 : 90 + width], by))
    assert reading is not None
    assert reading.identifier == IDENTIFIER
    assert reading.scale == pytest.approx(2 * by, rel=0.01)


@pytest.mark.parametrize(("height", "width"), [(SMALLEST - 1, 400), (400, SMALLEST - 1)])
def test_a_small_picture_is_refused(height: int, width: int) -> None:
    with pytest.raises(UsageError, match=f"{width}×{height}: too small to be marked"):
        Watermark(IDENTIFIER).mark(scene(height, width))


def test_new_identifiers_differ_and_name_the_provider() -> None:
    first, second = new_identifier(), new_identifier()
    assert first != second
    reading = find_mark(Watermark(first).mark(scene()))
    assert reading is not None
    assert (reading.identifier, reading.provider) == (first, PROVIDER)


@pytest.mark.parametrize("identifier", [-1, 1 << 48])
def test_an_identifier_of_more_bits_is_refused(identifier: int) -> None:
    with pytest.raises(UsageError, match="48 bits"):
        Watermark(identifier)


def test_frames_of_different_sizes_and_none_are_refused() -> None:
    with pytest.raises(InputError, match="different sizes"):
        find_mark([scene(), scene(300, 300)])
    with pytest.raises(InputError, match="no frame"):
        find_mark([])


def test_the_bound_of_false_alarms_falls_with_the_score() -> None:
    assert false_alarm(0) == 1
    assert 1 > false_alarm(11) > 1e-6 > false_alarm(11.5) > false_alarm(12) > 0
