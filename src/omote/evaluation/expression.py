"""Expression: whether a swap does with its face what the target does, by 52 blendshapes."""

import numpy as np
import numpy.typing as npt

from omote.evaluation.looks import Looks
from omote.evaluation.metric import Metric, Scene
from omote.evaluation.statistics import correlation, mean, ratio
from omote.faces.expression import NAMES

Array = npt.NDArray[np.float64]

_JAW = ("jawOpen",)
_SMILE = ("mouthSmileLeft", "mouthSmileRight")
_BLINK = ("eyeBlinkLeft", "eyeBlinkRight")


def expression_distance(first: Looks, second: Looks) -> Array | None:
    """Euclidean distance of 52 blendshapes, (N,); None if no network read them."""
    if not first.expression.shape[1]:
        return None
    return np.asarray(np.linalg.norm(first.expression - second.expression, axis=1), np.float64)


def _distance(scene: Scene) -> Array | None:
    found = expression_distance(scene.made, scene.target)
    return None if found is None else found[:, None]


def _relative(scene: Scene) -> Array | None:
    found, strangers = (expression_distance(looks, scene.target) for looks in (scene.made, scene.source))
    return None if found is None or strangers is None else np.column_stack([found, strangers])


def _both(scene: Scene, names: tuple[str, ...]) -> Array | None:
    if not scene.made.expression.shape[1]:
        return None
    columns = [NAMES.index(name) for name in names]
    made, target = (looks.expression[:, columns].mean(1) for looks in (scene.made, scene.target))
    return np.column_stack([made, target]).astype(np.float64)


def _jaw(scene: Scene) -> Array | None:
    return _both(scene, _JAW)


def _smile(scene: Scene) -> Array | None:
    return _both(scene, _SMILE)


def _blink(scene: Scene) -> Array | None:
    return _both(scene, _BLINK)


METRICS = (
    Metric("expression", "expression, distance to target's", "", "lower", "target", _distance, mean),
    Metric(
        "expression_relative", "expression, by that of strangers", "", "lower", "target", _relative, ratio
    ),
    Metric("jaw", "open jaw, correlation", "", "higher", "target", _jaw, correlation),
    Metric("smile", "smile, correlation", "", "higher", "target", _smile, correlation),
    Metric("blink", "closed lids, correlation", "", "higher", "target", _blink, correlation),
)
