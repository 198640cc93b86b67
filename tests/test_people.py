"""Who is in a film: embeddings clustered, tracks cut where they change hands, and the list of it."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from omote.errors import NoFaceError, UsageError
from omote.faces.clusters import agglomerate
from omote.faces.face import Face
from omote.faces.identity import unit_vectors
from omote.pipelines import PeopleSettings
from omote.pipelines.cuts import Seen, thumbnail
from omote.pipelines.people import faces_as_people, people_of, quality
from omote.pipelines.people_list import clock_time, list_people
from tests.conftest import Command
from tests.people_films import FRAMES, two_people_film

GREY = thumbnail(np.full((90, 160, 3), 90, np.uint8))
ANNA, BERT, CARL = np.eye(8, dtype=np.float32)[:3]


def near(looks: np.ndarray, rng: np.random.Generator, noise: float = 0.15) -> np.ndarray:
    return unit_vectors(looks + rng.normal(0, noise, looks.shape))


def face(x: float, looks: np.ndarray | None, size: float = 100.0, **more) -> Face:
    box = np.array([x, 0, x + size, size])
    return Face(box=box, score=0.9, points=np.zeros((5, 2)), presence=0.95, embedding=looks, **more)


def who(*frames: list[Face], likeness: float = 0.5):
    return people_of(((n, Seen(list(faces), GREY)) for n, faces in enumerate(frames)), likeness)


def clusters(rows: np.ndarray, apart=(), likeness: float = 0.5) -> list[int]:
    return agglomerate(rows, np.ones(len(rows), np.float32), apart, likeness).tolist()


def test_clusters_of_known_values():
    rng = np.random.default_rng(0)
    truth = [0, 1, 0, 2, 1, 2, 0, 0, 1]
    rows = np.array([near(np.eye(8, dtype=np.float32)[number], rng) for number in truth])
    assert clusters(rows) == truth
    assert clusters(rows, likeness=0.999) == list(range(len(truth)))
    assert clusters(rows, likeness=-1.0) == [0] * len(truth)
    assert clusters(np.zeros((0, 8), np.float32)) == []
    assert clusters(rows[:1]) == [0]


def test_clusters_keep_apart_who_must_be_apart():
    rows = unit_vectors([[1, 0.1, 0], [1, 0, 0.1], [1, 0.1, 0.1], [0, 0, 1]])
    assert clusters(rows) == [0, 0, 0, 1]
    parted = clusters(rows, apart=[(0, 1)])
    assert parted[0] != parted[1]
    assert parted[2] in parted[:2]
    # What has joined a group inherits its bars.
    assert len(set(clusters(rows[:3], apart=[(0, 1), (0, 2), (1, 2)]))) == 3


def test_clusters_by_brute_force():
    """The fast search for the nearest pair gives what a search through all pairs gives."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        rows = unit_vectors(rng.normal(size=(14, 3)))
        weights = rng.uniform(0.2, 2, 14).astype(np.float32)
        apart = [tuple(rng.choice(14, 2, replace=False)) for _ in range(5)]
        assert agglomerate(rows, weights, apart, 0.6).tolist() == _slowly(rows, weights, apart, 0.6)


def _slowly(rows, weights, apart, likeness) -> list[int]:
    groups = [[number] for number in range(len(rows))]
    while True:
        best = None
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                if any((i, j) in apart or (j, i) in apart for i in groups[a] for j in groups[b]):
                    continue
                one, other = (unit_vectors(sum(weights[i] * rows[i] for i in groups[g])) for g in (a, b))
                alike = float(one @ other)
                if alike >= likeness and (best is None or alike > best[0]):
                    best = alike, a, b
        if best is None:
            break
        groups[best[1]] += groups.pop(best[2])
    groups.sort(key=min)
    return [next(n for n, group in enumerate(groups) if i in group) for i in range(len(rows))]


def test_one_person_over_several_shots():
    rng = np.random.default_rng(0)
    first = [[face(0, near(ANNA, rng)), face(300, near(BERT, rng))] for _ in range(6)]
    later = [[face(900, near(BERT, rng))] for _ in range(9)]
    people = who(*first, *[[]] * 8, *later)
    assert [person.frames for person in people.people] == [15, 6]
    assert [person.first for person in people.people] == [0, 0]
    assert [[part.frames for part in person.stretches] for person in people.people] == [[6, 9], [6]]


def test_those_seen_equally_long_are_numbered_from_the_left():
    people = who(*[[face(300, BERT), face(0, ANNA)]] * 4)
    assert [
        float(person.embedding @ looks) for person, looks in zip(people.people, (ANNA, BERT), strict=True)
    ] == [
        1,
        1,
    ]


def test_twins_side_by_side_are_two():
    assert len(who(*[[face(0, ANNA), face(300, ANNA)]] * 4)) == 2
    assert len(who([face(0, ANNA), face(300, None)], [face(0, ANNA)])) == 1


