"""Tracks: the same face keeps its number, gaps are filled, ends fade, and nothing crosses a cut."""

from dataclasses import replace

import numpy as np
import pytest

from omote.faces.face import Face
from omote.faces.tracking import REMEMBERED, Tracker, crowded
from omote.pipelines.cuts import HEIGHT, WIDTH, Moment, Seen, mark_cuts, thumbnail
from omote.pipelines.meant import Role, meant_faces
from omote.pipelines.tracks import FADE, filled, opacities, tracked
from tests.synthetic import posed_face

ANNA, BERT = np.eye(4, dtype=np.float32)[:2]


def face(x: float, y: float = 0.0, size: float = 50.0, looks: np.ndarray | None = None) -> Face:
    box = np.array([x, y, x + size, y + size])
    return Face(box=box, score=0.9, points=box[:2] + np.arange(10).reshape(5, 2), embedding=looks)


def numbers(*frames: list[Face], cuts: tuple[int, ...] = ()) -> list[list[int | None]]:
    """The track of every face in every frame."""
    tracker = Tracker()
    return [
        [found.track for found in tracker.update(faces, cut=place in cuts)]
        for place, faces in enumerate(frames)
    ]


def test_faces_keep_their_numbers_while_they_move():
    frames = [[face(10 * n), face(300 - 8 * n, 200)] for n in range(10)]
    assert numbers(*frames) == [[0, 1]] * 10


def test_the_order_of_detections_does_not_matter():
    frames = [[face(0), face(200)], [face(201), face(1)], [face(2), face(202)]]
    assert numbers(*frames) == [[0, 1], [1, 0], [0, 1]]


def test_a_fast_face_is_expected_where_it_goes():
    """Each step is 0.4 of a side; what stands where it was before is somebody else."""
    frames = [[face(20 * n)] for n in range(6)]
    assert numbers(*frames, [face(120), face(95)]) == [[0]] * 6 + [[0, 1]]


@pytest.mark.parametrize(("missed", "same"), [(1, True), (REMEMBERED, True), (REMEMBERED + 1, False)])
def test_a_short_absence_does_not_end_a_track(missed: int, same: bool):
    found = numbers([face(0)], *[[]] * missed, [face(2)])
    assert found[-1] == [0 if same else 1]


def test_a_cut_ends_all_tracks():
    assert numbers([face(0)], [face(0)], [face(0)], cuts=(2,)) == [[0], [0], [1]]


def test_people_who_cross_keep_their_numbers():
    """They meet in the middle, one passes behind the other for some frames, and both come out again."""
    frames = []
    for n in range(24):
        left, right = face(10 * n, looks=ANNA), face(230 - 10 * n, looks=BERT)
        hidden = abs(left.box[0] - right.box[0]) < 25
        frames.append([left] if hidden else [left, right])
    found = numbers(*frames)
    assert all(tracks[0] == 0 for tracks in found)
    last = frames[-1]
    assert [found[-1][place] for place in range(2) if np.array_equal(last[place].embedding, ANNA)] == [0]
    assert found[-1][1] != 0


def test_somebody_else_in_the_same_place_gets_another_number():
    assert numbers([face(0, looks=ANNA)], [], [face(3, looks=BERT)]) == [[0], [], [1]]


def test_a_hand_before_a_face_does_not_end_its_track():
    """Looks decide only where there is a choice: alone and without a gap the place is enough."""
    assert numbers([face(0, looks=ANNA)], [face(3, looks=BERT)], [face(5, looks=ANNA)]) == [[0]] * 3


def test_somebody_of_quite_another_size_is_no_continuation():
    assert numbers([face(0, size=50)], [face(-40, -40, size=130)]) == [[0], [1]]


def test_crowded_faces():
    assert crowded([face(0), face(60), face(400)]) == [True, True, False]


