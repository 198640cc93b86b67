"""`omote dataset`: from folders of photos and films to aligned shards; what is left out or refused."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from omote.errors import InputError, NoFaceError, UsageError
from omote.evaluation import held_out_pairs, read_held_out
from omote.faces.align import similarity, template, transform
from omote.faces.face import Face
from omote.faces.finder import FaceFinder
from omote.faces.identity import unit_vectors
from omote.training.data.build import build
from omote.training.data.build_settings import BuildSettings
from omote.training.data.cut import Framing, cut_out
from omote.training.data.duplicates import DIFFERENCE, duplicates, picture_hash
from omote.training.data.identities import clustered
from omote.training.data.info import describe
from omote.training.data.labels import read_labels
from omote.training.data.people import split_of
from omote.training.data.quality import Limits, sharpness
from omote.training.data.shards import open_shards
from omote.training.data.staging import StagedFolder
from tests.conftest import Command, snapshot
from tests.face_shards import write_shards
from tests.shared_data import SHARED, needs_shared


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture
def photos(tmp_path: Path, source: Path, target: Path) -> Path:
    """Two people: one with two photos and a copy of one, one with one photo; and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "ann").mkdir(parents=True)
    (folder / "bea").mkdir()
    shutil.copy(source, folder / "ann" / "first.jpg")
    picture = Image.open(source).convert("RGB")
    picture.save(folder / "ann" / "copy.jpg", quality=60)
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "ann" / "mirrored.png")
    shutil.copy(target, folder / "bea" / "only.jpg")
    (folder / "bea" / "notes.txt").write_text("no photo")
    (folder / ".hidden.jpg").write_bytes(b"")
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with next(folder.glob("faces*.csv")).open(newline="") as file:
        return list(csv.DictReader(file))


def decoded(folder: Path) -> dict[str, np.ndarray]:
    shards = open_shards(folder)
    pixels = np.empty((len(shards), shards.square, shards.square, 3), np.uint8)
    shards.decode(pixels)
    return dict(zip(shards.columns["file"], pixels, strict=True))


def test_folders_name_people(photos: Path, tmp_path: Path, finder: FaceFinder):
    result = build(photos, tmp_path / "set", BuildSettings(licence="CC0", held_out=0), finder, workers=2)
    assert (result.files, result.pictures, result.found, result.kept) == (5, 4, 4, 3)
    assert (result.people, result.several, result.held_out) == (2, 1, 0)
    assert result.dropped == {"duplicate": 1}
    assert len(result.unreadable) == 1
    assert "notes.txt" in result.unreadable[0]
    found = {row["file"]: row for row in rows(tmp_path / "set")}
    # Of photo and copy the sharper one stays, which is not the one with JPEG's traces taken off.
    assert {"ann/mirrored.png", "bea/only.jpg"} < set(found)
    assert {row["identity"] for row in found.values()} == {"photos/ann", "photos/bea"}
    for file, row in found.items():
        assert row["identity"] == f"photos/{file.split('/')[0]}"
        assert (row["licence"], row["split"], row["source"]) == ("CC0", "train", "photos")
        assert float(row["valid"]) > 0.9
        assert 0.35 < float(row["quality"]) < 1
        assert abs(float(row["yaw"])) < 40
        assert row["age"] == row["sex"] == row["time"] == ""
    assert not list(tmp_path.glob(".*omote-part"))


def test_the_first_folder_is_the_person(tmp_path: Path, source: Path, film: Path, finder: FaceFinder):
    """However deep a photo lies; photos and films at the root are people of their own, suffix included."""
    folder = tmp_path / "in"
    for year in ("2020", "2021"):
        (folder / "anna" / year).mkdir(parents=True)
        shutil.copy(source, folder / "anna" / year / "a.jpg")
    for name in ("a.mp4", "a.mov"):
        shutil.copy(film, folder / name)
    shutil.copy(source, folder / "a.jpg")
    settings = BuildSettings(keep_duplicates=True, every=9, limits=Limits(enlargement=9, sharpness=0))
    build(folder, tmp_path / "set", settings, finder)
    found = {row["file"]: row["identity"] for row in rows(tmp_path / "set")}
    alone = {name: f"in/{name}" for name in ("a.mp4", "a.mov", "a.jpg")}
    assert found == {"anna/2020/a.jpg": "in/anna", "anna/2021/a.jpg": "in/anna"} | alone


