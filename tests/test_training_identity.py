"""omote-identity's training: the student, hard faces, lessons, the teacher's inner maps, the whole system."""

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.errors import ModelError, UsageError  # noqa: E402
from omote.training import shown  # noqa: E402
from omote.training.assembly import Where, assemble, fabric_for  # noqa: E402
from omote.training.data.crops import canonical  # noqa: E402
from omote.training.data.drawn import drawn_faces  # noqa: E402
from omote.training.data.hardships import (  # noqa: E402
    blend,
    blend_masks,
    covered,
    relit,
    with_glasses,
)
from omote.training.draws import Draws  # noqa: E402
from omote.training.export import export  # noqa: E402
from omote.training.networks import least_squares  # noqa: E402
from omote.training.networks.least_squares import LeastSquares  # noqa: E402
from omote.training.networks.slim import SlimIdentity  # noqa: E402
from omote.training.recipe import load_recipe  # noqa: E402
from omote.training.system import Moment  # noqa: E402
from omote.training.systems.identity import NOBODY, IdentitySettings, IdentitySystem  # noqa: E402
from omote.training.systems.oneshot import Identities, Task  # noqa: E402
from omote.training.teachers.identity import PixelIdentity, identity_teacher  # noqa: E402
from omote.training.teachers.maps import InnerMaps  # noqa: E402
from tests.shared_data import SHARED, needs_shared  # noqa: E402
from tests.tiny_runs import tiny_trainer  # noqa: E402

TEACHER = SHARED / "weights" / "id_mobilefacenet_ms1m_foamliu.onnx"
MAP = "/features/features.14/Add_output_0"
SMALL = IdentitySettings(widths=(4, 8, 8, 8), blocks=(0, 1, 1, 0), last=16)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draws(count: int = 8, part: slice = slice(None), step: int = 0) -> Draws:
    return Draws(1, step, count, slice(*part.indices(count)), torch.device("cpu"))


def faces(count: int = 8, side: int = 64) -> torch.Tensor:
    drawn = drawn_faces()
    return canonical(drawn.gather(torch.arange(count)), drawn.border, side)


# ---------------------------------------------------------------- the network


def test_the_student_is_small_and_gives_unit_vectors():
    net = SlimIdentity().eval()
    assert sum(p.numel() for p in net.parameters()) <= 1_250_000
    found = net(torch.rand(2, 3, 112, 112) * 2 - 1)
    assert found.shape == (2, 128)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


def test_the_students_maps_have_the_sizes_that_they_say():
    net = SlimIdentity(16, (4, 6, 8, 10), (0, 1, 0, 1), 12, 32).eval()
    maps = net.maps(torch.rand(2, 3, 32, 32))
    assert [tuple(m.shape[1:]) for m in maps] == [(6, 8, 8), (8, 4, 4), (10, 2, 2), (12, 2, 2)]
    assert net.channels == (6, 8, 10, 12)


@pytest.mark.parametrize(
    ("options", "message"), [({"size": 100}, "100 px"), ({"widths": (8, 8)}, "four scales")]
)
def test_a_student_that_cannot_be_is_told(options, message):
    with pytest.raises(UsageError, match=message):
        SlimIdentity(**options)


# ---------------------------------------------------------------- hard faces


@pytest.mark.parametrize(
    "change",
    [
        lambda x, d, share: relit(x, d, share, 0.2),
        with_glasses,
        covered,
        lambda x, d, share: blend(x, blend_masks(d, x.shape[-1], share)),
    ],
    ids=["relit", "glasses", "covered", "mixed"],
)
class TestHardships:
    def test_none_are_changed_without_a_share(self, change):
        torch.testing.assert_close(change(faces(), draws(), 0.0), faces())

    def test_all_are_changed_and_stay_pictures(self, change):
        made = change(faces(), draws(), 1.0)
        assert made.shape == faces().shape
        assert made.abs().max() <= 1 + 1e-5
        assert ((made - faces()).abs().amax((1, 2, 3)) > 0.02).all()

    def test_the_share_is_kept(self, change):
        pictures = torch.rand(400, 3, 16, 16)
        made = change(pictures, draws(400), 0.3)
        assert 0.15 < ((made - pictures).abs().amax((1, 2, 3)) > 1e-6).float().mean() < 0.4


def test_less_light_is_never_more_in_the_middle():
    white = torch.ones(64, 3, 33, 33)
    middle = (relit(white, draws(64), 1.0, 0.25)[:, 0, 16, 16] + 1) / 2
    assert middle.min() < 0.4
    assert 0.2 < middle.min() <= middle.max() <= 1


