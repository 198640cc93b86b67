"""Drafts in training: what the mesh engine makes of the pairs of a step, and who is given it."""

from contextlib import closing
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.engines.mesh import MeshSwapper, open_cover_parser  # noqa: E402
from omote.evaluation.engines import CropSwap  # noqa: E402
from omote.faces.mesh import FaceMesh  # noqa: E402
from omote.training.data.augment import Augmentation  # noqa: E402
from omote.training.data.batches import Batches, prefetched  # noqa: E402
from omote.training.data.drafted import DraftedBatch, DraftedBatches  # noqa: E402
from omote.training.data.faces import FaceSet  # noqa: E402
from omote.training.data.framed import FramedBatches  # noqa: E402
from omote.training.data.sampler import OTHER_PERSON, SAME_PHOTO, Sampler  # noqa: E402
from omote.training.drafter import open_drafter  # noqa: E402
from omote.training.watch import Watch, swapper_of  # noqa: E402
from omote.zoo import Networks  # noqa: E402
from tests.evaluation_faces import painted_photos, write_networks, write_set  # noqa: E402
from tests.tiny_runs import moment_of, tiny_trainer  # noqa: E402

CPU = torch.device("cpu")
EVERYTHING = Augmentation(hue=0.1, grey=0.3, source_colour=0.5, blur=0.5, shrink=0.5, noise=0.5, jpeg=0.5)


@pytest.fixture(scope="module")
def drafter():
    return open_drafter(CPU)


@pytest.fixture(scope="module")
def faces():
    """Two photos of each of three people, 160 px squares."""
    photos = painted_photos(3)
    person = np.unique(photos.people, return_inverse=True)[1]
    return FaceSet(torch.from_numpy(photos.pixels), 16, {"person": person})


def drafted(faces, drafter, augment=None, size=5, side=64):
    sampler = Sampler(faces.columns["person"], same_photo=0.3, other_photo=0.2, seed=8)
    return DraftedBatches(Batches(faces, sampler, augment, size, side), drafter)


def assert_equal(one, other):
    for value, wanted in zip(one.values, other.values, strict=True):
        assert torch.equal(value, wanted)


