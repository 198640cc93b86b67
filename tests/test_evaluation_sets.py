"""The faces of an evaluation: aligned sets, folders of photos, films, and how they are paired."""

import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omote.errors import InputError, NoFaceError
from omote.evaluation import Pairs, Photos, held_out_pairs, read_held_out
from omote.evaluation.aligned_set import sex_of
from omote.evaluation.films import evenly, film_pairs, frames_at, read_films, read_pairs
from omote.evaluation.folders import read_photos
from omote.evaluation.pairs import crossed_pairs, derangement
from omote.evaluation.photos import Origin, age_band, aligned_face, aligned_points, joined
from omote.evaluation.sheet import shown_pairs, write_sheet
from omote.faces.finder import FaceFinder
from omote.media import open_image
from tests.evaluation_faces import painted_photos, write_set


def some(people: list[str], **labels: list[str]) -> Photos:
    """Photos without pixels worth looking at."""
    names = tuple(str(number) for number in range(len(people)))
    known = {label: np.array(texts) for label, texts in labels.items()}
    return Photos(np.zeros((len(people), 4, 4, 3), np.uint8), names, np.array(people), known)


# --- photos ---


def test_the_framing_is_that_of_the_training_crops() -> None:
    points = aligned_points(160)
    assert points[1, 0] - points[0, 0] == pytest.approx(0.31461 * 128, abs=0.01)
    assert points[2] == pytest.approx([0.500225 * 128 + 16, 0.64050536 * 128 + 16], abs=0.01)
    assert aligned_face(320).points == pytest.approx(2 * points, abs=1e-3)


def test_photos_of_unequal_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="2 photos, but names, people and labels"):
        Photos(np.zeros((2, 4, 4, 3), np.uint8), ("a",), np.array(["x", "y"]))
    with pytest.raises(ValueError, match="expected"):
        Photos(np.zeros((2, 4, 4, 3), np.float32), ("a", "b"), np.array(["x", "y"]))


def test_sets_are_joined_with_the_labels_that_they_have() -> None:
    both = joined([some(["a"], set=["one"]), some(["b", "c"], age=["old", ""])])
    assert both.people.tolist() == ["a", "b", "c"]
    assert both.labels["set"].tolist() == ["one", "", ""]
    assert both.labels["age"].tolist() == ["", "old", ""]


@pytest.mark.parametrize(
    ("age", "band"),
    [
        ("", ""),
        ("29", "under 30"),
        ("30", "30 to 44"),
        ("59.5", "45 to 59"),
        ("77", "60 and over"),
        ("0", "under 30"),
        ("nan", ""),
        ("NaN", ""),
        ("-1", ""),
        ("inf", ""),
        ("old", ""),
    ],
)
def test_bands_of_age(age: str, band: str) -> None:
    assert age_band(age) == band


# --- aligned sets ---


def test_only_what_is_held_out_is_read(tmp_path: Path) -> None:
    photos = painted_photos(3)
    folder = write_set(tmp_path / "set", photos, ["val", "train", "val", "val", "train", "val"])
    found = read_held_out(folder)
    assert found.names == ("p0_0", "p1_0", "p1_1", "p2_1")
    assert (found.pixels == photos.pixels[[0, 2, 3, 5]]).all()
    assert found.people.tolist() == ["person 0", "person 1", "person 1", "person 2"]
    assert found.labels["age"][0] == "under 30"
    assert found.labels["sex"].tolist() == ["female"] * 4
    assert found.labels["set"].tolist() == ["here", "here", "there", "there"]


@pytest.mark.parametrize(
    ("row", "sex"),
    [
        ({"source": "utkface", "identity": "utk/31_0_2_2017"}, "male"),
        ({"source": "utkface", "identity": "utk/31_1_2_2017"}, "female"),
        ({"source": "aaf", "identity": "aaf/07380"}, "female"),
        ({"source": "aaf", "identity": "aaf/07381"}, "male"),
        ({"source": "lfw", "identity": "lfw/31_1_Somebody"}, ""),
        ({"source": "lfw", "identity": "lfw/x", "sex": "F"}, "female"),
    ],
)
def test_sex_is_what_the_labels_say(row: dict[str, str], sex: str) -> None:
    assert sex_of(row) == sex


