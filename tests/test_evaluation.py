"""The evaluation as a whole: no-swap floor, own-photo ceiling, completeness, swappers that break rules."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omote.errors import ModelError
from omote.evaluation import METRICS, Evaluator, Pairs, Report, Result, evaluate, held_out_pairs, on_inner
from omote.evaluation.films import film_pairs
from omote.evaluation.judges import Used
from tests.evaluation_faces import estimators, painted_photos

PEOPLE = 8


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return held_out_pairs(painted_photos(PEOPLE))


@pytest.fixture(scope="module")
def evaluator(pairs: Pairs, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    return Evaluator(pairs, estimators(tmp_path_factory.mktemp("networks")))


@pytest.fixture(scope="module")
def nothing(evaluator: Evaluator) -> Result:
    """A swap that returns the target."""
    return evaluator.of(lambda targets, sources: targets.copy())


@pytest.fixture(scope="module")
def everything(evaluator: Evaluator) -> Result:
    """A swap that returns the source's own photo."""
    return evaluator.of(lambda targets, sources: sources.copy())


@pytest.fixture(scope="module")
def half(evaluator: Evaluator) -> Result:
    """A swap that mixes both."""
    return evaluator.of(lambda targets, sources: (targets // 2 + sources // 2).astype(np.uint8))


def report(pairs: Pairs, result: Result) -> Report:
    return Report("planted", "a test", pairs, result, [Used("judge", "mosaic", "0" * 64)], 1, 0.5, ["a note"])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_swap_that_returns_the_target_scores_the_floor(nothing: Result, metric: Any) -> None:
    row = nothing[metric.name]
    assert row.swap == row.floor


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_swap_that_returns_the_source_scores_the_ceiling(everything: Result, metric: Any) -> None:
    row = everything[metric.name]
    assert row.swap == row.own_photo


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_direction_of_every_metric_is_told_rightly(
    nothing: Result, everything: Result, metric: Any
) -> None:
    """Likeness is best if the result is the source, everything else if it is the target."""
    row = nothing[metric.name]
    best, worst = (row.own_photo, row.floor) if metric.whose == "source" else (row.floor, row.own_photo)
    if metric.name.startswith("same_"):
        assert best == worst, "a photo swapped with itself is itself either way"
    elif metric.better == "higher":
        assert best.value > worst.value
    else:
        assert best.value < worst.value


def test_known_values_of_the_columns(nothing: Result) -> None:
    likeness, found = nothing["cosine_source"], nothing["retrieval"]
    assert likeness.own_photo.value == pytest.approx(1)
    assert nothing["cosine_target"].swap.value == pytest.approx(1)
    assert (found.own_photo.value, found.own_photo.pairs) == (100, PEOPLE)
    assert nothing["expression_relative"].own_photo.value == pytest.approx(1)
    assert nothing["jaw"].floor.value == pytest.approx(1)
    assert nothing["same_psnr"].floor.value == 100
    assert nothing.lost == nothing.lost_targets < 0.3, "paint is not always believed"


def test_a_real_pair_is_another_photo_of_the_source(nothing: Result) -> None:
    row = nothing["cosine_source"]
    assert row.real_pair is not None
    assert row.floor.value < row.real_pair.value < row.own_photo.value
    assert row.real_pair.pairs == PEOPLE
    assert nothing["pose"].real_pair is None


def test_a_photo_that_the_gallery_holds_does_not_find_itself(tmp_path: Path) -> None:
    """Two films, each of the same two people: nearest to a frame is one of the other film."""
    photos = replace(painted_photos(2), people=np.array(["000", "003", "000", "003"]))
    pairs = film_pairs(photos)
    assert set(pairs.others) <= set(pairs.gallery)
    found = Evaluator(pairs, estimators(tmp_path)).of(lambda targets, sources: sources.copy())["retrieval"]
    assert found.own_photo.value == found.swap.value == 100
    assert found.real_pair is not None
    assert found.real_pair.value == 0


def test_a_mixture_lies_between(half: Result) -> None:
    for name in ("cosine_source", "cosine_target", "skin_cie76", "background"):
        row = half[name]
        low, high = sorted((row.floor.value, row.own_photo.value))
        assert low < row.swap.value < high, name
    assert half["same_psnr"].swap.value > 40, "a photo mixed with itself"


def test_realism_of_unchanged_targets_is_that_of_two_halves(nothing: Result, half: Result) -> None:
    assert nothing.realism is not None
    assert half.realism is not None
    assert nothing.realism.swap == nothing.realism.halves == half.realism.halves
    assert half.realism.swap != half.realism.halves
    assert half.realism.pictures == PEOPLE // 2


def test_a_face_that_vanished_is_counted(pairs: Pairs, evaluator: Evaluator) -> None:
    result = evaluator.of(lambda targets, sources: np.full_like(targets, 90), same=False)
    assert result.lost == 1
    assert [row.metric.name for row in result.rows if row.metric.name.startswith("same_")] == []


def test_networks_that_are_not_given_leave_their_metrics_out(pairs: Pairs, evaluator: Evaluator) -> None:
    given = evaluator.estimators
    few = type(given)(given.judge, given.mesh)
    result = evaluate(lambda targets, sources: targets, pairs, few)
    names = {row.metric.name for row in result.rows}
    assert names == {metric.name for metric in METRICS} - {
        "expression", "expression_relative", "jaw", "smile", "blink"
    }  # fmt: skip
    assert result.realism is None


def test_a_swapper_of_crops_leaves_the_border(pairs: Pairs) -> None:
    pixels = pairs.photos.pixels
    seen = []

    def swap(targets: np.ndarray, sources: np.ndarray) -> np.ndarray:
        seen.append((targets, sources))
        return 255 - targets

    made = on_inner(swap)(pixels[:2], pixels[2:4])
    ((targets, sources),) = seen
    assert (targets == pixels[:2, 16:144, 16:144]).all()
    assert (sources == pixels[2:4, 16:144, 16:144]).all()
    assert (made[:, 16:144, 16:144] == 255 - targets).all()
    made[:, 16:144, 16:144] = targets
    assert (made == pixels[:2]).all()


@pytest.mark.parametrize(
    "made",
    [np.zeros((1, 160, 160, 3), np.uint8), np.zeros((8, 160, 160, 3), np.float32)],
    ids=["few", "float"],
)
def test_a_swapper_must_keep_shape_and_kind(evaluator: Evaluator, made: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"the swapper gave .* for targets of"):
        evaluator.of(lambda targets, sources: made)


def test_a_report_is_complete_and_json(pairs: Pairs, half: Result, tmp_path: Path) -> None:
    report(pairs, half).write(tmp_path / "new" / "report")
    folder = tmp_path / "new" / "report"
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "report.md", "sheet.jpg"]
    record = json.loads((folder / "report.json").read_text("utf-8"))
    assert record["protocol"] == 1
    assert record["networks"][0] == {"role": "judge", "name": "mosaic", "sha256": "0" * 64}
    assert record["counts"]["pairs"] == len(record["pairs"]) == PEOPLE
    assert [row["name"] for row in record["metrics"]] == [metric.name for metric in METRICS]
    assert set(record["metrics"][0]["groups"]["set"]) == {"here", "there"}
    for row in record["metrics"]:
        for column in ("no_swap", "swap", "own_photo"):
            cell = row[column]
            assert cell["low"] - 1e-9 <= cell["value"] <= cell["high"] + 1e-9, (row["name"], column)
    for number, entry in enumerate(record["pairs"]):
        assert entry["source"] == pairs.photos.names[pairs.sources[number]]
        assert math.isfinite(entry["cosine_source"])
    likeness = [entry["cosine_source"] for entry in record["pairs"]]
    assert np.mean(likeness) == pytest.approx(half["cosine_source"].swap.value)


def test_what_is_no_number_is_null(pairs: Pairs, evaluator: Evaluator, tmp_path: Path) -> None:
    """A swap that gives everybody one face: nothing correlates with what is constant."""
    face = evaluator.pairs.photos.pixels[:1]
    result = evaluator.of(lambda targets, sources: np.repeat(face, len(targets), axis=0), same=False)
    assert math.isnan(result["jaw"].swap.value)
    record = report(pairs, result).record()
    assert next(row for row in record["metrics"] if row["name"] == "jaw")["swap"]["value"] is None
    json.dumps(record, allow_nan=False)
    assert "| open jaw, correlation | ↑ | 1.00 | **–** (– to –) |" in report(pairs, result).markdown()


def numbers_of(markdown: str) -> Iterator[list[str]]:
    for line in markdown.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_floor_and_ceiling_stand_beside_each_number(pairs: Pairs, half: Result) -> None:
    text = report(pairs, half).markdown()
    rows = {cells[0]: cells for cells in numbers_of(text)}
    row = rows["likeness to source, cosine"]
    assert row[1] == "↑"
    found = half["cosine_source"]
    assert found.real_pair is not None
    for cell, value in zip(row[2:], (found.floor, found.swap, found.real_pair, found.own_photo), strict=True):
        number = float(cell.split(" ")[0].strip("*"))
        assert number == pytest.approx(value.value, abs=0.006)
    assert "judge: mosaic, sha256 `0000000000000000…`" in text
    assert "**note**: a note" in text
    assert "Fréchet" in text


def test_gaps_between_groups_are_printed(
    pairs: Pairs, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omote.evaluation.statistics.LEAST", 2)
    labels = pairs.photos.labels["set"][pairs.sources]
    given = [photo for photo, label in zip(pairs.sources, labels, strict=True) if label == "here"]
    assert 2 <= len(given) <= PEOPLE - 2

    def favouring(targets: np.ndarray, sources: np.ndarray) -> np.ndarray:
        """People of one set are swapped, others are not."""
        own = pairs.photos.pixels[given]
        swapped = [(source == own).all((1, 2, 3)).any() for source in sources]
        return np.where(np.array(swapped)[:, None, None, None], sources, targets)

    result = evaluator.of(favouring, same=False)
    gap = result["cosine_source"].gaps["set"]
    assert (gap.lowest, gap.highest) == ("there", "here")
    assert gap.size > 2 * gap.chance > 0
    groups = result["cosine_source"].groups["set"]
    assert groups["here"].value == pytest.approx(1)
    assert groups["there"].value == pytest.approx(groups["there"].floor)
    rows = [cells for cells in numbers_of(report(pairs, result).markdown()) if cells[1].startswith("there ")]
    assert rows[0][0] == "likeness to source, cosine"
    assert rows[0][2] == f"here 1.000 (no swap {groups['here'].floor:.3f}, {groups['here'].pairs} pairs)"
    assert float(rows[0][3]) == pytest.approx(gap.size, abs=0.006)
