"""Measure an identity network on held-out people, and beside it the teacher that it learnt from.

    python benchmarks/identity.py --shared ../shared [--identity NAME|FILE] [--teacher FILE] [--sheet OUT.jpg]

Faces: those of data/faces160.csv that are held out (by person). Each goes through the runtime adapter,
aligned by YuNet-n's five points. Same: all pairs of photos of one person; different: all pairs of photos of
two people (within a source, where a row is of one source). TAR: share of same pairs above the value that one
in 1,000 different pairs exceeds. Where one photo of each pair is made worse, the other stays as it is.
`to teacher`: mean cosine to the teacher's embedding of the photo as it is. Turned: pairs in which one face
is turned by more than 25° (FSA-Net), against different pairs of the same kind.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from machine import describe

from omote.faces.face import Face
from omote.faces.identity import ArcFace, unit_vectors
from omote.training.data.faces import FaceSet
from omote.zoo import Networks, Runtime

TEACHER = "id_mobilefacenet_ms1m_foamliu.onnx"
TURNED = 25.0
DRAWN = ("generated", "faker")
"""Sources of faces that a generator made: much alike, and nobody's."""


def blurred(pixels: np.ndarray) -> np.ndarray:
    """Gaussian, standard deviation 2 px of a 128 px face."""
    return cv2.GaussianBlur(pixels, (0, 0), 2)


def compressed(pixels: np.ndarray) -> np.ndarray:
    """JPEG of quality 30."""
    _, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]


def darkened(pixels: np.ndarray) -> np.ndarray:
    """Half of each value."""
    return pixels // 2


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """As from a face of 64 px."""
    side = len(pixels)
    small = cv2.resize(pixels, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def with_shades(pixels: np.ndarray) -> np.ndarray:
    """Sun glasses, drawn over the eyes of an aligned face."""
    seen = pixels.copy()
    for x in (60, 100):
        cv2.ellipse(seen, (x, 76), (18, 13), 0, 0, 360, (25, 25, 25), -1, cv2.LINE_AA)
    cv2.line(seen, (76, 74), (84, 74), (25, 25, 25), 3, cv2.LINE_AA)
    return seen


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "blur": blurred,
    "JPEG 30": compressed,
    "half light": darkened,
    "64 px": shrunk,
    "sun glasses": with_shades,
}