def test_faces_that_are_mostly_made_up_do_not_count(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", painted_photos(2))
    table = folder / "faces160.csv"
    table.write_text(table.read_text().replace("person 1,22,1,f", "person 1,22,0.4,f"))
    assert "p1_0" not in read_held_out(folder).names


def broken(folder: Path, how: str) -> None:
    table, archive = folder / "faces160.csv", folder / "faces160-0.tar"
    match how:
        case "no table":
            table.unlink()
        case "no column":
            table.write_text(table.read_text().replace("identity", "who"))
        case "nothing held out":
            table.write_text(table.read_text().replace(",val,", ",train,"))
        case "not a number":
            table.write_text(table.read_text().replace(",20,1,f", ",20,all,f"))
        case "no archive":
            archive.unlink()
        case "no tar":
            archive.write_bytes(b"nonsense" * 100)
        case "cut archive":
            archive.write_bytes(archive.read_bytes()[:2000])
        case "damaged picture":
            data = archive.read_bytes()
            archive.write_bytes(data[:512] + bytes(4096) + data[4608:])
        case "another template":
            (folder / "dataset.json").write_text('{"template": "ffhq_512"}')


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no table", "holds no table of aligned faces"),
        ("no column", "has no column 'identity'"),
        ("nothing held out", "no face is held out"),
        ("not a number", "valid is 'all', not a number"),
        ("no archive", "none of the 4 held-out faces is in an archive"),
        ("no tar", "faces160-0.tar: cannot be read"),
        ("cut archive", "faces160-0.tar"),
        ("damaged picture", "not a square picture"),
        ("another template", "aligned to ffhq_512"),
    ],
)
def test_bad_sets_are_told_in_one_line(tmp_path: Path, how: str, message: str) -> None:
    folder = write_set(tmp_path / "set", painted_photos(2))
    broken(folder, how)
    with pytest.raises(InputError, match=message) as caught:
        read_held_out(folder)
    assert "\n" not in str(caught.value)


# --- pairs ---


@given(st.integers(2, 40), st.integers(0, 1000))
def test_a_derangement_leaves_nothing_in_its_place(count: int, seed: int) -> None:
    order = derangement(count, np.random.default_rng(seed))
    assert sorted(order) == list(range(count))
    assert (order != np.arange(count)).all()


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=20).filter(lambda p: len(set(p)) > 1))
def test_everybody_held_out_gives_once_and_takes_once(people: list[str]) -> None:
    photos = some(people)
    pairs = held_out_pairs(photos, seed=3)
    givers, takers = photos.people[pairs.sources], photos.people[pairs.targets]
    assert sorted(givers) == sorted(takers) == sorted(set(people))
    assert (givers != takers).all()
    for source, other in zip(pairs.sources, pairs.others, strict=True):
        if other < 0:
            assert people.count(people[source]) == 1
        else:
            assert people[other] == people[source]
            assert other != source


def test_pairs_depend_on_the_seed_and_on_nothing_else() -> None:
    photos = some([f"p{number % 30}" for number in range(60)])
    first, same, other = (held_out_pairs(photos, 20, seed) for seed in (1, 1, 2))
    assert len(first) == 20
    assert first.sources.tolist() == same.sources.tolist()
    assert first.targets.tolist() == same.targets.tolist()
    assert first.sources.tolist() != other.sources.tolist()


def test_one_person_cannot_be_swapped() -> None:
    with pytest.raises(InputError, match="two people"):
        held_out_pairs(some(["a", "a"]))
    with pytest.raises(InputError, match="one person only"):
        crossed_pairs(some(["a", "a"]), np.array([0]), np.array([1]), None, 1)


def test_every_target_gets_a_source_and_no_pair_comes_twice() -> None:
    photos = some([*"abc", *"wxyzc"])
    sources, targets = np.arange(3), np.arange(3, 8)
    pairs = crossed_pairs(photos, sources, targets, None, 1)
    assert len(pairs) == 5
    everything = crossed_pairs(photos, sources, targets, 100, 1)
    drawn = list(zip(everything.sources.tolist(), everything.targets.tolist(), strict=True))
    assert len(set(drawn)) == len(drawn) == 14, "all but c with c"
    assert everything.gallery.tolist() == [0, 1, 2]


def of_files(people: list[str], files: list[str]) -> Photos:
    """Photos without pixels worth looking at, read from files."""
    origins = tuple(Origin(Path(file), None, np.zeros((2, 3))) for file in files)
    return replace(some(people), origins=origins)


