"""A network that corrects the mesh engine's draft: what it is given, what becomes of what it gives.

Its place is taken by small graphs whose correction is known; `test_native_swap.py` has the network itself.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from omote.compose import blend, paste, to_float
from omote.engines.mesh import MeshSwapper
from omote.engines.oneshot import DraftedSwapper, EmbeddingSwapper
from omote.engines.oneshot.drafted import corrected
from omote.engines.swapper import Source, SwappedCrop
from omote.errors import ModelError, UsageError
from omote.faces.align import Crop, align, warp
from omote.faces.face import Face
from omote.faces.topology import LEFT_EYE
from omote.zoo import Card, Network
from tests.planted import planted
from tests.swap_networks import catalogue, needed, network_of
from tests.synthetic import painted, posed_face

Pixels = np.ndarray[Any, Any]
SHIPPED = catalogue().cards["omote-swap-128"]
CARD = replace(SHIPPED, settings={**SHIPPED.settings, "shown": 1.0})
SIDE = 128
FACE, SOURCE_FACE = posed_face(roll=12.0), posed_face(scale=80.0, yaw=10.0)
SOURCE = Source(painted(SOURCE_FACE, seed=2, skin=(0.8, 0.4, 0.3)), SOURCE_FACE)


def network(
    shift: float = 0.0,
    mask: float = 1.0,
    detail: float = 1.0,
    needs: Mapping[str, Network] | None = None,
    missing: str = "",
    card: Card = CARD,
) -> Network:
    """One that makes its target brighter by `shift`, and says the same of every place."""
    nodes = [
        helper.make_node("Add", ["target", "shift"], ["output"]),
        helper.make_node("ReduceMean", ["target"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["grey", "nothing"], ["black"]),
        helper.make_node("Add", ["black", "much"], ["mask"]),
        helper.make_node("Add", ["black", "fine"], ["detail"]),
    ]
    constants = {"shift": 2 * shift, "nothing": 0.0, "much": mask, "fine": detail}
    shape = ["batch", 3, SIDE, SIDE]
    outputs = {"output": shape, "mask": ["batch", 1, SIDE, SIDE], "detail": ["batch", 1, SIDE, SIDE]}
    outputs.pop(missing, None)
    data = planted(
        nodes,
        {name: np.full(1, value, np.float32) for name, value in constants.items()},
        {"target": shape, "source": ["batch", 128]},
        outputs,
    )
    return network_of(card, data, needs)


def engine(strength: float = 1.0, **options: Any) -> DraftedSwapper:
    return DraftedSwapper(network(**options), strength=strength)


def cut(swapper: Any, pixels: Pixels, face: Face) -> Crop:
    return align(pixels, face, swapper.template, swapper.crop_size(face))


def swapped(swapper: Any, pixels: Pixels, face: Face, source: Source = SOURCE) -> tuple[Crop, SwappedCrop]:
    crop = cut(swapper, pixels, face)
    return crop, swapper.swap([crop], swapper.identity([source]))[0]


def pasted(pixels: Pixels, crop: Crop, new: SwappedCrop) -> Pixels:
    result = pixels.copy()
    paste(result, crop, blend(new.pixels, to_float(crop.pixels), new.mask))
    return result


def psnr(one: Pixels, other: Pixels) -> float:
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(np.iinfo(one.dtype).max ** 2 / max(error, 1e-9)))


def fine(pixels: Pixels) -> float:
    """Strength of the detail that is finer than a few pixels, in the middle of a picture."""
    middle = slice(len(pixels) * 3 // 8, len(pixels) * 5 // 8)
    grey = pixels.astype(np.float32).mean(axis=2)
    return float((grey - cv2.GaussianBlur(grey, (0, 0), 2))[middle, middle].std())


# The correction of a draft


def draft_of(size: int, seed: int = 0) -> tuple[SwappedCrop, Crop]:
    """A draft with fine noise and a skin that covers its middle, and what a network is given of it."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0.3, 0.7, (6, 6, 3)), (size, size), interpolation=cv2.INTER_CUBIC)
    pixels = np.clip(coarse + rng.normal(0, 0.04, (size, size, 3)), 0.05, 0.95).astype(np.float32)
    mask = np.zeros((size, size), np.float32)
    cv2.circle(mask, (size // 2, size // 2), size // 5, 1.0, -1)
    turn = cv2.getRotationMatrix2D(((size - 1) / 2,) * 2, 9, 1.2 * SIDE / size)
    turn[:, 2] += (SIDE - size) / 2
    return SwappedCrop(pixels, mask), Crop(warp(pixels, turn, (SIDE, SIDE)), turn, FACE)


def full(value: float) -> Pixels:
    return np.full((SIDE, SIDE), value, np.float32)


def within(size: int) -> tuple[slice, slice]:
    """Where the small crop surely lies."""
    return (slice(size // 4, -size // 4),) * 2


@pytest.mark.parametrize("size", [128, 320, 1024])
@pytest.mark.parametrize("detail", [None, 1.0])
def test_a_correction_of_nothing_leaves_the_draft_bit_by_bit(size: int, detail: float | None) -> None:
    draft, small = draft_of(size)
    made = SwappedCrop(small.pixels, full(1), None if detail is None else full(detail))
    np.testing.assert_array_equal(corrected(draft, small, made).pixels, draft.pixels)


@pytest.mark.parametrize("mask", [0.0, 0.4, 1.0])
def test_a_smooth_correction_is_added_through_its_mask(mask: float) -> None:
    draft, small = draft_of(512)
    made = SwappedCrop(small.pixels + np.float32(0.04), full(mask), full(1))
    result = corrected(draft, small, made)
    change = (result.pixels - draft.pixels)[within(512)].mean(axis=2)
    np.testing.assert_allclose(change, 0.04 * mask, atol=1e-6)


def test_skin_that_a_brow_gives_way_to_has_a_skin_s_colour() -> None:
    brow, skin = np.array([0.20, 0.15, 0.13], np.float32), np.array([0.80, 0.65, 0.56], np.float32)
    draft = SwappedCrop(np.tile(brow, (256, 256, 1)), np.ones((256, 256), np.float32))
    small = Crop(np.tile(brow, (SIDE, SIDE, 1)), np.array([[0.5, 0, 0], [0, 0.5, 0]]), FACE)
    lighter = small.pixels + (skin - brow).mean()
    result = corrected(draft, small, SwappedCrop(lighter, full(1), full(1))).pixels[128, 128]
    np.testing.assert_allclose(result.mean(), skin.mean(), atol=1e-5)
    assert np.abs(result - skin).max() < 0.6 * np.abs(lighter[64, 64] - skin).max()


@pytest.mark.parametrize("detail", [0.0, 0.25, 1.0])
def test_so_much_of_the_fine_detail_stays(detail: float) -> None:
    draft, small = draft_of(512)
    made, bare = (
        corrected(draft, small, SwappedCrop(small.pixels, full(1), full(much))).pixels[within(512)]
        for much in (detail, 0.0)
    )
    assert fine(bare) < 0.3 * fine(draft.pixels)
    np.testing.assert_allclose(made, bare + detail * (draft.pixels[within(512)] - bare), atol=1e-6)


def test_where_no_fine_detail_stays_the_network_is_seen_alone() -> None:
    draft, small = draft_of(512)
    made = SwappedCrop(np.full((SIDE, SIDE, 3), 0.45, np.float32), full(1), full(0))
    brightness = corrected(draft, small, made).pixels[within(512)].mean(axis=2)
    np.testing.assert_allclose(brightness, 0.45, atol=0.02)


@pytest.mark.parametrize("white", [0.0, 1.0])
def test_colours_end_at_black_and_white(white: float) -> None:
    draft, small = draft_of(512)
    made = SwappedCrop(np.full((SIDE, SIDE, 3), white, np.float32), full(1), full(1))
    result = corrected(draft, small, made).pixels[within(512)]
    assert 0 <= result.min() <= result.max() <= 1
    assert (result == white).mean() > 0.2


@given(st.integers(64, 400), st.integers(0, 99), st.integers(1, 60), st.sampled_from([None, 0.0, 0.6, 1.0]))
@settings(max_examples=25, deadline=None)
def test_nothing_changes_outside_the_mask_and_the_new_mask_is_all_that_differs(
    size: int, seed: int, radius: int, detail: float | None
) -> None:
    draft, small = draft_of(size, seed)
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), np.float32)
    x, y = (int(value) for value in rng.integers(20, SIDE - 20, 2))
    cv2.circle(mask, (x, y), radius, 0.7, -1)
    noise = rng.uniform(0, 1, (SIDE, SIDE, 3)).astype(np.float32)
    result = corrected(draft, small, SwappedCrop(noise, mask, None if detail is None else full(detail)))
    back = cv2.warpAffine(mask, small.matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    differs = (result.pixels != draft.pixels).any(axis=2)
    assert not differs[back == 0].any()
    assert set(np.unique(result.mask)) <= {0, 1}
    np.testing.assert_array_equal(result.mask > 0, (back > 0) | (draft.mask > 0))
    assert (result.mask[differs] == 1).all()
    assert 0 <= result.pixels.min() <= result.pixels.max() <= 1


# The swapper


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("yaw", [0, 25])
def test_swapping_a_face_with_itself_changes_next_to_nothing(dtype: type, yaw: float) -> None:
    face = posed_face(yaw=yaw, roll=12)
    pixels = painted(face).astype(dtype) * (257 if dtype == np.uint16 else 1)
    crop, new = swapped(engine(), pixels, face, Source(pixels, face))
    result = pasted(pixels, crop, new)
    inside = cv2.warpAffine(new.mask, crop.matrix, (400, 400), flags=cv2.WARP_INVERSE_MAP) > 0
    assert 0.1 < inside.mean() < 0.8
    assert psnr(result[inside], pixels[inside]) >= 38
    outside = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5))) == 0
    np.testing.assert_array_equal(result[outside], pixels[outside])


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_crop_outside_the_mask_is_the_target_bit_by_bit(shift: float) -> None:
    crop, new = swapped(engine(shift=shift), painted(FACE, seed=1), FACE)
    target = to_float(crop.pixels)
    outside = new.mask == 0
    assert 0.1 < outside.mean() < 0.9
    np.testing.assert_array_equal(new.pixels[outside], target[outside])
    assert (new.pixels[~outside] != target[~outside]).any(axis=1).mean() > 0.8
    assert max(edge.max() for edge in (new.mask[0], new.mask[-1], new.mask[:, 0], new.mask[:, -1])) == 0