def test_glasses_sit_on_the_eyes_and_leave_the_mouth():
    made = with_glasses(faces(), draws(), 1.0)
    changed = (made - faces()).abs().amax((0, 1))
    assert changed[20:40].max() > 0.2
    assert changed[48:].max() < 1e-4


def test_a_part_of_a_batch_gets_the_masks_of_the_whole():
    whole = blend_masks(draws(8), 16, 0.5)
    torch.testing.assert_close(blend_masks(draws(8, slice(2, 5)), 16, 0.5), whole[2:5])


# ---------------------------------------------------------------- the system


def tiny(tmp_path, *assignments):
    recipe = load_recipe(
        "omote-identity", ["run.samples=16", "run.log=8", "run.grid=16", *assignments], smoke=True
    )
    where = Where(tmp_path, "cpu")
    return assemble(recipe, drawn_faces(), where, fabric_for(recipe, where))


def test_a_run_moves_student_and_average_and_shows_a_sheet(tmp_path):
    trainer = tiny(tmp_path)
    before = [p.clone() for p in trainer.system.student.parameters() if p.requires_grad]
    average = [p.clone() for p in trainer.system.average.parameters()]
    trainer.run()
    changed = [
        not torch.equal(a, b) for a, b in zip(before, trainer.system.student.parameters(), strict=True)
    ]
    assert sum(changed) >= len(changed) - 1  # the places of people have no weight here
    assert any(
        not torch.equal(a, b) for a, b in zip(average, trainer.system.average.parameters(), strict=True)
    )
    assert len(list((tmp_path / "sheets").glob("*.jpg"))) == 1


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    whole, first = tiny(tmp_path / "a"), tiny(tmp_path / "b", "run.samples=8")
    whole.run()
    first.run()
    second = tiny(tmp_path / "b")
    second.resume()
    second.run()
    for name, value in whole.system.student.state_dict().items():
        assert torch.equal(value, second.system.student.state_dict()[name]), name


def test_the_student_sees_other_faces_than_the_teacher_unless_nothing_is_hard(tmp_path):
    trainer = tiny(tmp_path)
    lesson = trainer.batches.batch(0)
    plain = tiny(
        tmp_path / "plain",
        *(f"hardships.{name}=0" for name in ("mixed", "relit", "glasses", "covered")),
        *(
            f"augment.{name}=0"
            for name in ("brightness", "contrast", "saturation", "grey", "blur", "shrink", "noise", "jpeg")
        ),
    ).batches.batch(0)
    assert (plain.clean - plain.hard).abs().mean() < 0.02
    assert (lesson.clean - lesson.hard).abs().mean() > 0.05
    assert plain.whole.all()


def test_a_lesson_is_taken_apart_by_samples(tmp_path):
    lesson = tiny(tmp_path).batches.batch(0)
    part = lesson[2:5]
    assert len(part) == 3
    torch.testing.assert_close(part.wanted, lesson.wanted[2:5])
    torch.testing.assert_close(part.hard, lesson.hard[2:5])


def task_of(people: list[int]) -> Task:
    teacher = PixelIdentity()
    table = torch.randn(len(people), teacher.width, generator=torch.Generator().manual_seed(0))
    return Task(Identities(teacher, table), 32, 1.0, torch.device("cpu"), torch.tensor(people))


def test_people_of_one_photo_have_no_place_and_others_begin_at_their_mean():
    task = task_of([7, 3, 7, 5, 3, 9])
    system = IdentitySystem(SMALL, task)
    assert system.label.tolist() == [1, 0, 1, NOBODY, 0, NOBODY]
    table = torch.nn.functional.normalize(task.identities.table, dim=1)
    expected = torch.nn.functional.normalize(table[[1, 4]].sum(0), dim=0)
    torch.testing.assert_close(system.student.people.centres[0].detach(), expected)


def test_margin_concerns_whole_faces_of_people_with_several_photos_only():
    system = IdentitySystem(SMALL, task_of([0, 0, 1, 2, 2, 2, 3, 4]))
    batch = tiny_lesson(system)
    shared = system.prepare(batch, moment())
    terms = system._learn(shared, moment())
    known = batch.whole & (system.label[batch.index] != NOBODY)
    assert 0 < int(known.sum()) < len(batch)
    assert torch.equal(terms["margin"] > 0, known)


