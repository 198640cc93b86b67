"""omote-swap-128: what its losses look at, its triplets, exact resume, and its own mask in use."""

import tomllib
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch, an extra")

from omote.engines.oneshot import SWAPPERS, DraftedSwapper  # noqa: E402
from omote.engines.oneshot.embedding import EmbeddingIdentity, EmbeddingSwapper  # noqa: E402
from omote.engines.oneshot.mask import face_mask, within_crop  # noqa: E402
from omote.errors import ModelError, UsageError  # noqa: E402
from omote.faces.align import Crop, template  # noqa: E402
from omote.faces.face import Face  # noqa: E402
from omote.faces.mesh import mesh_points  # noqa: E402
from omote.training.data.augment import NONE  # noqa: E402
from omote.training.data.batches import Batches  # noqa: E402
from omote.training.data.crops import canonical, compose, warp  # noqa: E402
from omote.training.data.drawn import drawn_faces  # noqa: E402
from omote.training.data.framed import FramedBatches  # noqa: E402
from omote.training.data.sampler import OTHER_PERSON, SAME_PHOTO, Sampler  # noqa: E402
from omote.training.draws import Draws  # noqa: E402
from omote.training.export import export  # noqa: E402
from omote.training.parts import moved  # noqa: E402
from omote.training.points import points_of  # noqa: E402
from omote.training.system import Moment  # noqa: E402
from omote.training.systems.looks import Look, face_masks, in_mesh_frame, softened, varied  # noqa: E402
from omote.training.teachers.identity import identity_teacher  # noqa: E402
from omote.training.teachers.mesh import MeshTeacher  # noqa: E402
from omote.zoo import Networks  # noqa: E402
from tests.tiny_runs import moment_of, tiny_trainer  # noqa: E402

ALL = slice(None)


@pytest.fixture(scope="module")
def mesh():
    return MeshTeacher()


@pytest.fixture
def trainer(tmp_path):
    return tiny_trainer(tmp_path, name="omote-swap-128")


def draws(batch, part=ALL, step=0):
    return Draws(3, step, batch, part, torch.device("cpu"))


def framed(size=4, augment=None, side=128):
    faces = drawn_faces()
    sampler = Sampler(faces.columns["person"], same_photo=0.0, other_photo=0.0, seed=5)
    return FramedBatches(Batches(faces, sampler, augment, size, side))


# ---------------------------------------------------------------- framing


def test_the_middle_of_the_square_is_the_canonical_crop():
    batch = framed().batch(0)
    assert torch.allclose(warp(batch.square, batch.into, 128), batch.target, atol=1e-5)


def test_a_target_laid_back_into_its_photo_is_that_photo():
    turned = framed(augment=replace(NONE, rotation=9.0, scale=0.09, shift=0.044, flip=0.5)).batch(0)
    teacher = MeshTeacher()
    framing = varied(teacher.framing, 4, draws(4))
    wanted = warp(turned.square, compose(framing, turned.into), 128)
    laid = in_mesh_frame(turned.target, turned, framing, 128)
    assert (laid - wanted).abs().mean() < 0.02
    swapped = in_mesh_frame(turned.target * 0 + 1, turned, framing, 128)
    assert (swapped[:, :, 40:88, 40:88] > 0.9999).all()
    assert torch.allclose(swapped[:, :, -1, 0], wanted[:, :, -1, 0])  # beyond the crop


def test_kept_meshes_are_those_of_the_crops(mesh, tmp_path):
    faces = drawn_faces()
    found = points_of(faces, mesh, torch.device("cpu"), tmp_path / "cache")
    assert found.shape == (8, 478, 2)
    crops = canonical(faces.gather(torch.arange(8)), faces.border, 128)
    with torch.no_grad():
        seen = (2 * mesh(crops)[..., :2] + 1) / 128 - 1
    assert (found - seen).abs().mean() < 0.05  # the border that the crop lacks is reflected there
    (file,) = (tmp_path / "cache").iterdir()
    np.save(file, np.zeros((8, 478, 2), np.float32))
    assert points_of(faces, mesh, torch.device("cpu"), tmp_path / "cache").abs().max() == 0  # kept


def test_a_look_is_the_same_for_all_pictures_and_differs_between_samples():
    look, other = Look.of(draws(4)), Look.of(draws(4, step=1))
    pictures = framed().batch(0).target[:1].expand(4, 3, 128, 128)
    assert torch.equal(look(pictures), look(pictures.clone()))
    assert not torch.allclose(look(pictures), other(pictures), atol=0.01)
    assert not torch.allclose(look(pictures)[0], look(pictures)[1], atol=0.01)


def test_softening_takes_detail_and_keeps_the_mean():
    fine = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    made = [softened(fine, draws(4, step=step)) for step in range(6)]
    assert all((one.mean() - fine.mean()).abs() < 0.01 for one in made)
    assert min(float(one.std()) for one in made) < 0.7 * float(fine.std())