def test_the_network_is_given_the_mesh_engine_s_draft_and_corrects_it() -> None:
    seen: list[Pixels] = []
    planted_one = network(shift=0.05)
    run = planted_one.session.run_batch

    def spy(*inputs: Pixels) -> Sequence[Pixels]:
        seen.append(inputs[0])
        return run(*inputs)

    planted_one.session.run_batch = spy  # type: ignore[method-assign,assignment]
    crop, new = swapped(DraftedSwapper(planted_one), painted(FACE, seed=1), FACE)
    mesh, target = MeshSwapper(), to_float(crop.pixels)
    (skin,) = mesh.swap([crop], mesh.identity([SOURCE]))
    draft = blend(skin.pixels, target, skin.mask)
    small = align(draft, crop.face, "arcface_112_v2", SIDE)
    np.testing.assert_allclose(seen[0][0], (small.pixels.transpose(2, 0, 1) - 0.5) / 0.5, atol=1e-5)
    x, y = crop.face.mesh[4, :2].round().astype(int)  # the nose, where all of both masks is 1
    np.testing.assert_allclose(new.pixels[y, x].mean(), draft[y, x].mean() + 0.05, atol=1e-4)


def brightness(swapper: DraftedSwapper, face: Face = FACE, bare: float | None = None) -> tuple[float, float]:
    """Of the nose and of an eye's middle after a swap."""
    crop = cut(swapper, painted(face, seed=3), face)
    if bare is not None:
        crop = replace(crop, bare=np.full((crop.size, crop.size), bare, np.float32))
    (new,) = swapper.swap([crop], swapper.identity([SOURCE]))
    made, mesh = blend(new.pixels, to_float(crop.pixels), new.mask), crop.face.mesh
    assert mesh is not None
    places = (mesh[4, :2], mesh[LEFT_EYE, :2].mean(0))
    nose, eye = (made[round(float(y)), round(float(x))].mean() for x, y in places)
    return float(nose), float(eye)