def test_one_folder_as_sources_and_targets_gives_no_photo_as_its_own_other() -> None:
    people, files = ["ann", "ann", "bob"], ["all/1.jpg", "all/2.jpg", "all/3.jpg"]
    photos = of_files(2 * people, files + [f"./all/../{file}" for file in files])
    pairs = crossed_pairs(photos, np.arange(3), np.arange(3, 6), 100, 1)
    shots = photos.shots
    assert shots.tolist() == [0, 1, 2, 0, 1, 2]
    for source, other in zip(pairs.sources, pairs.others, strict=True):
        assert (other < 0) == (people[source] == "bob"), "bob has one photo"
        assert other < 0 or shots[other] != shots[source]


def test_a_photo_is_not_swapped_with_itself_whatever_its_person_is_called() -> None:
    photos = of_files(["1.jpg", "2.jpg", "ann"], ["all/ann/1.jpg", "all/ann/2.jpg", "all/ann/1.jpg"])
    pairs = crossed_pairs(photos, np.array([0, 1]), np.array([2]), 100, 1)
    assert pairs.sources.tolist() == [1]


def test_pairs_are_not_made_that_nobody_asked_for() -> None:
    count = 1000
    photos = some([str(number) for number in range(2 * count)])
    tracemalloc.start()
    pairs = crossed_pairs(photos, np.arange(count), np.arange(count, 2 * count), None, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pairs) == count
    assert peak < 10_000_000, "bytes; all million pairs would take ten times as many"


# --- folders ---


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def test_photos_of_a_folder(tmp_path: Path, source: Path, target: Path, finder: FaceFinder) -> None:
    (tmp_path / "ann").mkdir()
    shutil.copy(source, tmp_path / "ann" / "one.jpg")
    shutil.copy(target, tmp_path / "bob.jpg")
    shutil.copy(target, tmp_path / "bob2.jpg")
    (tmp_path / "notes.txt").write_text("no photo")
    photos, notes = read_photos(tmp_path, finder)
    assert photos.names == ("ann/one.jpg", "bob.jpg", "bob2.jpg")
    assert photos.people[0] == "ann"
    assert len(set(photos.people)) == 3
    assert photos.labels == {}
    assert notes == ()
    (face,) = finder.find(photos.pixels[1])
    assert np.abs(face.points.mean(0) - aligned_points().mean(0)).max() < 1.5, "aligned"
    (tmp_path / "labels.csv").write_text(
        "name,person,set,age\nbob.jpg,bob,portraits,50\nbob2.jpg,bob,portraits,\n"
    )
    photos, _ = read_photos(tmp_path, finder)
    assert photos.people.tolist() == ["ann", "bob", "bob"]
    assert photos.labels["set"].tolist() == ["", "portraits", "portraits"]
    assert photos.labels["age"].tolist() == ["", "45 to 59", ""]


def test_labels_name_files_by_their_path_and_may_come_from_a_spreadsheet(
    tmp_path: Path, source: Path, target: Path, finder: FaceFinder
) -> None:
    for name, file in (("anna", source), ("bob", target)):
        (tmp_path / name).mkdir()
        shutil.copy(file, tmp_path / name / "1.jpg")
    rows = "name,person,sex\nanna/1.jpg,Anna,F\n1.jpg,whoever,\n"
    (tmp_path / "labels.csv").write_text(rows, encoding="utf-8-sig")
    photos, _ = read_photos(tmp_path, finder)
    assert photos.people.tolist() == ["Anna", "whoever"], "the path goes before the name alone"
    assert photos.labels["sex"].tolist() == ["F", ""]


def test_a_broken_photo_among_others_is_noted(tmp_path: Path, source: Path, finder: FaceFinder) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"broken\.jpg"):
        read_photos(tmp_path, finder)
    shutil.copy(source, tmp_path / "whole.jpg")
    photos, notes = read_photos(tmp_path, finder)
    assert photos.names == ("whole.jpg",)
    assert len(notes) == 1
    assert "broken.jpg" in notes[0]
    assert notes[0].endswith("; left out")


def test_folders_without_faces(tmp_path: Path, finder: FaceFinder, source: Path) -> None:
    with pytest.raises(InputError, match="holds no photos"):
        read_photos(tmp_path, finder)
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    with pytest.raises(NoFaceError, match="no face found in any of 1 photos"):
        read_photos(tmp_path, finder)
    shutil.copy(source, tmp_path / "a.jpg")
    assert "black.png: no face found; left out" in read_photos(tmp_path, finder)[1][0]


# --- films ---


