"""How often a consent fits the wrong face (FMR), and how often it does not fit its own (FNMR).

    python benchmarks/consent.py --shared ../shared

Faces: photos of real people of data/faces160.csv that are held out (by person), as in benchmarks/identity.py.
A consent is made of one to five photos of a person who has more, drawn at random a hundred times, and kept as
it is in a record: quantised. It is then tried with all other photos of that person (FNMR: the mean of all
people, however many photos each has) and with the photos of all other people (FMR).
"""

import argparse
from pathlib import Path

import numpy as np
from identity import DRAWN
from machine import describe

from omote.faces.face import Face
from omote.faces.mesh import FaceMesh
from omote.training.data.faces import FaceSet
from omote.trust.template import FaceTemplate, Recognition
from omote.zoo import Networks, Runtime

ROUNDS = 100
THRESHOLDS = (0.25, 0.30, 0.35, 0.37, 0.40, 0.45, 0.50)


def embeddings(faces: FaceSet, chosen: np.ndarray, networks: Networks, mesh: bool) -> np.ndarray:
    """Unit vectors (N, D) as a job gets them: by the five points of the mesh; or by the detector's."""
    recognition, mesher = Recognition.open(networks), FaceMesh(passes=2)
    rows = []
    for number in np.flatnonzero(chosen):
        pixels, points = faces.pixels[int(number)].numpy(), faces.columns["points"][number]
        found = [Face(np.concatenate([points.min(0), points.max(0)]), 1.0, points)]
        rows.append(recognition.embed(pixels, mesher.refine(pixels, found) if mesh else found)[0])
    return np.array(rows)


def rates(
    vectors: np.ndarray, person: np.ndarray, photos: int, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, int]:
    """FMR and FNMR at each threshold, and the number of people, of consents made of so many photos."""
    rng = np.random.default_rng(seed)
    people = [who for who, count in enumerate(np.bincount(person)) if count > photos]
    wrong, missed = [], []
    for who in people:
        own, others = np.flatnonzero(person == who), np.flatnonzero(person != who)
        lost = []
        for _ in range(max(1, ROUNDS // len(own))):
            drawn = rng.choice(own, photos, replace=False)
            template = FaceTemplate.of(vectors[drawn]).vector()
            rest = np.setdiff1d(own, drawn)
            lost.append([(vectors[rest] @ template < at).mean() for at in THRESHOLDS])
            wrong.append([(vectors[others] @ template >= at).mean() for at in THRESHOLDS])
        missed.append(np.mean(lost, 0))
    return np.mean(wrong, 0), np.mean(missed, 0), len(people)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--detector-points", action="store_true", help="align by the detector, not the mesh")
    options = parser.parse_args()
    faces = FaceSet.open(options.shared / "data", split="val")
    real = ~np.isin(faces.columns["source"], DRAWN)
    networks = Networks(runtime=Runtime(threads=1))
    vectors = embeddings(faces, real, networks, not options.detector_points)
    _, person = np.unique(faces.columns["person"][real], return_inverse=True)
    print(f"{len(vectors)} held-out photos of {person.max() + 1} real people; {describe()}")
    print("photos  people  " + "  ".join(f"{'at ' + format(at, '.2f'):>15}" for at in THRESHOLDS))
    for photos in (1, 2, 3, 5):
        false, missed, people = rates(vectors, person, photos)
        cells = (f"{100 * a:.3f} / {100 * b:4.1f} %" for a, b in zip(false, missed, strict=True))
        print(f"{photos:>6}  {people:>6}  " + "  ".join(f"{cell:>15}" for cell in cells))


if __name__ == "__main__":
    main()