@pytest.mark.parametrize("shown", [0.25, 0.5])
def test_so_much_of_the_change_is_shown_as_the_card_says(shown: float) -> None:
    card = replace(CARD, settings={**CARD.settings, "shown": shown})
    before, after, all_of_it = (
        brightness(swapper)[0] for swapper in (engine(), engine(shift=0.1, card=card), engine(shift=0.1))
    )
    assert after - before == pytest.approx(shown * (all_of_it - before), abs=2e-3)


@pytest.mark.parametrize(("strength", "shown"), [(0.5, 0.25), (1.0, 0.25), (1.25, 0.625), (1.5, 1.0)])
def test_beyond_the_source_more_of_the_change_is_shown(strength: float, shown: float) -> None:
    card = replace(CARD, settings={**CARD.settings, "shown": 0.25})
    assert engine(strength, card=card)._shown == pytest.approx(shown)


@pytest.mark.parametrize("shown", [0, 1.5])
def test_a_share_that_is_none_is_told(shown: float) -> None:
    with pytest.raises(ModelError, match="shown"):
        engine(card=replace(CARD, settings={**CARD.settings, "shown": shown}))


def test_eyes_are_left_alone() -> None:
    (nose, eye), (brighter, same) = brightness(engine()), brightness(engine(shift=0.1))
    assert brighter - nose > 0.05
    assert same == pytest.approx(eye, abs=5e-3)