def test_a_track_that_changes_hands_is_two_people():
    """A cut between two people in one place that no cut detector saw."""
    rng = np.random.default_rng(0)
    looks = [*[ANNA] * 5, *[BERT] * 7]
    people = who(*[[face(0, near(one, rng))] for one in looks])
    assert len(people) == 2
    parts = [person.stretches[0] for person in people.people]
    assert [(part.first, part.last) for part in parts] == [(5, 11), (0, 4)]
    assert [people.who(parts[0].track, frame) for frame in (0, 4, 5, 11)] == [1, 1, 0, 0]
    assert people.who(99, 0) is None


def test_a_hand_before_the_face_changes_nothing():
    rng = np.random.default_rng(0)
    looks = [near(ANNA, rng) for _ in range(12)]
    looks[5] = near(CARL, rng)
    people = who(*[[face(0, one)] for one in looks])
    assert len(people) == 1
    assert float(people.people[0].embedding @ ANNA) > 0.97


def test_what_is_hardly_a_face_is_nobody():
    sure = [face(0, ANNA)]
    plant = replace(face(300, BERT), presence=0.32)
    assert len(who(*[[*sure, plant]] * 4)) == 1
    assert len(who(*[[face(300, None)]] * 4)) == 0


def test_quality_prefers_large_and_frontal_faces():
    front = face(0, None, pose=(0.0, 0.0, 0.0))
    assert (
        quality(front)
        > quality(replace(front, pose=(40.0, 0.0, 0.0)))
        > quality(replace(front, pose=(80.0, 0.0, 0.0)))
    )
    assert quality(front) > quality(face(0, None, size=20))


def test_faces_of_a_photo_are_people_in_their_order():
    people = faces_as_people([face(0, ANNA), face(200, ANNA), face(400, BERT)])
    assert len(people) == 3
    assert people.likeness(BERT) == pytest.approx([0, 0, 1])


def test_a_part_of_a_film_knows_the_numbers_of_the_whole():
    rng = np.random.default_rng(0)
    whole = who(
        *[[face(0, near(ANNA, rng)), face(300, near(BERT, rng))]] * 9, *[[face(300, near(BERT, rng))]] * 9
    )
    part = who(*[[face(0, near(ANNA, rng))]] * 5, *[[]] * 7, *[[face(0, near(CARL, rng))]] * 3)
    assert [float(person.embedding @ BERT) > 0.9 for person in whole.people] == [True, False]
    assert part.numbers_in(whole) == [1, None]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (75.3, "1:15.3"), (3725.25, "1:02:05.2")]
)
def test_times_are_shown_as_players_show_them(seconds: float, text: str):
    assert clock_time(seconds) == text


@pytest.fixture(scope="module")
def pair(source: Path, target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_people_film(source, target, tmp_path_factory.mktemp("pair") / "pair.mp4")


def test_the_people_of_a_film(pair: Path, omote: Command, tmp_path: Path):
    """They change places at a cut in the middle: two people, each seen all the time."""
    done = omote("people", pair, "-o", tmp_path / "sheet.png", "--json")
    assert (done.code, done.err) == (0, "")
    people = json.loads(done.out)
    assert [person["person"] for person in people] == [0, 1]
    for person in people:
        assert person["frames"] == FRAMES
        assert person["seconds"] == pytest.approx(FRAMES / 25, abs=0.01)
        assert person["spans"] == [[0.0, pytest.approx(FRAMES / 25, abs=0.01)]]
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[0] == 2 * 172
    faces = [sheet[172 * row + 6 :][:160, 6:166].astype(int) for row in range(2)]
    assert np.abs(faces[0] - faces[1]).mean() > 20
    table = omote("people", pair).out.splitlines()
    assert table[0].split()[:3] == ["person", "seconds", "first"]
    assert [line.split()[0] for line in table[1:]] == ["0", "1"]


def test_the_people_of_a_photo(source: Path, target: Path, omote: Command, tmp_path: Path):
    pictures = [cv2.resize(cv2.imread(str(path)), (300, 300)) for path in (source, target, source)]
    cv2.imwrite(str(tmp_path / "three.png"), np.hstack(pictures))
    found = list_people(tmp_path / "three.png", PeopleSettings(), lambda progress: None)
    assert [person.number for person in found] == [0, 1, 2]
    assert [int(person.sights[0].face.box[[0, 2]].mean() // 300) for person in found] == [0, 1, 2]
    done = omote("people", tmp_path / "three.png", "-o", tmp_path / "sheet.jpg")
    assert [line.split()[0] for line in done.out.splitlines()] == ["person", "0", "1", "2"]


def test_a_film_without_people_is_refused(omote: Command, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((200, 200, 3), 128, np.uint8))
    done = omote("people", tmp_path / "grey.png", "-o", tmp_path / "sheet.png")
    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert "shows nobody" in done.err
    assert not (tmp_path / "sheet.png").exists()
    with pytest.raises(NoFaceError):
        list_people(tmp_path / "grey.png", PeopleSettings(), lambda progress: None)


def test_settings_are_checked(omote: Command, pair: Path):
    for options in (["--likeness", "2"], ["--recogniser", "nobody"], ["--start", "2", "--end", "1"]):
        done = omote("people", pair, *options)
        assert done.code == 2, options
        assert done.err.count("\n") == 1
    with pytest.raises(UsageError):
        PeopleSettings(likeness=-0.1)
