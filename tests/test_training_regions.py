"""omote-parse: regions and their table, occluders, cropping, metrics, training, and its use in a swap."""

import tarfile
import tomllib

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training room needs torch")

from omote.compose.mask_settings import MaskSettings  # noqa: E402
from omote.compose.parsers import PARSERS, open_maskers  # noqa: E402
from omote.errors import InputError, UsageError  # noqa: E402
from omote.evaluation.segmentation import confusion, intersection_over_union  # noqa: E402
from omote.faces.align import template  # noqa: E402
from omote.training.assembly import Where, assemble, fabric_for  # noqa: E402
from omote.training.data.augment import NONE, Augmentation, draw  # noqa: E402
from omote.training.data.drawn import drawn_regions  # noqa: E402
from omote.training.data.lent import Lender  # noqa: E402
from omote.training.data.occluders import draw_shape, occluded  # noqa: E402
from omote.training.data.region_batches import cut, judged, squares_of  # noqa: E402
from omote.training.data.regions import (  # noqa: E402
    FACE,
    MERGED,
    OCCLUDER,
    REGIONS,
    SIDE,
    SQUARE,
    merge,
    open_regions,
)
from omote.training.export import export  # noqa: E402
from omote.training.held_out import region_numbers  # noqa: E402
from omote.training.losses import cross_entropy_loss, dice_loss  # noqa: E402
from omote.training.losses.segmentation import UNKNOWN  # noqa: E402
from omote.training.networks.counting import cost  # noqa: E402
from omote.training.networks.parse import ParseNet  # noqa: E402
from omote.training.recipe import load_recipe  # noqa: E402
from omote.training.systems import batches_for  # noqa: E402
from omote.training.systems.regions import overlaps, painted  # noqa: E402
from omote.zoo import Networks  # noqa: E402
from tests.shared_data import SHARED, needs_shared  # noqa: E402

# As the maker of the shared masks lists them, and where each goes.
# fmt: off
CELEBAMASK = {
    "background": "background", "skin": "skin", "nose": "nose", "glasses": "glasses", "left eye": "eye",
    "right eye": "eye", "left brow": "brow", "right brow": "brow", "left ear": "ear", "right ear": "ear",
    "inner mouth": "mouth", "upper lip": "lip", "lower lip": "lip", "hair": "hair", "hat": "hat",
    "earring": "ear", "necklace": "neck", "neck": "neck", "clothes": "background",
}
# fmt: on
OURS = {"occluder": "occluder"}


# ---------------------------------------------------------------- regions


def test_every_index_is_merged_and_sides_are_one():
    assert list(MERGED) == list(CELEBAMASK | OURS)
    indices = np.arange(20, dtype=np.uint8).reshape(1, 20)
    names = [REGIONS[number] for number in merge(indices)[0]]
    assert names == list((CELEBAMASK | OURS).values())
    assert set(names) == set(REGIONS)
    assert set(FACE) < set(REGIONS)


def test_an_index_that_there_is_not_is_told():
    with pytest.raises(InputError, match=r"val/7: has index 20, the masks go from 0 to 19"):
        merge(np.full((2, 2), 20, np.uint8), "val/7")


@needs_shared
def test_masks_of_the_set_lie_on_the_faces_and_are_kept(tmp_path):
    with tarfile.open(SHARED / "data" / "parsing256.tar") as whole:
        members = [m for m in whole if m.name.startswith("val/")][:12]
        with tarfile.open(tmp_path / "parsing256.tar", "w") as few:
            for member in members:
                few.addfile(member, whole.extractfile(member))
    faces = open_regions(tmp_path, "val", tmp_path / "cache")
    assert faces.pixels.shape == (6, SQUARE, SQUARE, 3)
    assert faces.side == SIDE
    assert faces.masks.shape == (6, SQUARE, SQUARE)
    # The template's eyes lie in eyes, its nose in the nose, in nearly all faces.
    points = faces.columns["points"][0]
    wanted = [REGIONS.index(name) for name in ("eye", "eye", "nose")]
    hits = [
        np.mean([(_around(mask, place) == region).any() for mask in faces.masks.numpy()])
        for region, place in zip(wanted, points, strict=False)
    ]
    assert min(hits) > 0.8
    eyes = np.linalg.norm(points[1] - points[0]) / SIDE
    wide, tight = (np.ptp(template(name)[:2, 0]) for name in ("ffhq_512", "arcface_112_v2"))
    assert wide < eyes < tight
    again = open_regions(tmp_path, "val", tmp_path / "cache")
    assert torch.equal(again.pixels, faces.pixels)
    assert torch.equal(again.masks, faces.masks)
    with pytest.raises(InputError, match="nothing in the split train"):
        open_regions(tmp_path, "train")


