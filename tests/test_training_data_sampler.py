"""Pairs: their shares, what they must never be, and that they follow from seed and step alone."""

import numpy as np
import pytest

from omote.errors import InputError, UsageError
from omote.training.data.sampler import OTHER_PERSON, OTHER_PHOTO, SAME_PHOTO, Draw, Sampler, balanced

PERSON = np.array([3, 0, 0, 1, 2, 2, 2, 0, 1, 4])
N = 40_000


def many(person: np.ndarray = PERSON, **options: object) -> Draw:
    settings = {"same_photo": 0.2, "other_photo": 0.3, "seed": 5} | options
    return Sampler(person, **settings).draw(0, N)


def test_kinds_are_what_they_say():
    pairs = many()
    target, source, kind = pairs.target, pairs.source, pairs.kind
    alike = PERSON[target] == PERSON[source]
    assert np.array_equal(target == source, kind == SAME_PHOTO)
    assert (alike & (target != source))[kind == OTHER_PHOTO].all()
    assert not alike[kind == OTHER_PERSON].any()
    assert {array.dtype for array in (target, source, kind)} == {np.dtype(np.int64)}


@pytest.mark.parametrize(
    ("same", "other"), [(0.2, 0.3), (0, 0), (1, 0), (0, 1), (0.7, 0.3), (0.1, 0.9), (0, 0.5)]
)
def test_shares(same: float, other: float):
    share = np.bincount(many(same_photo=same, other_photo=other).kind, minlength=3) / N
    assert share == pytest.approx([same, other, 1 - same - other], abs=0.01)
    for wanted, found in zip((same, other, 1 - same - other), share, strict=True):
        assert wanted > 1e-9 or found == 0


def test_every_face_is_as_likely():
    pairs = many()
    rest = pairs.kind != OTHER_PHOTO
    assert np.bincount(pairs.target[rest]) / rest.sum() == pytest.approx(np.full(10, 0.1), abs=0.01)
    # Another photo can only be asked of those who have two: 8 of the 10 faces.
    likely = np.where(np.isin(PERSON, [0, 1, 2]), 1 / 8, 0)
    found = np.bincount(pairs.target[~rest], minlength=10) / (~rest).sum()
    assert found == pytest.approx(likely, abs=0.01)
    strangers = pairs.source[(pairs.kind == OTHER_PERSON) & (pairs.target == 9)]
    assert np.bincount(strangers, minlength=10)[:9] / len(strangers) == pytest.approx(1 / 9, abs=0.03)
    mates = pairs.source[(pairs.kind == OTHER_PHOTO) & (pairs.target == 5)]
    assert np.bincount(mates)[[4, 6]] / len(mates) == pytest.approx(0.5, abs=0.05)


def test_weights():
    weights = np.array([1, 0, 4, 1, 1, 1, 1, 2, 1, 0])
    pairs = many(weights=weights, same_photo=0, other_photo=0)
    assert np.bincount(pairs.target, minlength=10) / N == pytest.approx(weights / 12, abs=0.01)
    strangers = pairs.source[PERSON[pairs.target] == 1]
    expected = np.where(PERSON == 1, 0, weights) / 10
    assert np.bincount(strangers, minlength=10) / len(strangers) == pytest.approx(expected, abs=0.02)
    assert 1 not in many(weights=weights, same_photo=0, other_photo=1).source


def test_one_heavy_person_is_still_no_stranger_to_himself():
    weights = np.where(PERSON == 2, 1e9, 1e-9)
    pairs = many(weights=weights, same_photo=0, other_photo=0)
    assert (PERSON[pairs.target] != PERSON[pairs.source]).all()


class Edge:
    """Draws the number that is as near to 1 as can be."""

    def random(self, shape: object) -> np.ndarray:
        return np.full(shape, np.nextafter(1, 0))


@pytest.mark.parametrize("weights", [(0.1, 1e3), (0.1, 1e6 + 0.3), (0.3, 1e9), (1e9, 0.3), (1, 1)])
def test_rounding_makes_nobody_a_stranger_to_himself(
    weights: tuple[float, float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("omote.training.data.sampler.generator", lambda *_: Edge())
    pairs = many(np.array([0, 1]), same_photo=0, other_photo=0, weights=weights)
    assert (pairs.target != pairs.source).all()


def test_shares_that_miss_1_by_rounding_leave_no_gap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("omote.training.data.sampler.generator", lambda *_: Edge())
    pairs = many(np.array([0, 0]), same_photo=0.6666666666, other_photo=0.3333333333)
    assert set(pairs.kind.tolist()) == {OTHER_PHOTO}


@pytest.mark.parametrize("person", [[0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 1, 1]])
def test_small_sets_have_no_fixed_points(person: list[int]):
    who = np.array(person)
    pairs = many(who, same_photo=0, other_photo=0.5 if len(who) > 2 else 0)
    assert (pairs.target != pairs.source).all()
    assert ((who[pairs.target] == who[pairs.source]) == (pairs.kind == OTHER_PHOTO)).all()


def test_a_step_is_the_same_whenever_it_is_asked_for():
    first = Sampler(PERSON, same_photo=0.2, other_photo=0.3, seed=5)
    for step in (7, 3):
        first.draw(step, 20)
    again = Sampler(PERSON, same_photo=0.2, other_photo=0.3, seed=5).draw(3, 20)
    assert_equal(first.draw(3, 20), again)
    others = [first.draw(4, 20), Sampler(PERSON, same_photo=0.2, other_photo=0.3, seed=6).draw(3, 20)]
    assert all(other.target.tolist() != again.target.tolist() for other in others)


def test_slices():
    pairs = Sampler(PERSON, same_photo=0.2, other_photo=0.3, seed=5).draw(0, 20)
    assert len(pairs[5:12]) == 7
    assert pairs[5:12].source.tolist() == pairs.source[5:12].tolist()


def assert_equal(a: Draw, b: Draw) -> None:
    for name in ("target", "source", "kind"):
        assert getattr(a, name).tolist() == getattr(b, name).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"same_photo": 0.8}, "give shares"),
        ({"same_photo": -0.1}, "give shares"),
        ({"weights": np.ones(3)}, "weights must be 10"),
        ({"weights": np.full(10, -1.0)}, "weights must be 10"),
        ({"weights": np.full(10, np.nan)}, "weights must be 10"),
    ],
)
def test_requests_that_make_no_sense(options: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        many(**options)


@pytest.mark.parametrize(
    ("person", "options", "message"),
    [
        ([0, 1, 2], {}, "none of the 3 people has two photos: other_photo = 0.3"),
        ([0, 0, 0], {}, "the 3 faces are of one person"),
        ([0, 0, 1], {"weights": [1, 0, 1]}, "has two photos"),
        ([0, 0, 1], {"weights": [1, 1, 0]}, "of one person"),
        ([0, 1], {"weights": [0, 0]}, "nothing can be drawn"),
    ],
)
def test_sets_that_cannot_serve(person: list[int], options: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        many(np.array(person), **options)


def test_negative_steps_are_refused():
    with pytest.raises(UsageError, match="step -1"):
        Sampler(PERSON, same_photo=0.2, other_photo=0.3, seed=5).draw(-1, 4)


def test_balanced():
    labels = np.array(["a"] * 6 + ["b"] * 2)
    for power, share in ((1, 0.5), (0, 0.25), (0.5, 0.366)):
        weights = balanced(labels, power)
        assert weights[labels == "b"].sum() / weights.sum() == pytest.approx(share, abs=1e-3)