def moment() -> Moment:
    return Moment(0, {"identity": 1, "relations": 1, "hints": 0, "margin": 1}, draws())


def tiny_lesson(system):
    from omote.training.systems.lessons import Lesson

    whole = torch.tensor([True, False] * 4)
    wanted = torch.nn.functional.normalize(torch.randn(8, 64), dim=1)
    pictures = faces(8, 32)
    return Lesson(pictures, pictures, whole, torch.arange(8), wanted, ())


def test_maps_of_a_teacher_that_is_no_network_are_refused():
    with pytest.raises(UsageError, match="has none"):
        IdentitySystem(IdentitySettings(maps=("x",), map_channels=(8,)), task_of([0, 1]))


def test_maps_and_their_channels_must_be_as_many():
    with pytest.raises(UsageError, match="as many"):
        IdentitySystem(IdentitySettings(maps=("x",)), task_of([0, 1]))


# ---------------------------------------------------------------- the last layer


def test_least_squares_move_the_layer_towards_what_is_wanted_and_its_bias_all_the_way():
    torch.manual_seed(5)
    true, layer = torch.nn.Linear(6, 3), torch.nn.Linear(6, 3)
    before = layer.weight.clone()
    squares = LeastSquares(layer)
    for _ in range(400):
        given, scale = torch.randn(50, 6), torch.rand(50, 1) + 0.5
        squares.add(given, true(given) * scale, scale)
    squares.solve()
    share = 1 / (1 + least_squares._RIDGE)
    torch.testing.assert_close(layer.weight - before, share * (true.weight - before), atol=0.02, rtol=0)
    torch.testing.assert_close(layer.bias, true.bias, atol=0.02, rtol=0)


def test_settling_brings_the_average_nearer_to_the_teacher():
    torch.manual_seed(6)
    system = IdentitySystem(SMALL, task_of([0, 0, 1, 2, 2, 2, 3, 4]))
    lesson = tiny_lesson(system)
    before = [value.clone() for value in system.average.parameters()]
    likeness = (system.average(lesson.hard) * lesson.wanted).sum(1).mean()
    system.settle([(lesson.hard, 3 * lesson.wanted)] * 2)
    assert (system.average(lesson.hard) * lesson.wanted).sum(1).mean() > likeness + 0.1
    changed = [not torch.equal(a, b) for a, b in zip(before, system.average.parameters(), strict=True)]
    assert changed == [False] * (len(changed) - 2) + [True, True], "nothing but the last layer"


def test_an_export_settles_when_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(shown, "open_faces", lambda *_: drawn_faces())
    tiny(tmp_path / "run").run()
    for name, settle in (("plain", None), ("settled", shown.Shown(tmp_path))):
        export(tmp_path / "run", tmp_path / f"{name}.onnx", settle=settle)
    plain, settled = (onnx.load(tmp_path / f"{name}.onnx") for name in ("plain", "settled"))
    values = [{i.name: i.raw_data for i in model.graph.initializer} for model in (plain, settled)]
    assert {name for name in values[0] if values[0][name] != values[1][name]} == {
        "head.3.weight",
        "head.3.bias",
    }


def test_a_network_without_such_a_layer_is_told(tmp_path):
    tiny_trainer(tmp_path / "run", "run.samples=4").run()
    with pytest.raises(UsageError, match="has no last layer to solve for; leave --settle out"):
        export(tmp_path / "run", tmp_path / "net.onnx", settle=shown.Shown(tmp_path))
    assert not list(tmp_path.glob("*.onnx"))


# ---------------------------------------------------------------- the teacher's inner maps


@needs_shared
def test_inner_maps_are_those_of_the_network_and_scaled():
    teacher = identity_teacher(str(TEACHER))
    pictures = faces(4, 112)
    embeddings, (maps,) = InnerMaps(teacher, [MAP], torch.device("cpu"))(pictures)
    torch.testing.assert_close(embeddings, teacher.embed(pictures), atol=1e-4, rtol=1e-4)
    assert maps.shape == (4, 128, 7, 7)
    np.testing.assert_allclose(maps.mean((0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(maps.var((0, 2, 3), correction=0), 1, atol=1e-2)


@needs_shared
def test_a_value_that_the_network_lacks_is_told():
    with pytest.raises(ModelError, match="no value 'nothing'"):
        InnerMaps(identity_teacher(str(TEACHER)), ["nothing"], torch.device("cpu"))