def _around(mask, place):
    x, y = np.round(place).astype(int)
    return mask[y - 4 : y + 5, x - 4 : x + 5]


def test_a_folder_without_masks_is_told(tmp_path):
    with pytest.raises(InputError, match="no faces with masks"):
        open_regions(tmp_path, "train")
    with tarfile.open(tmp_path / "parsing64.tar", "w") as tar:
        path = tmp_path / "1.webp"
        path.write_bytes(cv2.imencode(".webp", np.zeros((64, 64, 3), np.uint8))[1].tobytes())
        tar.add(path, "train/1.webp")
    with pytest.raises(InputError, match=r"train/1: a picture \.webp and a mask \.png belong together"):
        open_regions(tmp_path, "train")


def test_picture_and_mask_are_turned_alike():
    """Paint each region in its own grey: the picture then says of each pixel what the mask must be."""
    faces = drawn_regions()
    painted = (faces.masks[..., None] * 20).expand(-1, -1, -1, 3).contiguous()
    faces.pixels.copy_(painted)
    strong = Augmentation(rotation=40, scale=0.3, shift=0.1, flip=0.5)
    pictures, masks = cut(faces, *squares_of(faces, torch.arange(8)), draw(strong, 3, 4, 8), 128)
    said = pictures[:, 0] * 255 / 20
    sure = (said - said.round()).abs() < 0.05  # not on an edge
    assert sure.float().mean() > 0.9
    assert (said.round().long() == masks)[sure].float().mean() > 0.995
    straight, _ = cut(faces, *squares_of(faces, torch.arange(8)), draw(NONE, 3, 4, 8), 128)
    assert (pictures - straight).abs().mean() > 0.05


# ---------------------------------------------------------------- hats and glasses of others

HAT, HAIR = REGIONS.index("hat"), REGIONS.index("hair")


def with_a_hat():
    """Drawn faces of which the first wears a green hat, and nobody has hair."""
    faces = drawn_regions()
    faces.masks[faces.masks == HAIR] = 0
    faces.masks[0, 20:50, 40:120] = HAT
    faces.pixels[0, 20:50, 40:120] = torch.tensor([0, 255, 0], dtype=torch.uint8)
    return faces


def test_a_hat_is_lent_with_its_pixels():
    faces = with_a_hat()
    everybody = squares_of(faces, torch.arange(8))
    squares, masks = Lender(faces, 1.0).lend(*everybody, 5, 0)
    assert torch.equal(squares[0], faces.pixels[0]), "who wears one keeps his own"
    hats = masks == HAT
    assert hats.flatten(1).any(1).all()
    assert (squares[hats] == torch.tensor([0, 255, 0])).all()
    kept = masks == faces.masks
    assert torch.equal(squares[1:][hats[1:]], squares[1:][~kept[1:] & hats[1:]])
    below = torch.arange(faces.masks.shape[1]) > 60
    assert torch.equal(squares[:, below], faces.pixels[:, below])
    assert kept[:, below].all()


def test_no_hair_stands_above_a_lent_hat():
    faces = with_a_hat()
    faces.masks[1:, :18] = HAIR
    _, masks = Lender(faces, 1.0).lend(*squares_of(faces, torch.arange(8)), 5, 0)
    above = (masks[1:, :10, 60:100] == HAIR) | (masks[1:, :10, 60:100] == HAT)
    assert not above.any()
    assert (masks[1:, :10, :20] == HAIR).any()


def test_what_is_lent_follows_from_seed_step_and_row_alone():
    faces = with_a_hat()
    lender = Lender(faces, 0.5)
    squares, masks = lender.lend(*squares_of(faces, torch.arange(8)), 5, 0)
    part = lender.lend(*squares_of(faces, torch.arange(4, 8)), 5, 0, first=4)
    assert torch.equal(squares[4:], part[0])
    assert torch.equal(masks[4:], part[1])
    lent = (masks[1:] == HAT).flatten(1).any(1)
    assert 0 < lent.sum() < 7


def test_nothing_is_lent_where_nobody_wears_anything():
    faces = drawn_regions()
    given = squares_of(faces, torch.arange(8))
    assert all(torch.equal(a, b) for a, b in zip(Lender(faces, 1.0).lend(*given, 5, 0), given, strict=True))


# ---------------------------------------------------------------- occluders