def test_noise_of_a_part_is_that_of_the_whole():
    whole = draws(6).noise(3, 5)
    assert torch.equal(draws(6, slice(2, 5)).noise(3, 5), whole[2:5])
    assert not torch.equal(whole[0], whole[1])
    assert draws(64).noise(4096).std() == pytest.approx(1, abs=0.02)


def test_masks_are_those_by_which_the_engine_shows_a_face(mesh):
    turned = framed(augment=replace(NONE, rotation=9.0, shift=0.044, flip=0.5), side=64).batch(0)
    points = points_of(drawn_faces(), mesh, torch.device("cpu"))[turned.target_index]
    masks = face_masks(points, turned.back, 64)
    assert masks.shape == (4, 1, 64, 64)
    for mask, flat in zip(masks, moved(points, turned.back).numpy(), strict=True):
        whole = np.pad((flat + 1) * 32 - 0.5, ((0, 0), (0, 1)))
        face = Face(np.array([0, 0, 64, 64], np.float32), 1.0, mesh_points(whole), whole)
        assert mask.max() > 0.99
        assert np.abs(mask[0].numpy() - face_mask(face, 64)).max() < 0.1  # the eyes are taken elsewhere
    assert (masks[:-1] - masks[1:]).abs().amax((1, 2, 3)).min() > 0.1


# ---------------------------------------------------------------- a step


def test_a_swap_is_shown_where_the_engine_would_show_it(trainer):
    system, batch = trainer.system, trainer.batches.batch(0)
    batch.kind[:] = SAME_PHOTO  # no triplets
    shared = system.prepare(batch, moment_of(trainer))
    masks = face_masks(system.points[batch.target_index], batch.back, 32)
    withheld = (masks == 0) & (shared.mask > 0.01)
    assert withheld.any()
    withheld = withheld.expand_as(shared.fake)
    assert torch.equal(shared.fake[withheld], batch.target[withheld])
    assert (shared.fake - batch.target).abs().max() > 0.1


def test_triplets_are_fakes_of_the_average_that_are_to_become_their_photos(trainer):
    batch = trainer.batches.batch(0)
    batch.kind[:] = OTHER_PERSON
    chance = torch.tensor([0.0, 1.0, 0.0, 1.0])
    turned, given = trainer.system._with_triplets(batch, chance)
    assert turned.kind.tolist() == [SAME_PHOTO, OTHER_PERSON, SAME_PHOTO, OTHER_PERSON]
    assert torch.equal(turned.target, batch.target)  # the true answer stays the photo
    assert torch.equal(given[1::2], batch.target[1::2])
    people = trainer.system.task.identities
    fakes = trainer.system.swap(batch.target[::2], people.of(batch.source_index[::2]))
    assert torch.equal(given[::2], fakes)
    assert turned.source_index[::2].tolist() == batch.target_index[::2].tolist()
    assert not given.requires_grad


def test_every_loss_has_its_weight_and_reaches_its_network_alone(trainer):
    system = trainer.system
    moment = moment_of(trainer)
    moment = Moment(0, dict.fromkeys(system.losses, 1.0), moment.draws)
    shared = system.prepare(trainer.batches.batch(0), moment)
    terms = [(phase.network, phase.losses(shared, moment)) for phase in system.phases]
    assert sorted(system.losses) == sorted(name for _, found in terms for name in found)
    assert set(trainer.recipe.weights) == set(system.losses)
    size = trainer.recipe.run.batch
    for network, found in terms:
        parameters = list(system.networks[network].parameters())
        for name, values in found.items():
            assert values.shape == (size,), name
            assert values.dtype == torch.float32
            slopes = torch.autograd.grad(values.sum(), parameters, retain_graph=True, allow_unused=True)
            assert any(slope is not None and slope.abs().sum() > 0 for slope in slopes), name
        if network == "discriminator":
            total = sum(values.sum() for values in found.values())
            makers = list(system.generator.parameters())
            slopes = torch.autograd.grad(total, makers, retain_graph=True, allow_unused=True)
            assert all(slope is None for slope in slopes)


def test_a_resumed_run_on_drafts_equals_an_unbroken_one_bit_for_bit(tmp_path):
    states = []
    for name, stops in (("whole", (16,)), ("broken", (8, 16))):
        for part, stop in enumerate(stops):
            settings = (f"run.samples={stop}", "networks.drafted=true")
            run = tiny_trainer(tmp_path / name, *settings, name="omote-swap-128")
            if part:
                torch.rand(3)
                run.resume()
            run.run()
        networks = {**run.system.networks, "average": run.system.average}
        states.append({(n, k): v for n, net in networks.items() for k, v in net.state_dict().items()})
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_run_without_features_is_told(trainer):
    system = trainer.system
    system.teachers = replace(system.teachers, features="")
    with pytest.raises(UsageError, match="needs 'features'"):
        system.features  # noqa: B018


