"""The teacher of omote-parse: where it begins, how slowly that changes, and the masks that it finds."""

import tarfile

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.errors import InputError, ModelError, UsageError  # noqa: E402
from omote.training.assembly import Where, assemble, fabric_for  # noqa: E402
from omote.training.data import parsed  # noqa: E402
from omote.training.data.drawn import drawn_faces, drawn_regions  # noqa: E402
from omote.training.data.parsed import parse_faces  # noqa: E402
from omote.training.data.regions import OCCLUDER, REGIONS, merge, open_regions  # noqa: E402
from omote.training.losses.segmentation import UNKNOWN  # noqa: E402
from omote.training.networks.parse_teacher import Encoder, PretrainedParseNet  # noqa: E402
from omote.training.recipe import load_recipe  # noqa: E402
from tests.face_shards import write_shards  # noqa: E402
from tests.shared_data import SHARED, needs_shared  # noqa: E402

SKIN, HAT = REGIONS.index("skin"), REGIONS.index("hat")


def test_it_takes_any_number_of_pictures_and_scores_each_pixel():
    net = PretrainedParseNet(13, (8, 12, 16, 24)).eval()
    assert net(torch.rand(3, 3, 64, 96) * 2 - 1).shape == (3, 13, 64, 96)
    with pytest.raises(UsageError, match="multiples of 16"):
        net(torch.rand(1, 3, 60, 64))


@needs_shared
def test_the_encoder_begins_with_the_weights_of_the_file():
    encoder = Encoder()
    encoder.load(SHARED / "weights" / "percep_squeezenet_v1.1.onnx")
    maps = encoder(torch.zeros(1, 3, 64, 64))
    assert [tuple(one.shape[1:]) for one in maps] == [
        (channels, 32 >> level, 32 >> level) for level, channels in enumerate(encoder.channels)
    ]
    from omote.training.teachers.features import FrozenFeatures

    picture = torch.rand(1, 3, 95, 95) * 2 - 1
    wanted = FrozenFeatures(SHARED / "weights" / "percep_squeezenet_v1.1.onnx")(picture)[-1]
    pixels = (picture.flip(1) + 1) * 127.5 - torch.tensor([104.0, 117, 123]).view(1, 3, 1, 1)
    found = encoder(pixels)[-1]
    alike = torch.nn.functional.cosine_similarity(
        found.mean((2, 3)), wanted.mean((2, 3))
    )  # borders differ, so that maps do not lie on each other
    assert alike > 0.9


@needs_shared
def test_another_network_is_told():
    with pytest.raises(ModelError, match=r"not SqueezeNet 1\.1"):
        Encoder().load(SHARED / "weights" / "det_yunet_n.onnx")
    with pytest.raises(ModelError, match="not an ONNX file"):
        Encoder().load(SHARED / "weights" / "none.onnx")


def test_what_has_learnt_before_moves_more_slowly(tmp_path):
    assignments = ["run.samples=8", "run.batch=8", "run.grid=8", "optimisers.parser.rate=1e-3"]
    recipe = load_recipe("omote-parse-teacher", assignments, smoke=True)
    where = Where(tmp_path, "cpu")
    trainer = assemble(recipe, drawn_regions(), where, fabric_for(recipe, where))
    before = {name: value.detach().clone() for name, value in trainer.system.parser.named_parameters()}
    trainer.run()
    moved = {
        name: (value.detach() - before[name]).abs().max()
        for name, value in trainer.system.parser.named_parameters()
    }
    share = float(moved["encoder.first.weight"] / moved["leave.weight"])
    assert share == pytest.approx(recipe.table("optimisers")["parser"]["slow_share"], rel=0.05)


def test_a_slow_part_that_there_is_not_is_told(tmp_path):
    recipe = load_recipe("omote-parse-teacher", ["optimisers.parser.slow='backbone'"], smoke=True)
    where = Where(tmp_path, "cpu")
    with pytest.raises(UsageError, match="slow = 'backbone': the network has fine, encoder"):
        assemble(recipe, drawn_regions(), where, fabric_for(recipe, where))


def test_where_it_begins_must_be_said(tmp_path):
    recipe = load_recipe("omote-parse-teacher", ["teachers.features=''"], smoke=True)
    where = Where(tmp_path, "cpu")
    with pytest.raises(UsageError, match="needs 'features'"):
        assemble(recipe, drawn_regions(), where, fabric_for(recipe, where))