def test_occluders_change_exactly_what_they_say():
    batch = judged(drawn_regions(), 96, covered=False)
    given = (batch.picture + 1) / 2
    pictures, masks = occluded(given, batch.mask, 1.0, seed=1, step=2)
    covers = masks == OCCLUDER
    assert covers.flatten(1).any(1).all()
    assert torch.equal(masks[~covers], batch.mask[~covers])
    changed = (pictures - given).abs().amax(1)
    assert (changed[covers] > 0.02).float().mean() > 0.8
    far = torch.nn.functional.max_pool2d(covers.float()[:, None], 9, 1, 4)[:, 0] == 0
    assert changed[far].max() < 0.51  # the soft rim of a thing thinner than a pixel is not labelled
    assert (changed[far] > 0.02).float().mean() < 0.01
    assert 0 <= pictures.min() <= pictures.max() <= 1


def test_occluders_follow_from_seed_step_and_row():
    batch = judged(drawn_regions(), 64, covered=False)
    given = (batch.picture + 1) / 2
    whole = occluded(given, batch.mask, 0.5, 1, 2)[1]
    parts = [occluded(given[a:b], batch.mask[a:b], 0.5, 1, 2, a)[1] for a, b in ((0, 3), (3, 8))]
    assert torch.equal(whole, torch.cat(parts))
    assert not torch.equal(whole, occluded(given, batch.mask, 0.5, 1, 3)[1])
    covered = (whole == OCCLUDER).flatten(1).any(1)
    assert 0 < covered.sum() < 8
    assert torch.equal(occluded(given, batch.mask, 0.0, 1, 2)[0], given)


def test_shapes_vary_and_leave_most_of_the_face():
    areas = [draw_shape(np.random.default_rng(seed), 64).mean() for seed in range(60)]
    assert min(areas) > 0.003
    assert np.quantile(areas, 0.95) < 0.45
    assert np.std(areas) > 0.03


# ---------------------------------------------------------------- metrics and losses, by hand


def test_intersection_over_union_by_hand():
    truth = np.array([[0, 0, 1, 1], [0, 2, 2, 1]])
    found = np.array([[0, 1, 1, 1], [0, 2, 0, 3]])
    counts = confusion(truth, found, 5)
    assert counts.tolist()[0] == [2, 1, 0, 0, 0]
    assert counts.sum() == 8
    overlap = intersection_over_union(counts)
    np.testing.assert_allclose(overlap[:3], [2 / 4, 2 / 4, 1 / 2])
    assert np.isnan(overlap[3:]).all()  # found, but nowhere in the truth; and neither
    with pytest.raises(ValueError, match="give the same shape"):
        confusion(truth, found[:1], 5)


def test_numbers_of_a_perfect_and_of_a_blind_parser():
    faces = drawn_regions()
    truth = judged(faces, 64, covered=False).mask
    numbers = region_numbers(_Knowing(faces), faces, 64)
    assert numbers["iou"] == numbers["covered_iou"] == numbers["occluder_iou"] == 1
    assert "iou/glasses" not in numbers
    blind = region_numbers(lambda x: torch.zeros_like(x[:, 0]).long(), faces, 64)
    assert blind["occluder_iou"] == blind["iou/skin"] == 0
    assert blind["iou/background"] == pytest.approx(float((truth == 0).float().mean()), abs=1e-6)


class _Knowing:
    """Looks the answer up: first for the faces as they are, then for covered ones."""

    def __init__(self, faces):
        self.masks = torch.cat([judged(faces, 64, covered=covered).mask for covered in (False, True)])

    def __call__(self, pictures):
        found, self.masks = self.masks[: len(pictures)], self.masks[len(pictures) :]
        return found


def test_losses_by_hand():
    truth = torch.tensor([[[0, 0], [1, 1]], [[0, 0], [0, 0]]])
    sure = torch.nn.functional.one_hot(truth, 3).movedim(-1, 1).float() * 60
    assert dice_loss(sure, truth).tolist() == pytest.approx([0, 0], abs=1e-6)
    even = torch.zeros(2, 3, 2, 2)
    assert cross_entropy_loss(even, truth).tolist() == pytest.approx([np.log(3)] * 2)
    emphasis = torch.tensor([1.0, 3.0, 1.0])
    assert cross_entropy_loss(even, truth, emphasis).tolist() == pytest.approx([2 * np.log(3), np.log(3)])
    # p = 1/3 everywhere: 2 · 2/3 / (4/3 + 2) for both classes, and 2 · 4/3 / (4/3 + 4) for one.
    assert dice_loss(even, truth).tolist() == pytest.approx([1 - 0.4, 1 - 0.5])