def test_behind_dark_glasses_and_in_profile_nothing_is_corrected() -> None:
    plain, corrected_ = engine(), engine(shift=0.1)
    for face, bare in ((FACE, 0.0), (replace(FACE, pose=(60.0, 0.0, 0.0)), None)):
        assert brightness(corrected_, face, bare)[0] == pytest.approx(
            brightness(plain, face, bare)[0], abs=1e-3
        )
    turned = replace(FACE, pose=(35.0, 0.0, 0.0))
    half = brightness(corrected_, turned)[0] - brightness(plain, turned)[0]
    full = brightness(corrected_)[0] - brightness(plain)[0]
    assert half == pytest.approx(full / 2, rel=0.1)


def test_a_large_face_keeps_detail_that_the_network_cannot_hold() -> None:
    face = posed_face((400.0, 380.0), 200.0)
    pixels = painted(face, seed=3, size=800)
    source = Source(painted(face, seed=4, size=800), face)
    plain = EmbeddingSwapper(network(shift=0.05))
    kept, lost, refused = (
        fine(pasted(pixels, *swapped(swapper, pixels, face, source))[180:580, 200:600])
        for swapper in (engine(shift=0.05), plain, engine(shift=0.05, detail=0))
    )
    assert engine().crop_size(face) > 3 * SIDE
    before = fine(pixels[180:580, 200:600])
    assert kept > 0.8 * before
    assert max(lost, refused) < 0.4 * before


def test_strength_leads_from_the_target_to_the_source() -> None:
    made = {}
    for strength in (0.0, 0.5, 1.0, 1.5):
        crop, new = swapped(engine(strength), painted(FACE, seed=1), FACE)
        made[strength] = new.pixels
    target = to_float(crop.pixels)
    np.testing.assert_allclose(made[0.0], target, atol=1e-6)
    np.testing.assert_allclose(made[0.5], (target + made[1.0]) / 2, atol=1e-5)
    np.testing.assert_array_equal(made[1.5], made[1.0])  # beyond, only the network exaggerates
    assert np.abs(made[1.0] - target).max() > 0.2