class Recording:
    """A drafter that draws nothing, and keeps what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, targets, sources):
        self.asked.append((targets.copy(), sources))
        return targets


# ---------------------------------------------------------------- batches


def test_the_drafts_are_what_the_mesh_engine_makes_of_the_pairs(faces, drafter):
    batch = drafted(faces, drafter, side=128).batch(0)
    networks = Networks()
    engine = MeshSwapper(parser=open_cover_parser(networks))
    swap = CropSwap(engine, FaceMesh(networks.open("omote-mesh", "landmarks"), passes=2))
    made = swap(*(faces.pixels[index].numpy() for index in (batch.target_index, batch.source_index)))
    wanted = torch.from_numpy(made)[:, 16:144, 16:144].permute(0, 3, 1, 2) / 127.5 - 1
    other = batch.kind != SAME_PHOTO
    assert 0 < other.sum() < len(batch)
    assert torch.allclose(batch.draft[other], wanted[other], atol=1e-4)
    assert torch.equal(batch.draft[~other], batch.target[~other])
    changed = (batch.draft - batch.target).abs().mean((1, 2, 3))
    assert (changed[other] > 0.005).all()  # the parser takes parts of painted faces for no skin
    assert torch.equal(batch.given, batch.draft)


@pytest.mark.parametrize("cuts", [(0, 2, 5), (0, 1, 4, 5)])
def test_parts_are_parts_of_the_whole(faces, drafter, cuts):
    maker = drafted(faces, drafter, EVERYTHING)
    whole = maker.batch(3)
    assert set(whole.kind.tolist()) > {SAME_PHOTO}
    for first, last in pairwise(cuts):
        assert_equal(maker.batch(3, slice(first, last)), whole[first:last])


def test_a_step_is_the_same_whenever_it_is_asked_for_and_in_a_thread(faces, drafter):
    maker = drafted(faces, drafter, EVERYTHING, 3)
    with closing(prefetched(maker, 4, slice(1, 3), depth=1)) as coming:
        assert_equal(next(coming), drafted(faces, drafter, EVERYTHING, 3).batch(4)[1:3])
    assert not torch.equal(maker.batch(4).draft, maker.batch(5).draft)


def test_all_cores_draft_the_same_for_a_gpu(faces, drafter):
    squares = faces.pixels.numpy()
    several = open_drafter(torch.device("cuda"))
    assert np.array_equal(several(squares, squares[::-1]), drafter(squares, squares[::-1]))


@pytest.mark.parametrize("side", [24, 64, 200])
def test_drafts_are_augmented_as_the_targets_are(faces, side):
    batch = drafted(faces, Recording(), EVERYTHING, 12, side).batch(1)
    assert torch.equal(batch.draft, batch.target)


def test_only_pairs_of_two_photos_are_drafted_and_the_set_stays_as_it_is(faces):
    recording, before = Recording(), faces.pixels.clone()
    batch = drafted(faces, recording).batch(0)
    other = batch.kind != SAME_PHOTO
    ((targets, sources),) = recording.asked
    assert np.array_equal(targets, faces.pixels[batch.target_index[other]])
    assert np.array_equal(sources, faces.pixels[batch.source_index[other]])
    targets[:] = 0
    assert torch.equal(faces.pixels, before)
    sampler = Sampler(faces.columns["person"], same_photo=1, other_photo=0, seed=1)
    same = DraftedBatches(Batches(faces, sampler, None, 4), recording).batch(0)
    assert torch.equal(same.draft, same.target)
    assert len(recording.asked) == 1


def test_squares_without_a_face_stop_nothing(drafter):
    random = np.random.default_rng(0)
    flat, noise = np.full((160, 160, 3), 90, np.uint8), random.integers(0, 256, (160, 160, 3), np.uint8)
    targets, sources = np.stack([flat, noise, flat, noise]), np.stack([flat, noise, noise, flat])
    made = drafter(targets, sources)
    assert made.shape == targets.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made[0], flat)


# ---------------------------------------------------------------- the system


@pytest.fixture
def trainer(tmp_path):
    return tiny_trainer(tmp_path, "networks.drafted=true", name="omote-swap-128")


def test_the_generator_is_given_drafts(trainer):
    system, drafts = trainer.system, trainer.batches.batch(0)
    assert isinstance(drafts, DraftedBatch)
    drafts.draft[:] = torch.rand_like(drafts.draft)
    drafts.kind[:] = SAME_PHOTO  # no triplets
    shared = system.prepare(drafts, moment_of(trainer))
    corner = (..., slice(0, 1), slice(0, 1))  # beyond the network's mask
    assert torch.equal(shared.fake[corner], drafts.draft[corner])
    assert torch.equal(shared.filled[corner], drafts.target[corner])  # by which reconstruction is judged
    assert not torch.equal(drafts.draft[corner], drafts.target[corner])


def test_triplets_are_made_of_drafts(trainer):
    system, batch = trainer.system, trainer.batches.batch(0)
    batch.kind[:] = OTHER_PERSON
    batch.draft[:] = torch.rand_like(batch.draft)
    turned, given = system._with_triplets(batch, torch.tensor([0.0, 1.0, 0.0, 1.0]))
    people = system.task.identities
    fakes = system.swap(batch.draft[::2], people.of(batch.source_index[::2]))
    assert torch.equal(given[::2], fakes)
    assert torch.equal(given[1::2], batch.draft[1::2])
    assert torch.equal(turned.target, batch.target)


def test_a_row_of_the_sheet_is_source_target_draft_and_swap(trainer):
    batch = trainer.batches.batch(1)
    sheet = trainer.system.sheet(batch)
    assert sheet.shape == (4, 4, 3, 32, 32)
    swapped = trainer.system.swap(batch.draft, trainer.system.task.identities.of(batch.source_index))
    for column, wanted in enumerate((batch.source, batch.target, batch.draft, swapped)):
        assert torch.equal(sheet[:, column], wanted)


def test_without_drafts_targets_are_given(tmp_path):
    run = tiny_trainer(tmp_path, "networks.drafted=false", name="omote-swap-128")
    assert type(run.batches) is FramedBatches
    assert run.system.drafter is None
    batch = run.batches.batch(0)
    assert torch.equal(batch.given, batch.target)
    assert torch.equal(run.system.sheet(batch)[:, 2], batch.target)


# ---------------------------------------------------------------- judged while trained


@pytest.mark.parametrize("works_on_drafts", [True, False])
def test_a_system_is_judged_on_what_it_is_given(works_on_drafts, tmp_path, drafter, monkeypatch):
    words = ("data.size=128", f"networks.drafted={str(works_on_drafts).lower()}")
    system = tiny_trainer(tmp_path / "run", *words, name="omote-swap-128").system
    seen = []

    def unchanged(given, embedding):
        seen.append(embedding)
        return given

    monkeypatch.setattr(system, "swap", unchanged)
    photos = painted_photos(3)
    targets, sources = photos.pixels[:2], photos.pixels[2:4]
    wanted = drafter(targets, sources) if works_on_drafts else targets
    assert np.array_equal(swapper_of(system)(targets, sources), wanted)
    crops = torch.from_numpy(sources)[:, 16:144, 16:144].permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.allclose(seen[0], system.task.identities.teacher(crops), atol=1e-5)
    write_networks(tmp_path)
    watch = Watch(write_set(tmp_path / "set", photos), str(tmp_path / "judge.onnx"))
    numbers = watch.of(system)
    assert (numbers["cosine_source"] > numbers["cosine_source/floor"] + 1e-3) == works_on_drafts
    watch.note(tmp_path, 12, numbers)
    assert '"seen": 12' in (tmp_path / "evaluation.jsonl").read_text("utf-8")
