"""Resolution boost: an exact inverse, the right pixels, one batch for all sub-pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omote.engines.oneshot.boost import LARGEST, boosted_parts, join, split
from omote.errors import UsageError


@given(st.integers(1, 9), st.integers(1, 7), st.integers(1, 7), st.integers(1, 4), st.integers(0, 99))
def test_join_is_the_exact_inverse(parts: int, height: int, width: int, channels: int, seed: int) -> None:
    shape = (channels, parts * height, parts * width)
    pixels = np.random.default_rng(seed).random(shape, np.float32)
    pieces = split(pixels, parts)
    assert pieces.shape == (parts**2, channels, height, width)
    np.testing.assert_array_equal(join(pieces), pixels)


@given(st.integers(1, 6), st.integers(1, 5), st.data())
def test_every_pixel_goes_where_the_paper_says(parts: int, size: int, data: st.DataObject) -> None:
    y, x = (data.draw(st.integers(0, parts * size - 1)) for _ in range(2))
    pixels = np.zeros((3, parts * size, parts * size), np.float32)
    pixels[:, y, x] = 1
    pieces = split(pixels, parts)
    assert pieces.sum() == 3
    assert pieces[(y % parts) * parts + x % parts, :, y // parts, x // parts].sum() == 3


def test_boost_is_a_multiple_of_the_size() -> None:
    assert boosted_parts("a", 128, None) == 1
    assert boosted_parts("a", 128, 128) == 1
    assert boosted_parts("a", 128, 1024) == 8
    for boost in (0, -128, 64, 200):
        with pytest.raises(UsageError, match=rf"a: boost {boost} is no multiple of its 128 pixels"):
            boosted_parts("a", 128, boost)


def test_boost_has_a_limit() -> None:
    assert boosted_parts("a", 128, LARGEST) == 32
    with pytest.raises(UsageError, match="a: boost 128000 is too large: give at most 4096 pixels"):
        boosted_parts("a", 128, 128000)