def test_others_may_judge_than_the_one_that_is_given(tmp_path):
    judges = "teachers.judges=['pixels', 'omote-identity']"
    run = tiny_trainer(tmp_path, judges, "run.samples=4", name="omote-swap-128")
    system = run.system
    shared = system.prepare(run.batches.batch(0), moment_of(run))
    pixels, other = system.task.identities, identity_teacher("omote-identity")
    width = pixels.teacher.width
    given = pixels.of(shared.batch.source_index)
    torch.testing.assert_close(shared.source[:, :width], torch.nn.functional.normalize(given))
    assert shared.seen.shape == (4, width + other.width)
    parts = [slice(0, width), slice(width, None)]
    cosine = torch.nn.functional.cosine_similarity
    apart = [cosine(shared.seen[:, part], shared.target[:, part]) for part in parts]
    torch.testing.assert_close(cosine(shared.seen, shared.target), sum(apart) / 2)
    (slope,) = torch.autograd.grad(shared.seen[:, width:].sum(), shared.fake, retain_graph=True)
    assert slope.abs().sum() > 0
    assert {pixels.teacher.digest, other.digest} <= system.identity_digests
    run.run()
    export(tmp_path, tmp_path / "net.onnx")
    card = tomllib.loads((tmp_path / "net.toml").read_text())
    judges = "the identity network pixels, the identity network omote-identity"
    assert card["note"].endswith(f"look through the mesh teacher omote-mesh, {judges}.")
    assert card["needs"] == {"identity": "net.identity.onnx"}


# ---------------------------------------------------------------- export


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swap")
    run = tiny_trainer(folder / "run", "run.samples=4", name="omote-swap-128")
    run.run()
    export(folder / "run", folder / "net" / "mine.onnx")
    return run, folder / "net"


def test_the_file_gives_colours_mask_and_detail(exported):
    run, folder = exported
    card = tomllib.loads((folder / "mine.toml").read_text())
    assert card["contract"] == "omote_swap"
    assert card["side"] == 32
    session = onnxruntime.InferenceSession(folder / "mine.onnx")
    target = torch.rand(3, 3, 32, 32) * 2 - 1
    source = torch.nn.functional.normalize(torch.randn(3, 64))
    assert [output.name for output in session.get_outputs()] == ["output", "mask", "detail"]
    found = session.run(None, {"target": target.numpy(), "source": source.numpy()})
    with torch.no_grad():
        for made, wanted in zip(found, run.system.average(target, source), strict=True):
            np.testing.assert_allclose(made, wanted.numpy(), atol=1e-3)


def test_swap_uses_the_file_its_mask_and_its_detail(exported, omote, source, target, tmp_path):
    run, folder = exported
    done = omote("swap", source, target, "-o", tmp_path / "new.png", "--swapper", folder / "mine.onnx")
    assert done.code == 0, done.err
    network = Networks().open(folder / "mine.onnx", "swapper")
    assert SWAPPERS[network.card.adapter] is DraftedSwapper
    swapper = EmbeddingSwapper(network)  # which is what reads the network in it
    points = (template("arcface_112_v2") * 32).astype(np.float32)
    face = Face(box=np.array([0, 0, 32, 32], np.float32), score=1.0, points=points)
    pixels = np.random.default_rng(0).random((32, 32, 3), np.float32)
    vector = torch.nn.functional.normalize(torch.randn(1, 64))
    given = EmbeddingIdentity(vector[0].numpy(), vector[0].numpy())
    (made,) = swapper.swap([Crop(pixels, np.eye(2, 3), face)], given)
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None] * 2 - 1
    with torch.no_grad():
        colours, mask, detail = run.system.average(planes, vector)
    np.testing.assert_allclose(made.detail, detail[0, 0].numpy(), atol=2e-3)
    np.testing.assert_allclose(made.mask, within_crop(mask[0, 0].numpy()), atol=2e-3)
    shown = (colours[0].permute(1, 2, 0).numpy() + 1) / 2
    np.testing.assert_allclose(made.pixels, shown.clip(0, 1), atol=2e-3)


def test_a_card_that_names_no_mask_of_the_file_is_told(exported, tmp_path):
    _, folder = exported
    for file in folder.iterdir():
        text = file.read_bytes()
        if file.name == "mine.toml":
            text = text.replace(b"[needs]", b'mask_output = "alpha"\n[needs]')
        (tmp_path / file.name).write_bytes(text)
    with pytest.raises(ModelError, match="expected an output 'alpha' of 1 × 32 × 32, found"):
        EmbeddingSwapper(Networks().open(tmp_path / "mine.onnx", "swapper"))