def test_what_nobody_knows_does_not_count():
    truth = torch.tensor([[[0, UNKNOWN], [1, 1]], [[UNKNOWN, UNKNOWN], [UNKNOWN, UNKNOWN]]])
    even = torch.zeros(2, 3, 2, 2)
    assert cross_entropy_loss(even, truth).tolist() == pytest.approx([3 / 4 * np.log(3), 0])
    # p = 1/3 at three pixels: 2 · 1/3 / (1 + 1) and 2 · 2/3 / (1 + 2)
    assert dice_loss(even, truth).tolist() == pytest.approx([1 - (1 / 3 + 4 / 9) / 2, 0])
    overlap, there = overlaps(torch.tensor([[[0, 2], [1, 2]], [[0, 1], [2, 0]]]), truth)
    assert overlap[:, :3].tolist() == [[1, 0.5, 0], [0, 0, 0]]
    assert there[:, :3].tolist() == [[True, True, False], [False, False, False]]
    assert painted(truth)[0, :, 0, 1].tolist() == [0, 0, 0]
    assert merge(np.array([[255, 14]], np.uint8)).tolist() == [[UNKNOWN, REGIONS.index("hat")]]


# ---------------------------------------------------------------- network, training, export


def test_the_network_is_small():
    settings = load_recipe("omote-parse").table("networks")
    network = cost(lambda: ParseNet(len(REGIONS), settings["widths"], settings["blocks"]), (1, 3, 192, 192))
    assert network.parameters <= 2e6
    assert network.macs <= 0.55e9


def test_batches_of_a_step_do_not_depend_on_when_they_are_made(tmp_path):
    trainer = _tiny(tmp_path)
    batches = trainer.batches
    once, again = batches.batch(3), batches.batch(3)
    assert torch.equal(once.picture, again.picture)
    assert torch.equal(once.mask, again.mask)
    assert torch.equal(once[2:4].mask, batches.batch(3, slice(2, 4)).mask)
    assert once.picture.shape == (4, 3, 64, 64)
    assert once.mask.max() <= OCCLUDER


def test_settings_that_do_not_fit_are_told(tmp_path):
    with pytest.raises(UsageError, match="emphasis: 13 are needed"):
        _tiny(tmp_path, "networks.emphasis=[1.0]")
    with pytest.raises(UsageError, match=r"data\.size 60: this network needs a multiple of 8"):
        _tiny(tmp_path, "data.size=60")


def _tiny(folder, *assignments):
    few = ("run.batch=4", "run.samples=8", "run.log=4")
    recipe = load_recipe("omote-parse", [*few, *assignments], smoke=True)
    where = Where(folder, "cpu")
    return assemble(recipe, drawn_regions(), where, fabric_for(recipe, where))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """What a smoke run leaves, exported."""
    from omote.training.command import Request, run

    folder = tmp_path_factory.mktemp("parse")
    run(Request("omote-parse", None, folder / "run", smoke=True, device="cpu"))
    export(folder / "run", folder / "parse.onnx")
    return folder


def test_the_smoke_run_learns_and_the_runtime_finds_what_it_learnt(learnt):
    card = tomllib.loads((learnt / "parse.toml").read_text())
    assert card["regions"] == list(REGIONS)
    assert "identity teacher" not in card["note"]
    faces = drawn_regions()
    truth = judged(faces, 64, covered=False)
    crops = [np.ascontiguousarray(c) for c in ((truth.picture + 1) / 2).permute(0, 2, 3, 1).numpy()]
    network = Networks().open(learnt / "parse.onnx", "mask")
    for asked in ((), ("skin",), ("hair",)):
        masks = PARSERS["bisenet"](network, asked).mask(crops)
        wanted = np.isin(truth.mask.numpy(), [REGIONS.index(name) for name in asked or FACE])
        found = np.stack(masks) > 0.02  # the runtime softens the inner side of the edge
        assert (found & wanted).sum() / (found | wanted).sum() > 0.75


def test_a_swap_takes_it_for_regions_and_for_occlusion(learnt, omote, source, target, tmp_path):
    file = learnt / "parse.onnx"
    settings = MaskSettings.parse(f"box,occlusion:{file},region", parser=str(file))
    assert [masker.looks_at for masker in open_maskers(settings, Networks())] == ["target", "result"]
    done = omote(
        "swap", source, target, "-o", tmp_path / "new.png",
        "--mask", "box,region:skin+eye+nose", "--mask-parser", file,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (tmp_path / "new.png").exists()


def test_batches_are_those_of_the_system(tmp_path):
    trainer = _tiny(tmp_path)
    assert type(batches_for(trainer.system, trainer.batches)).__name__ == "RegionBatches"