def test_faces_lie_on_the_template(photos: Path, tmp_path: Path, finder: FaceFinder):
    build(photos, tmp_path / "set", BuildSettings(), finder)
    crop = decoded(tmp_path / "set")["bea/only.jpg"]
    (again,) = finder.find(crop)
    assert_on_template(again, "arcface_112_v2", 160)
    (row,) = (row for row in rows(tmp_path / "set") if row["file"] == "bea/only.jpg")
    written = np.array([[float(row[f"{axis}{n}"]) for axis in "xy"] for n in range(5)])
    assert np.abs(written - again.points).max() < 2.5
    assert abs(float(row["yaw"]) - again.pose[0]) < 5


@pytest.mark.parametrize(("size", "template_name"), [(80, "arcface_112_v2"), (320, "ffhq_512")])
def test_sizes_and_templates(photos: Path, tmp_path: Path, finder: FaceFinder, size: int, template_name: str):
    settings = BuildSettings(square=size, template=template_name, limits=Limits(enlargement=4, sharpness=0))
    build(photos, tmp_path / "set", settings, finder)
    facts = describe(tmp_path / "set")
    assert (facts.square, facts.side, facts.template) == (size, size * 4 // 5, template_name)
    (again,) = finder.find(decoded(tmp_path / "set")["bea/only.jpg"])
    assert_on_template(again, template_name, size)


def assert_on_template(face: Face, name: str, size: int) -> None:
    """Aligning the face anew moves it by less than 2 % of the square."""
    matrix = similarity(face.points, template(name) * size * 0.8 + size * 0.1)
    corners = np.array([(0, 0), (size, 0), (0, size), (size, size)])
    assert np.abs(transform(corners, matrix) - corners).max() < 0.02 * size


def test_a_set_opens_for_training(photos: Path, tmp_path: Path, finder: FaceFinder):
    pytest.importorskip("torch", reason="sets of faces are tensors")
    from omote.training.data.faces import FaceSet

    build(photos, tmp_path / "set", BuildSettings(held_out=0), finder)
    faces = FaceSet.open(tmp_path / "set", split="train", cache=tmp_path / "cache")
    assert (len(faces), faces.people, faces.side) == (3, 2, 128)
    assert set(faces.columns["licence"]) == {""}


def test_everybody_is_somebody_else(photos: Path, tmp_path: Path, finder: FaceFinder):
    result = build(photos, tmp_path / "set", BuildSettings(identities="none"), finder)
    assert (result.kept, result.people, result.several) == (3, 3, 0)


def test_only_the_largest_face_is_the_person_of_the_folder(
    tmp_path: Path, source: Path, target: Path, finder: FaceFinder
):
    (tmp_path / "in" / "cat").mkdir(parents=True)
    pair = [
        Image.open(path).convert("RGB").resize((side, side)) for path, side in ((source, 400), (target, 300))
    ]
    both = Image.new("RGB", (700, 400))
    both.paste(pair[0], (0, 0))
    both.paste(pair[1], (400, 0))
    both.save(tmp_path / "in" / "cat" / "both.png")
    limits = Limits(enlargement=9, sharpness=0)
    named = build(tmp_path / "in", tmp_path / "named", BuildSettings(limits=limits), finder)
    assert (named.kept, named.people) == (1, 1)
    every = build(tmp_path / "in", tmp_path / "all", BuildSettings(limits=limits, identities="none"), finder)
    assert (every.kept, every.people) == (2, 2)


class Colours:
    """An identity network that tells people by the mean colour of the middle of their faces."""

    def embed(self, pixels: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
        crops = [cut_out(pixels, face, Framing("arcface_112_v2", 80)).pixels for face in faces]
        means = np.array([crop[30:60, 30:50].mean((0, 1)) for crop in crops], np.float32)
        return (means - means.mean(1, keepdims=True)) * 7


def test_people_found_by_embeddings(tmp_path: Path, source: Path, target: Path, finder: FaceFinder):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name, path in (("a", source), ("b", target)):
        picture = np.asarray(Image.open(path).convert("RGB"), np.float32)
        tint = np.array([1.25, 1, 0.7] if name == "a" else [0.7, 1, 1.25], np.float32)
        tinted = np.clip(picture * tint, 0, 255).astype(np.uint8)
        Image.fromarray(tinted).save(folder / f"{name}1.png")
        Image.fromarray(np.ascontiguousarray(tinted[:, ::-1])).save(folder / f"{name}2.png")
    result = build(folder, tmp_path / "set", BuildSettings(identities="cluster"), finder, Colours())
    assert (result.kept, result.people, result.several) == (4, 2, 2)
    for one in "ab":
        assert len({row["identity"] for row in rows(tmp_path / "set") if row["file"][0] == one}) == 1
    with pytest.raises(UsageError, match="only an identity network can tell faces apart"):
        build(folder, tmp_path / "other", BuildSettings(identities="cluster"), finder)


def test_films_are_looked_at_now_and_then(tmp_path: Path, film: Path, finder: FaceFinder):
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(film, folder / "talk.mp4")
    settings = BuildSettings(every=0.25, keep_duplicates=True, limits=Limits(enlargement=9, sharpness=0))
    result = build(folder, tmp_path / "set", settings, finder)
    assert result.pictures == result.kept == 5  # 1.2 s
    assert (result.files, result.people) == (1, 1)
    times = sorted(float(row["time"]) for row in rows(tmp_path / "set"))
    assert np.allclose(times, np.arange(5) * 0.25, atol=0.05)
    fewer = build(folder, tmp_path / "fewer", BuildSettings(every=0.6, limits=settings.limits), finder)
    assert fewer.pictures == 2


def test_labels_have_the_last_word(photos: Path, tmp_path: Path, finder: FaceFinder):
    (photos / "labels.csv").write_text(
        "name,person,set,sex,age,licence\nbea/only.jpg,Bea B.,studio,f,41,own\nmirrored.png,,,,,\n"
    )
    build(photos, tmp_path / "set", BuildSettings(licence="CC0", source="home"), finder)
    found = {row["file"]: row for row in rows(tmp_path / "set")}
    bea, ann = found["bea/only.jpg"], found["ann/mirrored.png"]
    assert (bea["identity"], bea["source"], bea["sex"], bea["age"]) == (
        "studio/Bea B.",
        "studio",
        "f",
        "41.00",
    )
    assert (bea["licence"], ann["licence"], ann["identity"]) == ("own", "CC0", "home/ann")
    assert sorted(group.licence for group in describe(tmp_path / "set").groups) == ["CC0", "own"]
    (photos / "labels.csv").write_text("name,age\nonly.jpg,old\n")
    with pytest.raises(InputError, match=r"labels\.csv: line 2: age 'old' is not a number"):
        build(photos, tmp_path / "other", BuildSettings(), finder)
    (photos / "labels.csv").write_text("file,age\nonly.jpg,4\n")
    with pytest.raises(InputError, match=r"labels\.csv: has no column name"):
        build(photos, tmp_path / "other", BuildSettings(), finder)


def test_names_that_are_no_utf8(tmp_path: Path, source: Path, target: Path, finder: FaceFinder):
    """Names of Latin-1: the set holds them readably, and tells them apart."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/p\xeare"))
    try:
        (folder / os.fsdecode(b"Ren\xe9")).mkdir(parents=True)
    except OSError:
        pytest.skip("this file system holds UTF-8 names only")
    for name, path in ((b"Ren\xe9/\xe0.jpg", source), (b"Ren\xe9/\xe1.jpg", target)):
        shutil.copy(path, folder / os.fsdecode(name))
    (folder / "labels.csv").write_text("name,age\n\\xe1.jpg,7\n")
    result = build(folder, tmp_path / "set", BuildSettings(), finder)
    assert (result.kept, result.people, result.unreadable) == (2, 1, ())
    found = {row["file"]: row for row in rows(tmp_path / "set")}
    assert set(found) == {r"Ren\xe9/\xe0.jpg", r"Ren\xe9/\xe1.jpg"}
    assert {row["identity"] for row in found.values()} == {r"p\xeare/Ren\xe9"}
    assert found[r"Ren\xe9/\xe1.jpg"]["age"] == "7"
    assert len(open_shards(tmp_path / "set")) == 2


def test_labels_of_a_spreadsheet(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("name,person\na.jpg,Ann\n", "utf-8-sig")
    assert read_labels(tmp_path)["a.jpg"].person == "Ann"


@pytest.mark.parametrize("age", ["-1", "121", "1e9", "nan", "inf", "-inf"])
def test_ages_that_nobody_has(tmp_path: Path, age: str):
    (tmp_path / "labels.csv").write_text(f"name,age\na.jpg,0\nb.jpg,120\nc.jpg,\nd.jpg,{age}\n")
    with pytest.raises(InputError, match=rf"labels\.csv: line 5: age '{age}': give 0 to 120 years"):
        read_labels(tmp_path)


def test_the_same_folder_gives_the_same_set(photos: Path, tmp_path: Path, finder: FaceFinder):
    settings = BuildSettings(held_out=0.5)
    one = build(photos, tmp_path / "one", settings, finder, workers=1)
    two = build(photos, tmp_path / "two", settings, finder, workers=3)
    assert one == two
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(presence=1), "uncertain"),
        (Limits(enlargement=0.05), "small"),
        (Limits(valid=1), None),
        (Limits(yaw=0), "turned"),
        (Limits(pitch=0), "turned"),
        (Limits(sharpness=0.95), "blurred"),
    ],
)
def test_each_limit_drops(
    photos: Path, tmp_path: Path, finder: FaceFinder, limits: Limits, reason: str | None
):
    if reason is None:
        assert build(photos, tmp_path / "set", BuildSettings(limits=limits), finder).kept == 3
        return
    with pytest.raises(NoFaceError, match=rf"none of its 4 faces is left: 4 {reason} .*lower the limits"):
        build(photos, tmp_path / "set", BuildSettings(limits=limits), finder)
    assert not (tmp_path / "set").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if "set" in path.name) == []


def test_what_lies_outside_is_mirrored_and_counted(finder: FaceFinder, target: Path):
    pixels = np.asarray(Image.open(target).convert("RGB"))
    (face,) = finder.find(pixels)
    whole = cut_out(pixels, face, Framing("arcface_112_v2", 160))
    assert whole.valid == 1
    left = int(face.points[:, 0].mean())
    half = cut_out(pixels[:, left:], Face(face.box - [left, 0, left, 0], 1, face.points - [left, 0]),
                   Framing("arcface_112_v2", 160))  # fmt: skip
    assert half.valid == pytest.approx(0.5, abs=0.08)
    assert half.scale == pytest.approx(whole.scale)
    assert np.abs(half.pixels[:, 100:].astype(int) - whole.pixels[:, 100:]).mean() < 1
    assert half.pixels[:, :60].std() > 10
    assert np.allclose(half.points, whole.points, atol=0.01)


@pytest.mark.parametrize("angle", [-25, 20])
def test_pose_is_that_of_the_square(finder: FaceFinder, target: Path, angle: float):
    picture = Image.open(target).convert("RGB")
    framing = Framing("arcface_112_v2", 160)
    cuts = []
    for degrees in (0, angle):
        pixels = np.asarray(picture.rotate(degrees, Image.Resampling.BICUBIC))
        (face,) = finder.find(pixels)
        cuts.append(cut_out(pixels, face, framing))
    assert np.allclose(cuts[0].pose, cuts[1].pose, atol=4)
    assert np.isnan(cut_out(pixels, Face(face.box, 1, face.points), framing).pose).all()


def test_blur_lowers_sharpness(target: Path):
    picture = np.asarray(Image.open(target).convert("RGB").crop((140, 100, 340, 300)))
    values = [sharpness(picture)]
    values += [sharpness(cv2.GaussianBlur(picture, (0, 0), sigma)) for sigma in (1, 2, 4)]
    assert all(a > b + 0.03 for a, b in pairwise(values))
    assert sharpness((picture * 0.4).astype(np.uint8)) == pytest.approx(values[0], abs=0.03)
    assert sharpness(np.full((40, 40, 3), 90, np.uint8)) == 0


def test_hashes(source: Path, target: Path):
    one, other = (np.asarray(Image.open(path).convert("RGB").resize((128, 128))) for path in (source, target))

    def distance(a: np.ndarray, b: np.ndarray) -> int:
        return int((np.unpackbits(picture_hash(a)) != np.unpackbits(picture_hash(b))).sum())

    coded = cv2.imdecode(cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    assert distance(one, one) == 0
    assert distance(one, coded) <= DIFFERENCE
    assert distance(one, (one * 0.8).astype(np.uint8)) <= DIFFERENCE
    assert distance(one, other) > 2 * DIFFERENCE
    assert distance(one, one[:, ::-1]) > 2 * DIFFERENCE


def test_the_best_of_each_group_of_duplicates_stays():
    random = np.random.default_rng(0)
    base = random.integers(0, 2, (3, 256), np.uint8)
    bits = np.repeat(base, [3, 1, 2], 0)
    bits[1, :15] ^= 1  # near the first of its group
    bits[2, :30] ^= 1  # near the second, too far from the first
    hashes = np.packbits(bits, axis=1)
    worth = np.array([0.2, 0.9, 0.5, 0.1, 0.3, 0.3])
    assert duplicates(hashes, worth).tolist() == [True, False, True, False, False, True]
    # What is near only to one that goes stays.
    chain = np.array([0.9, 0.5, 0.2, 0.1, 0.3, 0.3])
    assert duplicates(hashes, chain).tolist() == [False, True, False, False, False, True]
    # Embeddings of different people: the same look is chance. Of the very same face: more may differ.
    vectors = unit_vectors(random.standard_normal((6, 32)))
    assert not duplicates(hashes, worth, vectors).any()
    worth[1] = 0.0
    same = np.repeat(vectors[:1], 6, 0)
    assert duplicates(hashes, worth, same).tolist() == [True, True, False, False, False, True]
    assert duplicates(hashes, worth).tolist() == [False, True, False, False, False, True]


def test_duplicates_are_found_across_blocks(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(1)
    hashes = np.packbits(random.integers(0, 2, (60, 256), np.uint8), axis=1)
    hashes = np.concatenate([hashes, hashes[::3]])
    worth = random.random(80)
    expected = duplicates(hashes, worth)
    assert expected.sum() == 20
    monkeypatch.setattr("omote.training.data.duplicates._BLOCK", 7)
    assert np.array_equal(duplicates(hashes, worth), expected)


def test_clusters_of_well_separated_people(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    who = random.permutation(np.repeat(np.arange(40), random.integers(1, 6, 40)))
    centres = unit_vectors(random.standard_normal((40, 64)))
    faces = centres[who] * 9 + random.standard_normal((len(who), 64)) * 0.6
    found = clustered(faces.astype(np.float32), 0.6)
    assert len(set(zip(found, who, strict=True))) == len(set(who)) == len(set(found))
    assert list(dict.fromkeys(found)) == list(range(len(set(who))))
    monkeypatch.setattr("omote.training.data.identities._BLOCK", 7)
    assert np.array_equal(clustered(faces.astype(np.float32), 0.6), found)
    assert clustered(np.zeros((0, 64), np.float32)).tolist() == []


@pytest.mark.parametrize(
    ("degrees", "people"),
    [
        ((0, 50, 75, 75, 75), [0, 1, 1, 1, 1]),  # the mean moves away from the first face
        ((-40, 40, -10, 10, -5, 5), [0, 0, 0, 0, 0, 0]),  # two means come near
        ((0, 180, 90), [0, 1, 2]),
    ],
)
def test_clusters_are_looked_at_again(degrees: tuple[float, ...], people: list[int]):
    angles = np.radians(degrees)
    faces = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert clustered(faces, 0.6).tolist() == people


def test_splits_follow_from_names():
    names = [f"person {number}" for number in range(4000)]
    held = [split_of(name, 0.1) for name in names]
    assert held.count("val") / 4000 == pytest.approx(0.1, abs=0.015)
    assert all(split_of(n, 0.2) == "val" for n, split in zip(names, held, strict=True) if split == "val")
    assert split_of("anybody", 0) == "train"


def test_shards_keep_below_their_limit(photos: Path, tmp_path: Path, finder: FaceFinder):
    settings = BuildSettings(square=320, coding=101, shard_bytes=2**17, limits=Limits(enlargement=4))
    result = build(photos, tmp_path / "set", settings, finder)
    tars = sorted((tmp_path / "set").glob("*.tar"))
    assert result.shards == len(tars) == 3
    assert len(open_shards(tmp_path / "set")) == 3
    assert {row["shard"] for row in rows(tmp_path / "set")} == {"0", "1", "2"}


@pytest.mark.parametrize(
    "settings",
    [
        {"square": 165},
        {"square": 20},
        {"template": "round"},
        {"identities": "guess"},
        {"likeness": 1.0},
        {"every": 0.0},
        {"held_out": 1.0},
        {"shard_bytes": 10},
        {"coding": 0},
        {"max_yaw": -1},
    ],
)
def test_settings_out_of_range(settings: dict[str, Any]):
    with pytest.raises(UsageError):
        if "max_yaw" in settings:
            Limits(yaw=settings["max_yaw"])
        else:
            BuildSettings(**settings)


def test_folders_without_faces(tmp_path: Path, finder: FaceFinder):
    folder, out = tmp_path / "in", tmp_path / "out"
    with pytest.raises(InputError, match="in: no such folder"):
        build(folder, out, BuildSettings(), finder)
    folder.mkdir()
    with pytest.raises(InputError, match="holds no files"):
        build(folder, out, BuildSettings(), finder)
    (folder / "note.txt").write_text("words")
    with pytest.raises(
        InputError, match=r"holds no photo or film that can be read; the first file: .*note\.txt"
    ):
        build(folder, out, BuildSettings(), finder)
    Image.new("RGB", (200, 200), (90, 120, 160)).save(folder / "wall.png")
    with pytest.raises(NoFaceError, match="in: no face found in 1 pictures"):
        build(folder, out, BuildSettings(), finder)
    with pytest.raises(UsageError, match="lies in the folder"):
        build(folder, folder / "set", BuildSettings(), finder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "temporary"]


def test_a_truncated_photo_is_told_and_left_out(photos: Path, tmp_path: Path, finder: FaceFinder):
    path = photos / "bea" / "only.jpg"
    path.write_bytes(path.read_bytes()[:5000])
    result = build(photos, tmp_path / "set", BuildSettings(), finder)
    assert result.kept == 2
    assert any("only.jpg" in line for line in result.unreadable)


def test_nothing_is_left_of_a_build_that_fails(
    photos: Path, tmp_path: Path, finder: FaceFinder, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("omote.training.data.build.write_table", full)
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match=r"set: cannot be written \(No space left on device\)"):
        build(photos, tmp_path / "set", BuildSettings(), finder)
    assert snapshot(tmp_path) == before


def test_interrupted(photos: Path, tmp_path: Path, finder: FaceFinder):
    def stop(done: int, files: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    before = snapshot(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        build(photos, tmp_path / "set", BuildSettings(), finder, report=stop)
    assert snapshot(tmp_path) == before


def test_staged_folders(tmp_path: Path):
    target = tmp_path / "set"
    target.mkdir()
    with StagedFolder(target) as staged:
        (staged.path / "file").write_text("whole")
        assert not any(target.iterdir())
        # Another run for the same target leaves the folder of a living one alone.
        with pytest.raises(ZeroDivisionError), StagedFolder(tmp_path / "set"):
            assert staged.path.is_dir()
            raise ZeroDivisionError
        assert staged.path.is_dir()
    assert (target / "file").read_text() == "whole"
    with pytest.raises(UsageError, match="is there already"):
        StagedFolder(target)
    with pytest.raises(InputError, match="there is no folder"):
        StagedFolder(tmp_path / "none" / "set")
    dead = tmp_path / ".new.0123.omote-part"
    dead.mkdir()
    with StagedFolder(tmp_path / "new"):
        assert not dead.exists()


def test_the_command(photos: Path, tmp_path: Path, omote: Command):
    out = tmp_path / "set"
    done = omote("dataset", "build", photos, "-o", out, "--held-out", "0", "--workers", 1)
    assert done.code == 0
    assert "held out:" not in done.err
    lines = {line.split()[0]: line.split()[1] for line in done.out.splitlines() if not line.startswith("-")}
    assert (lines["files"], lines["pictures"], lines["faces"], lines["kept"]) == ("5", "4", "4", "3")
    assert "- duplicate        1" in done.out
    assert "notes.txt" in done.err
    done = omote("dataset", "info", out)
    assert (done.code, done.err) == (0, "")
    assert "faces     3" in done.out
    assert "people    2, 1 with several photos" in done.out
    facts = json.loads(omote("dataset", "info", out, "--json").out)
    assert (facts["faces"], facts["several"], facts["splits"]) == (3, 1, {"train": [3, 2]})
    again = omote("dataset", "build", photos, "-o", out)
    assert again.code == 2
    assert "is there already" in again.err


@pytest.mark.parametrize(
    ("share", "note"),
    [("1e-9", "none of the 2 people held out"), ("90%", None), ("45%", "1 of the 2 people held out")],
)
def test_too_few_people_held_out_are_told(
    photos: Path, tmp_path: Path, omote: Command, share: str, note: str | None
):
    """What `omote evaluate --data` would refuse is told when the set is made."""
    done = omote("dataset", "build", photos, "-o", tmp_path / "set", "--held-out", share, "--workers", 1)
    notes = [line for line in done.err.splitlines() if "held out" in line]
    assert done.code == 0
    if note is None:
        assert notes == []
        assert len(held_out_pairs(read_held_out(tmp_path / "set"))) == 2
    else:
        assert len(notes) == 1
        assert notes[0].startswith(f"note: {note}: omote evaluate --data needs two at least")
        with pytest.raises(InputError, match=r"no face is held out|two people"):
            held_out_pairs(read_held_out(tmp_path / "set"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("build", "nowhere", "-o", "set"), 3, "nowhere: no such folder"),
        (("build", "PHOTOS", "-o", "set", "--max-enlargement", "0.01"), 4, "none of its 4 faces is left"),
        (("build", "PHOTOS", "-o", "set", "--held-out", "few"), 2, "--held-out 'few'"),
        *(
            (("build", "PHOTOS", "-o", "set", "--shard-size", size), 2, message)
            for size, message in (
                ("nan", "--shard-size nan: give a number of megabytes"),
                ("inf", "--shard-size inf: give a number of megabytes"),
                ("0", "shards of 0 bytes"),
                ("-1", "shards of -1048576 bytes"),
            )
        ),
        *(
            (("build", "PHOTOS", "-o", "set", f"--held-out={share}"), 2, "of the people held out: give 0 %")
            for share in ("nan", "nan%", "inf", "-5%", "-0.1", "5", "100%")
        ),
        (("build", "PHOTOS", "-o", "set", "--held-out", "5%%"), 2, "--held-out '5%%'"),
        (("build", "PHOTOS", "-o", "set", "--held-out", ""), 2, "--held-out ''"),
        *(
            (("build", "PHOTOS", "-o", "set", "--every", seconds), 2, "give more than 0 seconds")
            for seconds in ("0", "-1", "nan", "inf")
        ),
        (("build", "PHOTOS", "-o", "set", "--size", "33"), 2, "squares of 33 pixels"),
        (("build", "PHOTOS", "-o", "set", "--identities", "cluster"), 2, "only an identity network"),
        (("build", "PHOTOS", "-o", "set", "--identities", "guess"), 2, "identities 'guess'"),
        (("build", "PHOTOS", "-o", "set", "--identity-network", "no.onnx"), 6, "no.onnx"),
        (("build", "PHOTOS"), 2, "output"),
        (("info", "PHOTOS"), 3, "has no face shards"),
        (("info", "nowhere"), 3, "nowhere: cannot be read"),
        ((), 2, ""),
    ],
)
def test_the_command_refuses(
    photos: Path,
    tmp_path: Path,
    omote: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
):
    monkeypatch.chdir(tmp_path)
    done = omote("dataset", *(photos if word == "PHOTOS" else word for word in arguments))
    assert done.code == code
    assert message in done.err
    if message:
        assert done.err.startswith("omote: ")
        assert done.err.count("\n") == 1
    assert not (tmp_path / "set").exists()


def test_info_counts(tmp_path: Path):
    write_shards(tmp_path / "set", (3, 1, 2, 1, 2), tars=1)
    facts = describe(tmp_path / "set")
    assert (facts.faces, facts.people, facts.several) == (9, 5, 3)
    assert facts.splits == {"train": (7, 4), "val": (2, 1)}
    assert [(g.source, g.faces, g.people, g.train, g.val) for g in facts.groups] == [
        ("lab", 7, 3, 5, 2),
        ("street", 2, 2, 2, 0),
    ]
    assert facts.yaw == {"0-15": 4, "15-30": 5, "30-45": 0, "45-60": 0, "60-180": 0}
    assert facts.age["?"] == 9


def test_building_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import omote.training.data.build, omote.training.data.info, omote.cli.dataset"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@needs_shared
def test_people_of_real_photos(tmp_path: Path, omote: Command):
    """Eight photos of one person among those of many others, found by a third party's identity network."""
    folder = SHARED / "media" / "eval"
    (tmp_path / "in").mkdir()
    for path in (
        sorted((folder / "expressions").iterdir())[:6] + sorted((folder / "public_domain").iterdir())[:3]
    ):
        shutil.copy(path, tmp_path / "in" / path.name)
    network = SHARED / "weights" / "id_mobilefacenet_ms1m_foamliu.onnx"
    options = ("--identity-network", network, "--identity-contract", "arcface_imagenet")
    done = omote("dataset", "build", tmp_path / "in", "-o", tmp_path / "set", *options)
    assert done.code == 0
    people = {row["identity"] for row in rows(tmp_path / "set") if "emotions-a" in row["file"]}
    assert len(people) == 1
    assert not any(
        row["identity"] in people for row in rows(tmp_path / "set") if "emotions" not in row["file"]
    )