@given(st.integers(1, 500), st.integers(1, 30))
def test_frames_lie_evenly(length: int, count: int) -> None:
    numbers = evenly(length, count)
    assert len(numbers) == min(length, count)
    assert min(numbers) >= 0
    assert max(numbers) < length
    if length >= count > 1:
        assert np.ptp(np.diff(numbers)) <= 1


def test_frames_of_films_and_their_pairs(tmp_path: Path, film: Path, finder: FaceFinder) -> None:
    shutil.copy(film, tmp_path / "000.mp4")
    shutil.copy(film, tmp_path / "003.mp4")
    photos, notes = read_films(tmp_path, finder, 3)
    assert photos.names == ("000.mp4#5", "000.mp4#15", "000.mp4#25", "003.mp4#5", "003.mp4#15", "003.mp4#25")
    assert notes == ()
    assert (photos.pixels[:3] == photos.pixels[3:]).all()
    pairs = film_pairs(photos)
    assert photos.people[pairs.targets].tolist() == ["000"] * 3 + ["003"] * 3
    assert photos.people[pairs.sources].tolist() == ["003"] * 3 + ["000"] * 3
    assert sorted(pairs.gallery) == list(range(6))
    assert (photos.people[pairs.others] == photos.people[pairs.sources]).all()
    assert (pairs.others != pairs.sources).all()
    one_way = film_pairs(photos, [("000", "003")])
    assert one_way.gallery.tolist() == [3, 4, 5]
    with pytest.raises(InputError, match="names '999'"):
        film_pairs(photos, [("000", "999")])
    frames = frames_at(film, [25, 5])
    assert list(frames) == [5, 25]
    assert frames[5].shape == (270, 480, 3)


def test_an_unreadable_film_among_others_is_noted(tmp_path: Path, film: Path, finder: FaceFinder) -> None:
    (tmp_path / "001.mp4").write_bytes(b"nonsense")
    shutil.copy(film, tmp_path / "000.mp4")
    with pytest.raises(InputError, match=r"001\.mp4"):
        read_films(tmp_path, finder, 1)
    shutil.copy(film, tmp_path / "003.mp4")
    photos, notes = read_films(tmp_path, finder, 1)
    assert photos.people.tolist() == ["000", "003"]
    assert len(notes) == 1
    assert "001.mp4" in notes[0]
    assert notes[0].endswith("; left out")


def test_published_lists_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text('[["000", "003"], ["001", "870"]]')
    assert read_pairs(path) == [("000", "003"), ("003", "000"), ("001", "870"), ("870", "001")]
    for text in ("[]", "{}", '[["000"]]', "[[0, 3]]", "nonsense"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"test\.json"):
            read_pairs(path)


# --- sheet ---


def test_both_faces_of_a_shown_pair_are_of_the_named_sets() -> None:
    photos = some([*"abcd"], set=["mine", "mine", "yours", "theirs"])
    numbers = [np.array(column) for column in ((0, 0, 2, 2, 3), (1, 2, 1, 3, 2))]
    pairs = Pairs(photos, *numbers, np.full(5, -1), np.arange(4), "by hand")
    assert shown_pairs(pairs, ["mine"]).tolist() == [0]
    assert shown_pairs(pairs, ["mine", "yours"]).tolist() == [0, 1, 2]
    assert shown_pairs(pairs, None).tolist() == [0, 1, 2, 3, 4]
    assert shown_pairs(pairs, ["nobody"]).tolist() == []


@pytest.mark.usefixtures("unmarked")
def test_the_sheet_shows_source_target_and_swap(tmp_path: Path) -> None:
    photos = painted_photos(6)
    pairs = held_out_pairs(photos)
    swaps = np.full((6, 160, 160, 3), 7, np.uint8)
    assert write_sheet(tmp_path / "sheet.png", pairs, swaps, columns=4) == 6
    sheet = open_image(tmp_path / "sheet.png").pixels
    assert sheet.shape == (6 * 160, 4 * 160, 3)
    for number in range(6):
        top, left = 480 * (number // 4), 160 * (number % 4)
        column = sheet[top : top + 480, left : left + 160]
        assert (column[:160] == photos.pixels[pairs.sources[number]]).all()
        assert (column[160:320] == photos.pixels[pairs.targets[number]]).all()
        assert (column[320:] == 7).all()
    assert write_sheet(tmp_path / "sheet.png", pairs, swaps, ["nowhere"]) == 0
    assert (open_image(tmp_path / "sheet.png").pixels == 128).all()
