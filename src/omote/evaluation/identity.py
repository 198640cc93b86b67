"""Identity: whom the judge takes a swapped face for.

Retrieval follows the FaceForensics++ protocol of FaceShifter (Li et al., 2019) and SimSwap (Chen et al.,
2020): the nearest face by cosine among all sources' faces must be one of the source's person.
"""

import numpy as np
import numpy.typing as npt

from omote.evaluation.metric import Metric, Scene
from omote.evaluation.statistics import mean
from omote.faces.identity import cosine

Array = npt.NDArray[np.float64]


def ranks(
    found: Array,
    people: npt.NDArray[np.str_],
    gallery: Array,
    owners: npt.NDArray[np.str_],
    hidden: npt.NDArray[np.bool_] | None = None,
) -> Array:
    """At which place of the gallery the right person comes, (P,), 1 is first.

    Args:
        found: (P, D) embeddings, unit length.
        people: (P,) who they should be.
        gallery: (G, D) embeddings, unit length.
        owners: (G,) who they are. Strangers that are exactly as near as the right person come before.
        hidden: (P, G) what is not looked at; someone right must be left.
    """
    likeness = np.asarray(found, np.float64) @ np.asarray(gallery, np.float64).T
    if hidden is not None:
        likeness[hidden] = -np.inf
    right = people[:, None] == owners[None, :]
    best = np.where(right, likeness, -np.inf).max(1, keepdims=True)
    # of two equal strangers with one face neither is recognised; the rounding of products is no order
    return np.asarray(((likeness >= best - 1e-9) & ~right).sum(1) + 1, np.float64)


def _to_source(scene: Scene) -> Array:
    return cosine(scene.made.identity, scene.source.identity)[:, None]


def _to_target(scene: Scene) -> Array:
    return cosine(scene.made.identity, scene.target.identity)[:, None]


def _rank(scene: Scene) -> Array:
    found = np.asarray(scene.made.identity, np.float64)
    return ranks(found, scene.people, scene.gallery, scene.gallery_people, scene.hidden)[:, None]


def _first(scene: Scene) -> Array:
    return np.asarray(_rank(scene) == 1, np.float64) * 100


METRICS = (
    Metric("cosine_source", "likeness to source, cosine", "", "higher", "source", _to_source, mean),
    Metric("cosine_target", "likeness to target, cosine", "", "lower", "source", _to_target, mean),
    Metric("retrieval", "source found first of all", "%", "higher", "source", _first, mean),
    Metric("rank", "mean rank of the source", "", "lower", "source", _rank, mean),
)
