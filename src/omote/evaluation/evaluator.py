"""The evaluation: swaps and real faces measured alike, by every metric, for all pairs and by group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.evaluation import background, colour, expression, gaze, identity, pose, reconstruction
from omote.evaluation.looks import Estimators, Looks, pieces
from omote.evaluation.metric import Metric, Scene
from omote.evaluation.pairs import Indices, Pairs
from omote.evaluation.photos import Pixels, inner
from omote.evaluation.realism import Realism, realism
from omote.evaluation.statistics import Cell, Gap, Group, by_group, cell, largest_gap

Swap = Callable[[Pixels, Pixels], Pixels]
"""Targets and sources, (n, S, S, 3) uint8 RGB aligned faces each → the targets with the sources' faces."""

SwapPairs = Callable[[Indices, Indices], Pixels]
"""The same for numbers of photos: targets and sources, (n,) each → (n, S, S, 3) uint8."""

Progress = Callable[[int, int], None]

METRICS: tuple[Metric, ...] = (
    *identity.METRICS,
    *pose.METRICS,
    *expression.METRICS,
    *gaze.METRICS,
    *colour.METRICS,
    *reconstruction.METRICS,
    *background.METRICS,
)
_LOST = 0.3
"""A face of which the mesh network is less sure than this is none; as `omote.faces.finder` has it."""
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of a report.

    Attributes:
        metric: which.
        floor: if the target stayed as it is.
        swap: of the swaps.
        real_pair: if the result were another photo of the source's person; None if too few have one.
        own_photo: if the result were the source's photo itself.
        groups: label → group → its numbers.
        gaps: label → the largest gap between its groups.
    """

    metric: Metric
    floor: Cell
    swap: Cell
    real_pair: Cell | None
    own_photo: Cell
    groups: Mapping[str, Mapping[str, Group]]
    gaps: Mapping[str, Gap]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What was found of a swapper.

    Attributes:
        rows: one per metric, in the order of `METRICS`; metrics that lack their network are left out.
        realism: None without a network for it.
        lost: share of the swaps in which the mesh network sees no face, 0..1.
        lost_targets: the same of the targets.
        pixels: (P, S, S, 3) uint8, the swaps.
        values: metric → (P,) of each pair, where the metric is a mean over pairs.
    """

    rows: tuple[Row, ...]
    realism: Realism | None
    lost: float
    lost_targets: float
    pixels: Pixels
    values: Mapping[str, npt.NDArray[np.float64]]

    def __getitem__(self, name: str) -> Row:
        """The row of a metric by its name."""
        return next(row for row in self.rows if row.metric.name == name)


