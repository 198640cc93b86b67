"""What can be asked of the mask, and how everything asked for is combined."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omote.compose import box_mask
from omote.compose.areas import area_mask
from omote.compose.mask_settings import MaskSettings, parse_padding
from omote.compose.masking import Masking
from omote.compose.masks import soften_inside
from omote.compose.paste import paste
from omote.errors import UsageError
from omote.faces.align import Crop, align
from tests.synthetic import painted, posed_face

SIZE = 100
FACE = posed_face()
CROP = align(painted(FACE), FACE, "ffhq_512", SIZE)
ONES = np.ones((SIZE, SIZE), np.float32)
NEW = np.full((SIZE, SIZE, 3), 0.5, np.float32)
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]


class Says:
    """A mask network that says what it is told to, and remembers what it saw."""

    def __init__(self, mask: np.ndarray, looks_at: str = "target") -> None:
        self.looks_at = looks_at
        self.answer = mask.astype(np.float32)
        self.seen: list[list[np.ndarray]] = []

    def mask(self, crops):
        self.seen.append(list(crops))
        return [self.answer for _ in crops]


def disc(radius: float) -> np.ndarray:
    return (np.hypot(ROWS - 49.5, COLUMNS - 49.5) < radius).astype(np.float32)


def masked(engine: np.ndarray = ONES, maskers=(), crop: Crop = CROP, **asked) -> np.ndarray:
    asked.setdefault("occlusion", ("net",) * len(maskers))
    return Masking(MaskSettings(**asked), maskers).mask(crop, NEW, engine)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("box", MaskSettings()),
        ("face", MaskSettings(box=False, face=True)),
        ("occlusion", MaskSettings(box=False, occlusion=("omote-parse",))),
        (" box , occlusion:xseg_1+xseg_3", MaskSettings(occlusion=("xseg_1", "xseg_3"))),
        ("area:mouth + upper-face", MaskSettings(box=False, areas=("mouth", "upper-face"))),
        ("region,box", MaskSettings(regions=())),
        (
            "box,occlusion,area:mouth,region:skin+nose",
            MaskSettings(occlusion=("omote-parse",), areas=("mouth",), regions=("skin", "nose")),
        ),
    ],
)
def test_text_is_read(text, expected):
    assert MaskSettings.parse(text) == expected


def test_text_and_numbers_go_together():
    read = MaskSettings.parse("box,face", padding=(1, 2, 3, 4), grow=-2, blur=3, parser="pan")
    assert read == MaskSettings(face=True, padding=(1, 2, 3, 4), grow=-2, blur=3, parser="pan")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "mask '': use box, face"),
        ("boxes", "mask 'boxes': use box"),
        ("box:3", "mask 'box:3'"),
        ("area", "mask 'area'"),
        ("area:", "mask 'area:'"),
        ("region:skin+", "mask 'region:skin\\+'"),
        ("area:chin", "area 'chin': use face, upper-face"),
        ("area:mouth,area:face", "area is said twice"),
    ],
)
def test_wrong_text_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        MaskSettings.parse(text)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"padding": (0, 0, 101, 0)}, "padding 101"),
        ({"padding": (0, -1, 0, 0)}, "padding -1"),
        ({"padding": (60, 0, 40, 0)}, "nothing would be left"),
        ({"padding": (0, 50, 0, 50)}, "nothing would be left"),
        ({"padding": (1, 2)}, "top, right, bottom and left"),
        ({"box": False, "padding": (1, 0, 0, 0)}, "add box"),
        ({"edge": 51}, "edge 51"),
        ({"grow": -51}, "grow -51"),
        ({"blur": float("nan")}, "blur nan"),
        ({"blur": 3}, "no edge to act on: add face"),
        ({"grow": -3, "box": False}, "no edge to act on: add face"),
    ],
)
def test_wrong_settings_are_refused(asked, words):
    with pytest.raises(UsageError, match=words):
        MaskSettings(**asked)


def test_padding_is_read():
    assert parse_padding("3") == (3, 3, 3, 3)
    assert parse_padding("3,5") == (3, 5, 3, 5)
    assert parse_padding("1, 2,3 ,4.5") == (1, 2, 3, 4.5)
    for text in ("", "1,2,3", "a", "1,,2"):
        with pytest.raises(UsageError, match=f"^mask padding '{text}': give one, two or four"):
            parse_padding(text)
        with pytest.raises(UsageError, match=f"^detector margin '{text}': give one, two or four"):
            parse_padding(text, "detector margin")


def test_by_default_the_mask_is_that_of_the_engine_in_a_soft_box():
    engine = disc(30) * 0.7
    assert np.array_equal(masked(), box_mask(SIZE, blur=0.05))
    assert np.array_equal(masked(engine), np.minimum(engine, box_mask(SIZE, blur=0.05)))


def test_the_mask_is_the_minimum_of_all_parts():
    left, top = (COLUMNS < 60) * 0.9, (ROWS < 70) * 0.8
    occluder, parser = Says(left), Says(top, "result")
    engine = disc(45)
    found = masked(
        engine, [occluder, parser], face=True, areas=("lower-face",), occlusion=("net",), regions=()
    )
    face, lower = (area_mask(CROP.face, [area], SIZE) for area in ("face", "lower-face"))
    parts = [engine, box_mask(SIZE, blur=0.05), face, lower, left, top]
    assert np.array_equal(found, np.minimum.reduce(parts).astype(np.float32))
    assert found.max() == np.float32(0.8)


@given(st.permutations(range(4)))
@settings(max_examples=12, deadline=None)
def test_the_order_does_not_matter(order):
    says = [Says(disc(40)), Says(COLUMNS / 99), Says(ROWS / 99), Says(0.5 + 0.5 * disc(20))]
    plain = masked(maskers=says, grow=2, blur=3)
    assert np.array_equal(masked(maskers=[says[i] for i in order], grow=2, blur=3), plain)


def test_what_is_kept_stays_the_targets_whatever_grows():
    kept = masked(keep=("mouth", "eyes"), face=True, grow=20)
    free = masked(face=True, grow=20)
    areas = area_mask(CROP.face, ("mouth", "eyes"), CROP.size)
    assert not kept[areas == 1].any()
    assert free[areas == 1].any()
    np.testing.assert_array_equal(kept[areas == 0], free[areas == 0])


def test_several_areas_are_joined_before_they_limit():
    both = masked(areas=("upper-face", "mouth"))
    apart = [masked(areas=(area,)) for area in ("upper-face", "mouth")]
    assert np.all(both >= np.maximum(*apart))
    assert both.sum() > apart[0].sum() > apart[1].sum() > 0


@pytest.mark.parametrize("side", range(4))
def test_padding_empties_its_own_side(side):
    padding = [0.0] * 4
    padding[side] = 20
    mask = masked(padding=tuple(padding))
    turned = np.rot90(mask, side)  # brings top, right, bottom, left to the top
    assert not turned[:20].any()
    assert turned[26:94, 6:94].min() == 1
    assert turned[21:26, 50].min() > 0


def test_edge_is_the_width_of_the_box_edge():
    mask = masked(edge=20)
    assert mask[50, 10] == pytest.approx(0.5, abs=0.05)
    assert mask[50, 21] == 1


@pytest.mark.parametrize(("grow", "change"), [(10, 10), (-10, -10), (3, 3), (-3, -3), (0, 0)])
def test_grow_moves_the_edge(grow, change):
    found = masked(maskers=[Says(disc(25))], grow=grow)
    radius = np.sqrt((found > 0.5).sum() / np.pi)
    assert radius == pytest.approx(25 + change, abs=0.7)


@pytest.mark.parametrize("size", [64, 400])
def test_grow_is_relative_to_the_crop(size):
    face = posed_face()
    crop = align(painted(face), face, "ffhq_512", size)
    rows, columns = np.mgrid[:size, :size] + 0.5
    says = Says(np.hypot(rows - size / 2, columns - size / 2) < 0.25 * size)
    masking = Masking(MaskSettings(occlusion=("net",), grow=10), [says])
    found = masking.mask(crop, np.zeros((size, size, 3), np.float32), np.ones((size, size), np.float32))
    assert np.sqrt((found > 0.5).sum() / np.pi) / size == pytest.approx(0.35, abs=0.01)


def test_grow_stays_within_engine_and_box():
    engine, padding = disc(30), (0.0, 0.0, 0.0, 40.0)
    found = masked(engine, [Says(disc(28))], grow=20, padding=padding)
    assert np.all(found <= engine)
    assert not found[:, :40].any()
    assert found[50, 75] == 1


def test_grow_and_blur_leave_the_edges_of_the_engine_alone():
    engine = disc(30) - 0.5 * disc(4)  # with a hole for an eye
    found = masked(engine, [Says(disc(48))], grow=-2, blur=2)
    assert np.array_equal(found, engine)


def test_blur_only_takes_away_and_begins_at_the_edge():
    shape = disc(30)
    shape[:, 48:52] = 0  # a finger
    plain, soft = masked(maskers=[Says(shape)]), masked(maskers=[Says(shape)], blur=10)
    assert np.all(soft <= plain)
    assert not soft[:, 48:52].any()
    assert soft[50, 35] > 0.9
    rise = soft[50, 20:34]
    assert np.all(np.diff(rise) >= 0)
    assert 0 < rise[1] < 0.35
    wide = masked(maskers=[Says(shape)], blur=20)
    assert wide.sum() < soft.sum() < plain.sum()


def test_a_soft_inner_edge_begins_where_the_mask_ended():
    half = (COLUMNS >= 50).astype(np.float32)
    soft = soften_inside(half, 5)
    assert not soft[:, :50].any()
    assert 0 < soft[50, 50] < 0.1
    assert soft[50, 55] == pytest.approx(0.683, abs=0.06)  # one deviation inside: erf(1 / sqrt 2)
    assert soft[50, 65:].min() > 0.99
    assert soften_inside(half, 0) is half


@given(
    box=st.booleans(),
    edge=st.floats(0, 50),
    grow=st.floats(-20, 20),
    blur=st.floats(0, 20),
    seed=st.integers(0, 99),
    level=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_masks_are_in_bounds_and_end_at_the_border(box, edge, grow, blur, seed, level):
    rng = np.random.default_rng(seed)
    engine = np.where(rng.random((SIZE, SIZE)) < level, rng.random((SIZE, SIZE)), 1).astype(np.float32)
    found = masked(
        engine, [Says(rng.random((SIZE, SIZE)))], box=box, edge=edge, grow=grow, blur=blur, face=seed % 2 == 0
    )
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.all(found <= engine)
    for border in (found[0], found[-1], found[:, 0], found[:, -1]):
        assert not border.any()


def test_paste_is_bit_equal_where_the_mask_ends():
    picture = painted(FACE)
    before = picture.copy()
    mask = masked(box=False, edge=0)
    target = CROP.pixels.astype(np.float32) / 255
    paste(picture, CROP, target + (1 - target) * mask[..., None])
    moved = np.abs(picture.astype(int) - before).max(2) > 0
    rows, columns = np.nonzero(moved)
    x, y = (CROP.matrix @ np.stack([columns, rows, np.ones_like(rows)])).round(3)
    assert moved.any()
    assert np.all((x > -1) & (x < SIZE) & (y > -1) & (y < SIZE))


def test_networks_look_at_what_they_want_and_are_asked_once_for_all_faces():
    occluder, parser = Says(ONES), Says(ONES, "result")
    masking = Masking(MaskSettings(occlusion=("net",), regions=()), [occluder, parser])
    other = replace(CROP, pixels=255 - CROP.pixels)
    news = [NEW, NEW * 0.5]
    masks = masking.masks([CROP, other], news, [ONES, disc(30)])
    assert len(masks) == 2
    assert masks[1].sum() < masks[0].sum()
    ((first, second),) = occluder.seen
    np.testing.assert_allclose(first, CROP.pixels / 255, atol=1e-6)
    np.testing.assert_allclose(second, 1 - CROP.pixels / 255, atol=1e-6)
    ((first, second),) = parser.seen
    assert first is news[0]
    assert second is news[1]


def test_networks_are_not_asked_for_what_stays_empty_anyway():
    says = Says(ONES)
    masking = Masking(MaskSettings(occlusion=("net",)), [says])
    assert not masking.mask(CROP, NEW, 0 * ONES).any()
    assert says.seen == []
    empty, full = masking.masks([CROP, CROP], [NEW, NEW], [0 * ONES, ONES])
    assert len(says.seen[0]) == 1
    assert not empty.any()
    assert full.any()


def test_settings_and_networks_must_agree():
    with pytest.raises(ValueError, match="ask for 2 networks, 1 were given"):
        Masking(MaskSettings(occlusion=("a",), regions=()), [Says(ONES)])


def test_areas_without_landmarks_are_refused():
    bare = replace(CROP, face=replace(CROP.face, mesh=None))
    with pytest.raises(UsageError, match="68 landmarks"):
        masked(crop=bare, areas=("mouth",))
