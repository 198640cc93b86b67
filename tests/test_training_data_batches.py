"""Batches: what is in them, that parts are parts of a whole, the way back, and the thread that makes them."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")
pytest.importorskip("kornia", reason="augmentation needs kornia")

from omote.errors import InputError, UsageError  # noqa: E402
from omote.training.data import crops  # noqa: E402
from omote.training.data.augment import NONE, Augmentation, draw  # noqa: E402
from omote.training.data.batches import Batch, Batches, prefetched  # noqa: E402
from omote.training.data.faces import FaceSet  # noqa: E402
from omote.training.data.photometric import degrade, recolour  # noqa: E402
from omote.training.data.sampler import Sampler  # noqa: E402
from tests.face_shards import write_shards  # noqa: E402

EVERYTHING = Augmentation(
    hue=0.1, grey=0.3, source_colour=0.5, blur=0.6, shrink=0.6, noise=0.6, jpeg=0.6
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    folder = tmp_path_factory.mktemp("set")
    write_shards(folder, (3, 1, 2, 2, 1, 4), side=80, tars=1)
    return FaceSet.open(folder)


def batches(faces: FaceSet, augment: Augmentation | None, size: int = 12, **options: object) -> Batches:
    sampler = Sampler(faces.columns["person"], same_photo=0.3, other_photo=0.3, seed=4)
    return Batches(faces, sampler, augment, size, **options)


def assert_equal(a: Batch, b: Batch) -> None:
    for field in fields(Batch):
        assert torch.equal(getattr(a, field.name), getattr(b, field.name)), field.name


def test_shapes_and_ranges(faces: FaceSet):
    batch = batches(faces, EVERYTHING).batch(0)
    assert len(batch) == 12
    for pictures in (batch.target, batch.source):
        assert pictures.shape == (12, 3, 64, 64)
        assert pictures.dtype == torch.float32
        assert -1 <= pictures.min() < -0.3 < 0.3 < pictures.max() <= 1
    assert batch.back.shape == (12, 2, 3)
    assert set(batch.kind.tolist()) == {0, 1, 2}


def test_without_augmentation_crops_are_the_middle_of_the_squares(faces: FaceSet):
    batch = batches(faces, None).batch(0)
    middle = faces.pixels[:, 8:72, 8:72].permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.allclose(batch.source, middle[batch.source_index], atol=1e-6)
    assert torch.allclose(batch.target, middle[batch.target_index], atol=1e-4)
    assert torch.allclose(batch.back, torch.eye(2, 3).expand(12, 2, 3), atol=1e-6)


def test_sources_are_canonical_unless_asked_otherwise(faces: FaceSet):
    plain, augmented = batches(faces, None).batch(2), batches(faces, replace(EVERYTHING, source_colour=0))
    assert torch.equal(plain.source, augmented.batch(2).source)
    jittered = batches(faces, EVERYTHING).batch(2).source
    assert 0.01 < (jittered - plain.source).abs().mean() < 0.3


@pytest.mark.parametrize("side", [64, 200, 24])
@pytest.mark.parametrize("cuts", [(0, 6, 12), (0, 1, 2, 12), (0, 5, 11, 12)])
def test_parts_are_parts_of_the_whole(faces: FaceSet, cuts: tuple[int, ...], side: int):
    assert_parts_equal(batches(faces, EVERYTHING, side=side), cuts)


def test_parts_are_parts_of_the_whole_with_several_threads(faces: FaceSet):
    torch.set_num_threads(2)
    assert_parts_equal(batches(faces, Augmentation(hue=0.1), 4, side=200), (0, 1, 4))


def assert_parts_equal(maker: Batches, cuts: tuple[int, ...]) -> None:
    whole = maker.batch(3)
    for first, last in pairwise(cuts):
        assert_equal(maker.batch(3, slice(first, last)), whole[first:last])


def test_contrast_of_large_pictures_does_not_depend_on_the_batch():
    torch.set_num_threads(2)
    pictures = torch.rand(4, 3, 400, 400, generator=torch.Generator().manual_seed(0))
    drawn = draw(replace(NONE, contrast=1), 0, 0, 4).colour
    whole = recolour(pictures.clone(), drawn)
    for n in range(4):
        assert torch.equal(recolour(pictures[n : n + 1].clone(), drawn[n : n + 1]), whole[n : n + 1])


def test_steps_and_seeds_differ_and_repeat(faces: FaceSet):
    first = batches(faces, EVERYTHING)
    assert_equal(first.batch(5), batches(faces, EVERYTHING).batch(5))
    assert not torch.equal(first.batch(5).target, first.batch(6).target)


def test_back_undoes_the_geometry(faces: FaceSet):
    plain = batches(faces, None).batch(1).target
    turned = batches(faces, Augmentation(brightness=0, contrast=0, saturation=0)).batch(1)
    undone = crops.warp(turned.target, turned.back, 64)
    middle = (..., slice(12, 52), slice(12, 52))
    assert (turned.target[middle] - plain[middle]).abs().mean() > 0.1
    assert (undone[middle] - plain[middle]).abs().mean() < 0.015


def test_back_is_exactly_the_way_back():
    drawn = draw(Augmentation(rotation=30, shift=0.2), 2, 0, 8)
    there_and_back = crops.compose(drawn.back(0.8), drawn.theta(0.8))
    middle = torch.tensor([[0.8, 0, 0], [0, 0.8, 0]]).expand(8, 2, 3)
    assert torch.allclose(there_and_back, middle, atol=1e-5)


def test_strengths_bound_the_geometry():
    settings = Augmentation(rotation=20, scale=0.2, shift=0.1, flip=0.3)
    drawn = draw(settings, 1, 0, 5000)
    assert np.abs(np.degrees(drawn.rotation)).max() == pytest.approx(20, rel=0.01)
    assert np.abs(np.log(drawn.scale)).max() == pytest.approx(0.2, rel=0.01)
    assert np.abs(drawn.shift).max() == pytest.approx(0.1, rel=0.01)
    assert (drawn.mirrored < 0).mean() == pytest.approx(0.3, abs=0.02)
    theta = drawn.theta(0.8)
    size = torch.linalg.det(theta[:, :, :2]).abs().sqrt()
    assert torch.allclose(size, torch.from_numpy(drawn.scale) * 0.8, atol=1e-5)
    # A shift by a tenth of the crop is 0.2 of its half-side, and the crop is 0.8 of the square.
    assert theta[:, :, 2].abs().max() == pytest.approx(0.16, rel=0.01)


def test_one_degradation_does_not_change_what_else_is_drawn():
    plain, noisy = draw(Augmentation(), 1, 2, 50), draw(replace(Augmentation(), noise=1), 1, 2, 50)
    assert np.array_equal(plain.rotation, noisy.rotation)
    assert np.array_equal(plain.colour.contrast, noisy.colour.contrast)
    assert (noisy.noise > 0).all()
    assert not plain.noise.any()


def test_grey_and_brightness():
    pictures = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) / 2 + 0.25
    grey = recolour(pictures, draw(replace(NONE, grey=1), 0, 0, 6).colour)
    assert torch.allclose(grey[:, 0], grey[:, 2], atol=1e-6)
    drawn = draw(replace(NONE, brightness=0.2), 0, 0, 6).colour
    change = (recolour(pictures, drawn) - pictures).mean((1, 2, 3))
    assert torch.allclose(change, torch.from_numpy(drawn.brightness), atol=1e-5)
    drawn = draw(replace(NONE, contrast=0.3), 0, 0, 6).colour
    spread = recolour(pictures, drawn).std((1, 2, 3)) / pictures.std((1, 2, 3))
    assert torch.allclose(spread, torch.from_numpy(drawn.contrast), atol=0.03)


@pytest.mark.parametrize("kind", ["blur", "shrink", "noise", "jpeg"])
def test_degradations_change_those_that_were_drawn_and_no_others(kind: str):
    pictures = torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    drawn = draw(replace(NONE, **{kind: 0.5}), 3, 0, 20)
    chosen = getattr(drawn, kind) > 0
    assert 0 < chosen.sum() < 20
    result = degrade(pictures.clone(), drawn)
    changed = (result != pictures).flatten(1).any(1).numpy()
    assert np.array_equal(changed, chosen)
    if kind in ("blur", "shrink"):
        roughness = [(x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3))[chosen] for x in (pictures, result)]
        assert (roughness[1] < roughness[0]).all()


def test_smaller_crops_do_not_alias(faces: FaceSet):
    """A fine checkerboard of mean grey becomes grey, not a pattern."""
    board = torch.from_numpy(np.indices((80, 80)).sum(0) % 2 * 255).to(torch.uint8)
    checks = replace(faces, pixels=board[None, :, :, None].expand(len(faces), 80, 80, 3).contiguous())
    batch = batches(checks, Augmentation(contrast=0, brightness=0), side=16).batch(0)
    for pictures in (batch.target, batch.source):
        assert pictures.abs().max() < 0.1


def test_framings():
    """The eyes of one template land where the other has them."""
    assert torch.allclose(crops.between("arcface_112_v2", "arcface_112_v2"), torch.eye(2, 3), atol=1e-6)
    from omote.faces.align import similarity, template

    theta = crops.between("arcface_112_v2", "ffhq_512")
    wanted = template("ffhq_512") * 2 - 1
    there = wanted @ theta[:, :2].numpy().T + theta[:, 2].numpy()
    # The same by hand, in fractions.
    matrix = similarity(template("ffhq_512"), template("arcface_112_v2"))
    assert np.allclose((there + 1) / 2, template("ffhq_512") @ matrix[:, :2].T + matrix[:, 2], atol=1e-5)
    with pytest.raises(UsageError, match="unknown template"):
        crops.between("arcface_112_v2", "round")


def test_maps_compose_and_invert():
    drawn = draw(Augmentation(), 0, 0, 4)
    one, other = drawn.theta(1.0), draw(Augmentation(), 0, 1, 4).theta(1.0)
    pictures = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4), 64, mode="bicubic")
    twice = crops.warp(crops.warp(pictures, one, 64), other, 64)
    once = crops.warp(pictures, crops.compose(other, one), 64)
    assert (twice - once)[..., 20:44, 20:44].abs().mean() < 0.02
    identity = crops.compose(crops.inverse(one), one)
    assert torch.allclose(identity, torch.eye(2, 3).expand(4, 2, 3), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{"flip": 1.5}, {"rotation": -1}, {"scale": 3}, {"jpeg_quality": (0, 50)}, {"blur_sigma": (2, 1)},
     {"shrink_factors": ()}, {"hue": 0.7}],
)  # fmt: skip
def test_settings_out_of_range(settings: dict[str, object]):
    with pytest.raises(UsageError, match=f"augmentation {next(iter(settings))}"):
        Augmentation(**settings)


def test_sizes_that_make_no_sense(faces: FaceSet):
    with pytest.raises(UsageError, match="batches of 0"):
        batches(faces, None, 0)


def test_prefetched_equals_made_on_demand(faces: FaceSet):
    maker = batches(faces, EVERYTHING)
    with closing(prefetched(maker, 7, slice(2, 8))) as ahead:
        for step in range(7, 12):
            assert_equal(next(ahead), maker.batch(step, slice(2, 8)))


class Counting(Batches):
    """Notes which steps were made, and fails at one."""

    def __init__(self, inner: Batches, fail: int | None = None, delay: float = 0) -> None:
        vars(self).update(vars(inner))
        self.made: list[int] = []
        self.fail, self.delay = fail, delay

    def batch(self, step: int, part: slice = slice(None)) -> Batch:
        if step == self.fail:
            raise InputError("the disk is gone")
        time.sleep(self.delay)
        result = super().batch(step, part)
        self.made.append(step)
        return result


def test_prefetching_is_bounded_and_closes(faces: FaceSet):
    maker = Counting(batches(faces, None))
    ahead = prefetched(maker, 0, depth=2)
    next(ahead)
    deadline = time.monotonic() + 5
    while len(maker.made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert maker.made == [0, 1, 2]
    assert any(thread.name.startswith("batches") for thread in threading.enumerate())
    ahead.close()
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())
    assert maker.made == [0, 1, 2]


def test_closing_does_not_wait_for_what_was_not_begun(faces: FaceSet):
    maker = Counting(batches(faces, None), delay=0.2)
    ahead = prefetched(maker, 0, depth=4)
    next(ahead)
    ahead.close()
    assert maker.made in ([0], [0, 1])


def test_errors_travel_to_where_the_batch_would_have_come(faces: FaceSet):
    maker = Counting(batches(faces, None), fail=2)
    ahead = prefetched(maker, 0)
    assert [len(next(ahead)) for _ in range(2)] == [12, 12]
    with pytest.raises(InputError, match="the disk is gone"):
        next(ahead)
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_a_cached_set_gives_the_same_batches(faces: FaceSet, tmp_path: Path):
    write_shards(tmp_path / "set", (3, 1, 2, 2, 1, 4), side=80, tars=1)
    cached = FaceSet.open(tmp_path / "set", cache=tmp_path / "cache")
    assert_equal(batches(cached, EVERYTHING).batch(0), batches(faces, EVERYTHING).batch(0))
