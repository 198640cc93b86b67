"""Derive `omote/engines/mesh/shape.npz`: in what the meshes of people differ, whatever they do.

    python -m omote.training.mesh.shape --data DIR --out FILE

The meshes of people with several photos, and their mirror images, are laid over their mean (generalised
Procrustes analysis). How photos of one person differ, and how people do, are two covariances; the directions
in which the second is large beside the first are linear discriminants (Fisher 1936). What one photo tells of
a person is its coordinates along them, shrunk by how far they can be trusted. Left out are

- the two directions in which photos of one person differ most: an open jaw and a smile;
- whatever would open the lips or raise the corners of the mouth: the target's expression stays.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from omote.evaluation.photos import aligned_face
from omote.faces.mesh import FaceMesh
from omote.faces.topology import MIRROR
from omote.training.data.faces import FaceSet
from omote.zoo import Networks, Runtime

Floats = npt.NDArray[np.float64]

POINTS = 468
"""Points of the face; the irises do as the eyes do."""
_FARTHEST_YAW = 25.0
"""Degrees: beyond it half of the face is guessed."""
_KEPT = 60
"""Principal components that hold all but a ten-thousandth of the variance."""
_EXPRESSIONS = 2
_LEAST = 0.15
"""Share of the variance of a direction that is due to people, below which it is left out."""
_GAPS = ((13, 14), (82, 87), (312, 317))
"""Pairs of points of the inner lips that lie one above the other."""
_CORNERS = ((61, 0, 17), (291, 0, 17), (78, 13, 14), (308, 13, 14))
"""Corners of the mouth, outer and inner, each with the middles of upper and lower lip."""


def meshes_of(faces: FaceSet) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Meshes (N, 468, 3) of all whose person has another photo, in pixels, and who they are (N,)."""
    network = Networks(runtime=Runtime("cpu", threads=1)).open("omote-mesh", "landmarks")
    finder, face = FaceMesh(network, passes=2), aligned_face(int(faces.pixels.shape[1]))
    person = faces.columns["person"]
    frontal = np.abs(np.nan_to_num(faces.columns["yaw"])) < _FARTHEST_YAW
    several = np.bincount(person[frontal], minlength=int(person.max()) + 1) > 1
    chosen = np.flatnonzero(frontal & several[person])
    found = [finder.refine(faces.pixels[int(number)].numpy(), [face])[0].mesh for number in chosen]
    return np.array(found, np.float64)[:, :POINTS], person[chosen]


def mirrored(meshes: Floats) -> Floats:
    """The meshes of the mirrored pictures."""
    return meshes[:, MIRROR[:POINTS]] * (-1, 1, 1)


def laid(meshes: Floats, rounds: int = 5) -> tuple[Floats, Floats]:
    """Lay meshes over their common mean by similarities: (N, 468, 3), and the mean, centred, of norm 1."""
    mean = _unit(meshes[0])
    for _ in range(rounds):
        mean = _unit(_over(meshes, mean).mean(0))
    return _over(meshes, mean), mean


def covariances(values: Floats, person: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Of vectors (N, D): how people differ, and how photos of one person do, (D, D) each."""
    _, number, count = np.unique(person, return_inverse=True, return_counts=True)
    means = np.zeros((len(count), values.shape[1]))
    np.add.at(means, number, values)
    means /= count[:, None]
    rest = values - means[number]
    within = rest.T @ rest / (len(values) - len(count))
    centred = means - means.mean(0)
    between = centred.T @ centred / (len(count) - 1) - within * (1 / count).mean()
    lengths, axes = np.linalg.eigh(between)
    return (axes * np.clip(lengths, 0, None)) @ axes.T, within


def discriminants(between: Floats, within: Floats) -> tuple[Floats, Floats, Floats]:
    """Encoder (K, D), decoder (D, K), and the share of each coordinate's variance that is due to people."""
    root = np.linalg.cholesky(between + within)
    inverse = np.linalg.inv(root)
    share, axes = np.linalg.eigh(inverse @ between @ inverse.T)
    kept = np.flatnonzero(share > _LEAST)[::-1]
    share, axes = share[kept], axes[:, kept]
    weights = np.sqrt(share)
    return (axes * weights).T @ inverse, root @ (axes * weights), share


def held(decoder: Floats, between: Floats, readings: Floats) -> Floats:
    """The decoder, changed as people's shapes allow, so that it leaves the readings (D, R) as they are."""
    answer = between @ readings
    return decoder - answer @ np.linalg.pinv(readings.T @ answer, rcond=1e-6) @ (readings.T @ decoder)


def expression_readings() -> Floats:
    """(1404, R): each column reads from a mesh how far lips are apart, or how high a mouth's corner is."""
    columns = []
    for upper, lower in _GAPS:
        columns.append(_column({upper: 1.0, lower: -1.0}))
    for corner, upper, lower in _CORNERS:
        columns.append(_column({corner: 1.0, upper: -0.5, lower: -0.5}))
    return np.array(columns).T


def tables(meshes: Floats, person: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float16]]:
    """Mean, encoder and decoder, as `omote.engines.mesh.shape` reads them."""
    both = np.concatenate([meshes, mirrored(meshes)])
    over, mean = laid(both)
    values = (over - over.mean(0)).reshape(len(both), -1)
    _, axes = np.linalg.eigh(np.cov(values, rowvar=False))
    axes = axes[:, ::-1][:, :_KEPT]
    between, within = covariances(values @ axes, np.concatenate([person, person]))
    encoder, decoder, share = discriminants(between, within)
    does = np.linalg.eigh(within)[1][:, ::-1][:, :_EXPRESSIONS]
    still = np.eye(_KEPT) - does @ does.T
    decoder = held(still @ decoder, between, axes.T @ expression_readings())
    print(f"{len(meshes)} photos of {len(np.unique(person))} people; shares {np.round(share, 2).tolist()}")
    made = {"mean": mean, "encode": encoder @ still @ axes.T, "decode": axes @ decoder}
    return {name: table.astype(np.float16) for name, table in made.items()}


def _column(weights: dict[int, float]) -> Floats:
    column = np.zeros((POINTS, 3))
    for point, weight in weights.items():
        column[point, 1] = weight
    return column.ravel()


def _unit(mesh: Floats) -> Floats:
    centred = mesh - mesh.mean(0)
    return np.asarray(centred / np.linalg.norm(centred))


def _over(meshes: Floats, mean: Floats) -> Floats:
    centred = meshes - meshes.mean(1, keepdims=True)
    left, values, right = np.linalg.svd(np.einsum("nki,kj->nij", centred, mean))
    signs = np.ones((len(meshes), 3))
    signs[:, 2] = np.sign(np.linalg.det(left @ right))
    scale = (values * signs).sum(1) / (centred**2).sum((1, 2))
    return np.asarray(np.einsum("n,nki,nij->nkj", scale, centred, (left * signs[:, None]) @ right))


def main(arguments: list[str] | None = None) -> None:
    """Derive the tables and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of shards")
    parser.add_argument("--cache", type=Path, help="folder in which decoded faces are kept")
    parser.add_argument("--out", type=Path, required=True, help="shape.npz")
    options = parser.parse_args(arguments)
    faces = FaceSet.open(
        options.data, square=160, split="train", where=["quality > 0.3"], cache=options.cache
    )
    made = tables(*meshes_of(faces))
    np.savez_compressed(options.out, allow_pickle=False, **made)


if __name__ == "__main__":
    main()