def picture(seed: int, shift: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.roll(np.kron(rng.integers(0, 255, (9, 16, 3)), np.ones((20, 20, 1))).astype(np.uint8), shift, 1)


def cuts_of(*pictures: np.ndarray) -> list[int]:
    items = ((number, Seen([], thumbnail(pixels))) for number, pixels in enumerate(pictures))
    marked = list(mark_cuts(items))
    assert [number for number, _ in marked] == list(range(len(pictures)))
    return [number for number, moment in marked if moment.cut]


def test_cuts_are_found_and_the_first_frame_is_one():
    assert cuts_of(*[picture(1)] * 5, *[picture(2)] * 5, *[picture(3)] * 3) == [0, 5, 10]


def test_pans_flashes_and_dissolves_are_no_cuts():
    pan = [picture(1, 30 * number) for number in range(12)]
    assert cuts_of(*pan) == [0]
    flash = [picture(1)] * 5 + [np.full_like(picture(1), 255)] + [picture(1)] * 5
    assert cuts_of(*flash) == [0]
    mixed = [(picture(1) * (1 - part) + picture(2) * part).astype(np.uint8) for part in np.linspace(0, 1, 12)]
    assert cuts_of(*mixed) == [0]


def test_a_cut_is_found_in_a_restless_film():
    rng = np.random.default_rng(0)
    shaky = [picture(1 + (number >= 8), int(rng.integers(0, 6))) for number in range(16)]
    assert cuts_of(*shaky) == [0, 8]


def test_films_of_no_and_one_frame():
    assert cuts_of() == []
    assert cuts_of(picture(1)) == [0]


def test_thumbnails_are_small_and_alike_at_any_depth():
    pixels = picture(4)
    small, deep = thumbnail(pixels), thumbnail(pixels.astype(np.uint16) * 257)
    assert small.shape == (HEIGHT, WIDTH, 3)
    assert small.dtype == deep.dtype == np.uint8
    assert np.abs(small.astype(int) - deep).max() <= 1
    assert thumbnail(np.zeros((5, 7, 3), np.uint8)).shape == (HEIGHT, WIDTH, 3)


def moments(*frames: list[Face], cuts: tuple[int, ...] = (0,)):
    return ((number, Moment(list(faces), number in cuts)) for number, faces in enumerate(frames))


def fill(*frames: list[Face], cuts: tuple[int, ...] = (0,)) -> list[list[Face]]:
    result = list(filled(tracked(moments(*frames, cuts=cuts))))
    assert [number for number, _ in result] == list(range(len(frames)))
    return [moment.faces for _, moment in result]


def test_a_gap_is_filled_on_the_straight_way():
    found = fill([face(0)], [], [], [face(6)], [face(8)])
    assert [[float(one.box[0]) for one in faces] for faces in found] == [[0], [2], [4], [6], [8]]
    assert {one.track for faces in found for one in faces} == {0}


def test_a_filled_face_has_a_mesh_of_its_own():
    first, last = posed_face((200, 190)), posed_face((208, 194))
    _, (between,), _ = fill([first], [], [last])
    np.testing.assert_allclose(between.mesh, (first.mesh + last.mesh) / 2, atol=1e-4)
    np.testing.assert_allclose(between.points, (first.points + last.points) / 2, atol=1e-4)


@pytest.mark.parametrize("missed", [1, REMEMBERED, REMEMBERED + 1])
def test_the_longest_gap(missed: int):
    found = fill([face(0)], *[[]] * missed, [face(0)])
    assert [len(faces) for faces in found[1:-1]] == [int(missed <= REMEMBERED)] * missed


def test_nothing_is_filled_across_a_cut():
    assert [len(faces) for faces in fill([face(0)], [], [face(0)], cuts=(0, 2))] == [1, 0, 1]


def test_a_face_behind_another_stays_hidden():
    """It was missing because somebody stood before it: there its new face must not be painted."""
    found = fill(
        [face(0, looks=ANNA), face(60, looks=BERT)],
        [face(5, looks=BERT)],
        [face(0, looks=ANNA), face(-50, looks=BERT)],
    )
    assert [len(faces) for faces in found] == [2, 1, 2]


def shares(*frames: list[Face], cuts: tuple[int, ...] = (0,)) -> list[list[float]]:
    result = list(opacities(tracked(moments(*frames, cuts=cuts))))
    assert [number for number, *_ in result] == list(range(len(frames)))
    return [steps for *_, steps in result]


def test_a_face_comes_and_goes_gently():
    there = [[face(0)]] * 10
    ramp = [[(step + 1) / (FADE + 1)] for step in range(FADE)]
    wanted = [[], *ramp, *[[1.0]] * (10 - 2 * FADE), *reversed(ramp), []]
    assert shares([], *there, []) == wanted


def test_nothing_fades_at_the_ends_of_a_shot():
    assert shares(*[[face(0)]] * 5, *[[face(300)]] * 5, cuts=(0, 5)) == [[1.0]] * 10


def test_a_glimpse_is_faint():
    assert shares([], [face(0)], []) == [[], [1 / (FADE + 1)], []]


def still(frames: list[list[Face]], cut: int | None = None):
    """Frames with thumbnails, with one cut perhaps."""
    for number, faces in enumerate(frames):
        yield number, Seen(faces, thumbnail(picture(1 if cut is None or number < cut else 2)))


def test_smoothing_never_crosses_a_cut():
    """Two people in nearly the same place before and after it: each keeps every vertex."""
    before, after = posed_face((200, 190)), posed_face((200.3, 190.3))
    frames = [[before]] * 6 + [[after]] * 6
    for number, meant in meant_faces(still(frames, cut=6)):
        (one,) = meant.faces
        np.testing.assert_array_equal(one.mesh, frames[number][0].mesh)
        assert meant.roles == [Role(0, 1.0)]
    blurred = [meant.faces[0].mesh for _, meant in meant_faces(still(frames))]
    assert np.abs(blurred[5] - before.mesh).max() > 0.05  # without the cut they do mix


def test_points_of_another_network_are_smoothed_too():
    rng = np.random.default_rng(0)
    base = posed_face()
    frames = [[replace(base, points=base.points + rng.normal(0, 0.5, (5, 2)))] for _ in range(30)]
    points = np.array([meant.faces[0].points for _, meant in meant_faces(still(frames))])
    before = np.array([faces[0].points for faces in frames])
    assert points.std(0).mean() < 0.7 * before.std(0).mean()


class EveryOther:
    """Gives the identity 3 to tracks with an even number, and none to the others."""

    def identity(self, track: int, frame: int) -> int | None:
        return 3 if track % 2 == 0 else None


def test_only_who_is_cast_is_meant():
    frames = [[posed_face((120, 190), 60), posed_face((320, 190), 60)]] * 5
    for _, meant in meant_faces(still(frames), cast=EveryOther()):
        assert meant.roles == [Role(3, 1.0)]
        assert meant.faces[0].box[0] < 200


def test_the_result_does_not_depend_on_what_comes_much_later():
    """Held back by some frames, then given: the beginning of a film is the same whatever its end is."""
    rng = np.random.default_rng(1)
    frames = [[posed_face((200 + rng.normal(), 190))] for _ in range(40)]
    whole = [meant.faces[0].mesh for _, meant in meant_faces(still(frames))]
    part = [meant.faces[0].mesh for _, meant in meant_faces(still(frames[:30]))]
    for one, other in zip(part[:20], whole, strict=False):
        np.testing.assert_array_equal(one, other)