@pytest.mark.parametrize(("scale", "size"), [(13.0, 128), (150.0, 576), (300.0, 1024)])
def test_faces_of_any_size(scale: float, size: int) -> None:
    side = max(200, round(3 * scale))
    face = posed_face((side / 2, side / 2), scale)
    pixels = painted(face, seed=5, size=side)
    crop, new = swapped(engine(shift=0.05), pixels, face)
    assert crop.size == size
    assert new.pixels.shape == (crop.size, crop.size, 3)
    assert np.isfinite(new.pixels).all()
    changed = (pasted(pixels, crop, new) != pixels).any(axis=2)
    width = face.box[2] - face.box[0]
    assert changed.sum() > 0.5 * width**2
    assert changed[:2].sum() == 0


def test_a_batch_equals_one_by_one_and_asks_the_network_once() -> None:
    planted_one = network(shift=0.03, detail=0.5)
    swapper = DraftedSwapper(planted_one)
    faces = [posed_face(scale=scale, yaw=yaw) for scale, yaw in ((90.0, 0.0), (30.0, 15.0), (70.0, -20.0))]
    crops = [cut(swapper, painted(face, seed=6), face) for face in faces]
    identity = swapper.identity([SOURCE])
    alone = [swapper.swap([crop], identity)[0] for crop in crops]
    batches: list[int] = []
    run = planted_one.session.run_batch
    planted_one.session.run_batch = lambda *inputs: batches.append(len(inputs[0])) or run(*inputs)  # type: ignore[method-assign,func-returns-value]
    together = swapper.swap(crops, identity)
    assert batches == [3]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(other.pixels, one.pixels, atol=1e-6)
        np.testing.assert_array_equal(other.mask, one.mask)
    assert swapper.swap([], identity) == []


def test_threads_do_not_disturb_each_other() -> None:
    swapper = engine(shift=0.05)
    identity = swapper.identity([SOURCE])
    crops = [cut(swapper, painted(face, seed=6), face) for face in (posed_face(), posed_face(scale=50.0))]
    alone = [swapper.swap([crop], identity)[0].pixels for crop in crops]
    with ThreadPoolExecutor(4) as executor:
        made = list(executor.map(lambda number: swapper.swap([crops[number % 2]], identity)[0], range(12)))
    for number, one in enumerate(made):
        np.testing.assert_array_equal(one.pixels, alone[number % 2])


def test_it_needs_sources_and_a_mesh() -> None:
    swapper = engine()
    with pytest.raises(UsageError, match="at least one"):
        swapper.identity([])
    crop = cut(swapper, painted(FACE), FACE)
    bare = replace(crop, face=replace(crop.face, mesh=None))
    with pytest.raises(ValueError, match="with their mesh"):
        swapper.swap([bare], swapper.identity([SOURCE]))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"boost": 256}, "takes no --boost"), ({"strength": 1.6}, "strength"), ({"strength": -0.1}, "strength")],
)
def test_options_that_make_no_sense_are_refused_in_one_line(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        DraftedSwapper(network(), **options)
    assert str(refusal.value).startswith("omote-swap-128")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("role", "words"), [("mask", "parser"), ("identity", "identity network")])
def test_a_card_without_the_networks_that_it_works_with_is_refused(role: str, words: str) -> None:
    needs = needed(CARD)
    del needs[role]
    with pytest.raises(ModelError, match=rf"omote-swap-128: its card names no {words} \(needs.{role}\)"):
        DraftedSwapper(network(needs=needs))


@pytest.mark.parametrize("plane", ["mask", "detail"])
def test_a_graph_without_the_planes_of_its_contract_is_refused(plane: str) -> None:
    with pytest.raises(ModelError, match=f"omote-swap-128: expected an output '{plane}' of 1 × 128 × 128"):
        DraftedSwapper(network(missing=plane))