def embeddings(network: ArcFace, faces: FaceSet, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Unit vectors (N, D) of all faces after a change."""
    rows = []
    for pixels, points in zip(faces.pixels.numpy(), faces.columns["points"], strict=True):
        face = Face(np.concatenate([points.min(0), points.max(0)]), 1.0, points)
        rows.append(network.embed(change(pixels), [face])[0])
    return unit_vectors(np.array(rows))


def area(same: np.ndarray, different: np.ndarray) -> float:
    """How often a same pair is more alike than a different one (AUC)."""
    line = np.sort(different)
    below, upto = np.searchsorted(line, same, "left"), np.searchsorted(line, same, "right")
    return float((below + upto).mean() / 2 / len(line))


def accepted(same: np.ndarray, different: np.ndarray, share: float = 1e-3) -> float:
    """Share of same pairs above the value that this share of different pairs exceeds."""
    return float((same > np.quantile(different, 1 - share)).mean())


def line_of(name: str, likeness: np.ndarray, kind: np.ndarray, chosen: np.ndarray, cosine: float) -> str:
    """One row: kind (N, N) is 1 for same, -1 for different, 0 for neither."""
    same, different = likeness[(kind == 1) & chosen], likeness[(kind == -1) & chosen]
    return (
        f"  {name:<26} {len(same):>5} / {len(different):<7} {area(same, different):.4f}  "
        f"{accepted(same, different):.3f}  {same.mean():+.3f}  {different.mean():+.3f}  {cosine:.3f}"
    )


def rows(network: ArcFace, faces: FaceSet, wanted: np.ndarray) -> Iterator[str]:
    """The table of a network; `wanted` are the teacher's embeddings."""
    person, source, yaw = (faces.columns[name] for name in ("person", "source", "yaw"))
    kind = np.where(person[:, None] == person, 1, -1)
    np.fill_diagonal(kind, 0)
    both = np.triu(np.ones_like(kind, bool), 1)
    plain = embeddings(network, faces, lambda pixels: pixels)
    cosine = (plain * wanted).sum(1)
    likeness = plain @ plain.T
    yield f"  {'':<26} {'same / different':<15} AUC     TAR@1e-3  same  different  to teacher"
    yield line_of("all", likeness, kind, both, cosine.mean())
    few = both & at_most(kind * both == 1, person, 6) | both & (kind == -1)
    yield line_of("at most 6 pairs a person", likeness, kind, few, cosine.mean())
    real = ~np.isin(source, DRAWN)
    yield line_of("photos of real people", likeness, kind, both & real[:, None] & real, cosine[real].mean())
    for name in sorted(set(map(str, source[several(person)]))):
        here = source == name
        yield line_of(name, likeness, kind, both & here[:, None] & here, cosine[here].mean())
    turned = np.abs(yaw) > TURNED
    one = turned[:, None] | turned
    yield line_of("turned by more than 25°", likeness, kind, both & one, cosine[turned].mean())
    yield line_of("both turned by less", likeness, kind, both & ~one, cosine[~turned].mean())
    for name, change in CHANGES.items():
        changed = embeddings(network, faces, change)
        whole = np.ones_like(both)
        yield line_of(name, changed @ plain.T, kind, whole, (changed * wanted).sum(1).mean())


def several(person: np.ndarray) -> np.ndarray:
    """Whose photos are of people with several."""
    return np.bincount(person)[person] > 1


def at_most(same: np.ndarray, person: np.ndarray, most: int) -> np.ndarray:
    """Of the same pairs (N, N), at most so many of each person, by chance."""
    first, second = np.nonzero(same)
    order = np.random.default_rng(1).permutation(len(first))
    kept, count = np.zeros_like(same), np.zeros(person.max() + 1, int)
    for i in order:
        who = person[first[i]]
        if count[who] < most:
            count[who] += 1
            kept[first[i], second[i]] = True
    return kept


def milliseconds(network: ArcFace, rounds: int = 100) -> float:
    """Median time of the network alone, one face."""
    look = network.settings
    crop = np.random.default_rng(0).normal(size=(1, 3, look.height, look.width)).astype(np.float32)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        network.session.run_batch(crop)
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e3


def sheet(network: ArcFace, faces: FaceSet, path: Path, count: int = 12) -> None:
    """The same pairs that are least alike, and the different ones that are most alike, for the eye."""
    plain = embeddings(network, faces, lambda pixels: pixels)
    person = faces.columns["person"]
    likeness = np.triu(plain @ plain.T, 1)
    same = (person[:, None] == person) & np.triu(np.ones_like(likeness, bool), 1)
    worst = np.argsort(np.where(same, likeness, 9).ravel())[:count]
    closest = np.argsort(-np.where(same, -9, likeness).ravel())[:count]
    columns = []
    for places in (worst, closest):
        tiles = []
        for a, b in zip(*np.unravel_index(places, likeness.shape), strict=True):
            pair = np.hstack([faces.pixels[int(a)].numpy(), faces.pixels[int(b)].numpy()])[..., ::-1].copy()
            cv2.putText(pair, f"{likeness[a, b]:.2f}", (4, 154), 0, 0.5, (0, 255, 255), 1, cv2.LINE_AA)
            tiles.append(pair)
        columns.append(np.vstack([np.hstack(tiles[i : i + 3]) for i in range(0, count, 3)]))
    cv2.imwrite(str(path), np.vstack(columns))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--identity", default="omote-identity", help="name in the zoo, or ONNX file")
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    faces = FaceSet.open(options.shared / "data", split="val")
    networks = Networks(runtime=Runtime(threads=1))
    teacher = ArcFace(networks.open(str(options.teacher or options.shared / "weights" / TEACHER), "identity"))
    student = ArcFace(networks.open(options.identity, "identity"))
    wanted = embeddings(teacher, faces, lambda pixels: pixels)
    print(f"{len(faces)} held-out faces of {faces.people} people; {describe()}")
    for name, network in ((options.identity, student), ("teacher", teacher)):
        print(f"\n{name}: {milliseconds(network):.1f} ms a face, one thread, network alone")
        print("\n".join(rows(network, faces, wanted)))
    if options.sheet:
        sheet(student, faces, options.sheet)


if __name__ == "__main__":
    main()