class Evaluator:
    """Measures swappers on the same pairs. Real faces are looked at once, however many swappers come.

    Args:
        pairs: what is swapped.
        estimators: the networks that judge.
        seed: of intervals and random halves.
        progress: told how many faces of how many were looked at.
    """

    def __init__(
        self,
        pairs: Pairs,
        estimators: Estimators,
        seed: int = 1,
        progress: Progress = lambda done, total: None,
    ) -> None:
        self.pairs = pairs
        self.estimators = estimators
        self.seed = seed
        self._progress = progress
        self._real = self._look_at_photos()

    def of(self, swap: Swap, same: bool = True) -> Result:
        """Evaluate a swapper that takes aligned faces; see `of_pairs`."""
        pixels = self.pairs.photos.pixels
        return self.of_pairs(lambda targets, sources: swap(pixels[targets], pixels[sources]), same)

    def of_pairs(self, swap: SwapPairs, same: bool = True) -> Result:
        """Evaluate a swapper.

        Args:
            swap: is given up to 16 pairs at a time.
            same: also swap every target with itself, for the metrics of reconstruction.

        Raises:
            ModelError: what it gives is not of the shape of its targets.
        """
        pairs = self.pairs
        made = np.empty((len(pairs), *pairs.photos.pixels.shape[1:]), np.uint8)
        mirror = np.empty_like(made) if same else None
        looks: list[Looks] = []
        for rows in pieces(len(pairs), _BATCH):
            targets, sources = pairs.targets[rows], pairs.sources[rows]
            made[rows] = _checked(swap(targets, sources), made[rows])
            if mirror is not None:
                mirror[rows] = _checked(swap(targets, targets), made[rows])
            looks.append(self.estimators.look(made[rows]))
            self._progress(int(rows[-1]) + 1, len(pairs))
        return self._result(_joined(looks), made, mirror)

    def _look_at_photos(self) -> Looks:
        """Looks at all photos by number; those that no pair needs stay empty."""
        pairs = self.pairs
        others = pairs.others[pairs.others >= 0]
        needed = np.unique(np.concatenate([pairs.sources, pairs.targets, others, pairs.gallery]))
        parts = []
        for rows in pieces(len(needed), _BATCH):
            parts.append(self.estimators.look(pairs.photos.pixels[needed[rows]]))
            self._progress(int(rows[-1]) + 1, len(needed))
        places = np.zeros(len(pairs.photos), np.intp)
        places[needed] = np.arange(len(needed))
        return _joined(parts).take(places)

    def _result(self, looks: Looks, made: Pixels, mirror: Pixels | None) -> Result:
        pairs, real = self.pairs, self._real
        pixels, people = pairs.photos.pixels, pairs.photos.people
        source, target = real.take(pairs.sources), real.take(pairs.targets)
        swap = Scene(
            source,
            target,
            looks,
            people[pairs.sources],
            np.asarray(real.identity[pairs.gallery], np.float64),
            people[pairs.gallery],
            pixels[pairs.targets],
            made,
            mirror,
        )
        unchanged = swap.target_pixels if mirror is not None else None
        scenes = {
            "floor": replace(swap, made=target, made_pixels=swap.target_pixels, same_pixels=unchanged),
            "swap": swap,
            "own_photo": replace(swap, made=source, made_pixels=pixels[pairs.sources], same_pixels=unchanged),
        }
        rows = [self._row(metric, scenes) for metric in METRICS if metric.rows(swap) is not None]
        return Result(
            tuple(rows),
            realism(
                np.asarray(target.features, np.float64),
                np.asarray(looks.features, np.float64),
                people[pairs.targets],
                self.seed,
            ),
            float((looks.presence < _LOST).mean()),
            float((target.presence < _LOST).mean()),
            made,
            {
                row.metric.name: values[:, 0]
                for row in rows
                if (values := row.metric.rows(swap)) is not None and values.shape[1] == 1
            },
        )

    def _row(self, metric: Metric, scenes: Mapping[str, Scene]) -> Row:
        found = {name: metric.rows(scene) for name, scene in scenes.items()}
        rows = {name: values for name, values in found.items() if values is not None}
        pairs = self.pairs
        photo = pairs.sources if metric.whose == "source" else pairs.targets
        people = pairs.photos.people[photo]
        cells = {name: cell(values, metric.statistic, people, self.seed) for name, values in rows.items()}
        labels = {label: texts[photo] for label, texts in pairs.photos.labels.items()}
        gaps = {
            label: largest_gap(rows["swap"], texts, metric.statistic, self.seed)
            for label, texts in labels.items()
        }
        return Row(
            metric,
            cells["floor"],
            cells["swap"],
            self._real_pair(metric, scenes["swap"]),
            cells["own_photo"],
            {
                label: by_group(rows["swap"], rows["floor"], texts, metric.statistic)
                for label, texts in labels.items()
            },
            {label: gap for label, gap in gaps.items() if gap is not None},
        )

    def _real_pair(self, metric: Metric, swap: Scene) -> Cell | None:
        """What another photo of the source's person scores, over the pairs that have one.

        Where the gallery has that very photo, it is hidden: a photo would always find itself.
        """
        pairs = self.pairs
        has = np.flatnonzero(pairs.others >= 0)
        if len(has) < 2 or metric.whose == "target":
            return None
        shots = pairs.photos.shots
        scene = replace(
            swap,
            source=swap.source.take(has),
            target=swap.target.take(has),
            made=self._real.take(pairs.others[has]),
            people=swap.people[has],
            hidden=shots[pairs.others[has], None] == shots[None, pairs.gallery],
        )
        rows = metric.rows(scene)
        return None if rows is None else cell(rows, metric.statistic, scene.people, self.seed)


def evaluate(
    swap: Swap,
    pairs: Pairs,
    estimators: Estimators,
    seed: int = 1,
    progress: Progress = lambda done, total: None,
) -> Result:
    """Evaluate one swapper; `Evaluator` is for several, or for one again and again while it is trained.

    Args:
        swap: takes targets and sources, (n, S, S, 3) uint8 RGB aligned as `Photos` says, and gives the
            targets with new faces in the same shape.
        pairs: what is swapped.
        estimators: the networks that judge.
        seed: of intervals and random halves.
        progress: told how many faces of how many were looked at.
    """
    return Evaluator(pairs, estimators, seed, progress).of(swap)


def on_inner(swap: Swap) -> Swap:
    """A swapper of aligned faces from one of their ArcFace crops, which leaves the border as it is.

    Args:
        swap: takes and gives crops without border, (n, s, s, 3) with s = 0.8 S, as networks are trained on.
    """

    def with_border(targets: Pixels, sources: Pixels) -> Pixels:
        result = targets.copy()
        inner(result)[:] = swap(inner(targets), inner(sources))
        return result

    return with_border


def _checked(made: Pixels, like: Pixels) -> Pixels:
    if made.shape != like.shape or made.dtype != np.uint8:
        raise ModelError(
            f"the swapper gave {made.shape} {made.dtype} for targets of {like.shape} uint8: it must keep them"
        )
    return made


def _joined(parts: Sequence[Looks]) -> Looks:
    names = Looks.__dataclass_fields__
    return Looks(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