class Quarters:
    """A parser that finds, from above: a hat; skin, without being sure; an occluder; skin."""

    def __init__(self) -> None:
        self.seen = 0

    def run_batch(self, planes):
        scores = np.zeros((len(planes), len(REGIONS), *planes.shape[2:]), np.float32)
        quarter = planes.shape[2] // 4
        for number, (region, height) in enumerate(((HAT, 10), (SKIN, 2), (OCCLUDER, 10), (SKIN, 10))):
            scores[:, region, number * quarter : (number + 1) * quarter] = height
        self.seen += len(planes)
        return [scores]


def right_half(squares):
    """Sees clothes in the right half of every square."""
    return np.broadcast_to(np.arange(squares.shape[2]) >= squares.shape[2] // 2, squares.shape[:3])


@pytest.mark.parametrize("witness", [None, "any"])
def test_masks_are_written_as_they_are_found_but_for_what_is_doubtful(witness, tmp_path, monkeypatch):
    session = Quarters()
    monkeypatch.setattr(parsed, "_opened", lambda _: (session, 48))
    monkeypatch.setattr(parsed, "_clothes", lambda name: right_half if name else lambda _: None)
    faces = drawn_faces().subset(np.arange(6))
    told = []
    shown = parse_faces(faces, "any", tmp_path, 5, lambda *how: told.append(how), witness)
    assert {name: count for name, count in shown.items() if count} == {"hat": 5, "skin": 5}
    assert session.seen == 2 * 5, "picture and mirror image"
    assert told == [(5, 5)]
    side = faces.pixels.shape[1]
    with tarfile.open(tmp_path / f"parsing{side}.tar") as tar:
        names = tar.getnames()
        assert len(names) == len(set(names)) == 10
        assert all(name.startswith("train/") for name in names)
        coded = tar.extractfile(next(name for name in names if name.endswith(".png"))).read()
    mask = merge(cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_GRAYSCALE))
    left, right = mask[:, 2 : side // 2 - 2], mask[:, side // 2 + 2 : -2]
    for half, wanted in (
        (left, (UNKNOWN if witness else HAT, UNKNOWN, UNKNOWN, SKIN)),
        (right, (HAT, UNKNOWN, UNKNOWN, UNKNOWN if witness else SKIN)),
    ):
        for number, region in enumerate(wanted):
            middle = half[number * side // 4 + 2 : (number + 1) * side // 4 - 2]
            assert (middle == region).all()


def test_the_command_writes_a_set_beside_which_others_can_lie(tmp_path, omote):
    write_shards(tmp_path / "set", [1] * 8)  # of which one is held out
    words = ("dataset", "regions", tmp_path / "set", "--parser", "omote-parse", "-o", tmp_path / "parsing")
    done = omote(*words, "--faces", 3)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].split()[0] == "background"
    with tarfile.open(tmp_path / "parsing" / "parsing40.tar") as tar:
        names = tar.getnames()
    assert len(names) == 6
    assert {name.split("/")[0] for name in names} == {"train"}
    done = omote(*words, "--faces", 3, "--witness", "omote-parse")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "no region 'clothes'" in done.err
    done = omote(*words, "--faces", 8)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "8 masks needs 8 faces" in done.err


def test_too_few_faces_are_told(tmp_path):
    with pytest.raises(InputError, match="9 masks needs 9 faces"):
        parse_faces(drawn_faces(), "any", tmp_path, 9)
    assert not list(tmp_path.glob("parsing*"))


@needs_shared
def test_a_parser_of_other_regions_is_told(tmp_path):
    parser = str(SHARED / "weights" / "seg_skin_clothes_hair_pan512.onnx")
    with pytest.raises(ModelError):
        parse_faces(drawn_faces(), parser, tmp_path, 4)


@needs_shared
def test_a_witness_of_clothes(tmp_path):
    witness = str(SHARED / "weights" / "seg_skin_clothes_hair_pan512.onnx")
    shown = parse_faces(drawn_faces(), "omote-parse", tmp_path, 2, witness=witness)
    assert shown["background"] == 2


@needs_shared
def test_masks_of_two_tars_are_one_set(tmp_path):
    with tarfile.open(SHARED / "data" / "parsing256.tar") as whole:
        members = [m for m in whole if m.name.startswith("train/")][:8]
        for number, part in enumerate((members[:4], members[4:])):
            with tarfile.open(tmp_path / f"parsing{256 + number}.tar", "w") as few:
                for member in part:
                    few.addfile(member, whole.extractfile(member))
    faces = open_regions(tmp_path, "train")
    assert len(faces) == len(faces.masks) == 4
    assert list(faces.columns["source"]) == ["parsing256"] * 2 + ["parsing257"] * 2
