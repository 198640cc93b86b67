"""Measure a face mesh network against MediaPipe's: points, head pose, steadiness, time.

    python benchmarks/mesh.py --shared ../shared [--mesh FILE] [--passes 1|2] [--sheet OUT.png]

Faces: those of data/faces160.csv that are held out (by person), and those of the held-out whole photos of
data/scenes.jsonl with an eye distance of at least 20 px. Each goes through the runtime adapter, cropped by
YuNet-n's five points. Reference: the mean of several looks of MediaPipe's network, the last ones cropped by
its own mesh (`omote.training.mesh.teacher.look`); one look of that network in the same adapter is measured
beside it. Errors: distance in the picture plane, mean over points and faces, in % of the eye distance of the
reference: in the picture (2D), where it shrinks as the head turns, and in space (3D), where it does not.
Turned: |yaw| by FSA-Net (aligned faces) or by the reference mesh (photos).
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from omote.faces import contours
from omote.faces.face import Face
from omote.faces.mesh import FaceMesh, mesh_points
from omote.faces.pose import head_pose
from omote.training.mesh.data import load_aligned, read_scenes
from omote.training.mesh.teacher import look
from omote.zoo import Session

TEACHER = "lmk_mediapipe478_v2.onnx"
SMALLEST = 20.0
REGIONS = {
    "oval": contours.FACE_OVAL,
    "eyes": contours.LEFT_EYE + contours.RIGHT_EYE,
    "irises": contours.LEFT_IRIS + contours.RIGHT_IRIS,
    "brows": contours.LEFT_BROW + contours.RIGHT_BROW,
    "lips": contours.OUTER_LIPS + contours.INNER_LIPS,
}


@dataclass(frozen=True)
class Case:
    """A held-out face: its picture, the five points, where it comes from, FSA-Net's pose (NaN: unknown)."""

    pixels: np.ndarray
    points: np.ndarray
    source: str
    pose: np.ndarray


def aligned_cases(data: Path) -> Iterator[Case]:
    """Held-out aligned faces."""
    faces = load_aligned(data)
    for i in np.flatnonzero(faces.val):
        yield Case(faces.images[i], faces.points[i], str(faces.source[i]), faces.pose[i])


def scene_cases(data: Path) -> Iterator[Case]:
    """Faces of held-out whole photos."""
    for row, picture in read_scenes(data):
        for face in row["faces"] if row["split"] == "val" else ():
            points = np.array(face["points"], np.float32)
            if face["score"] >= 0.8 and np.linalg.norm(points[1] - points[0]) >= SMALLEST:
                yield Case(picture, points, "scenes", np.full(3, np.nan))


def face_of(points: np.ndarray) -> Face:
    """A face as a detector would give it."""
    low, high = points.min(0), points.max(0)
    return Face(np.concatenate([low, high]), 1.0, points)


def mesh_of(face: Face) -> np.ndarray:
    """The mesh of a refined face."""
    assert face.mesh is not None
    return face.mesh


def median_times(calls: dict[str, Callable[[], object]], rounds: int = 150) -> dict[str, float]:
    """Median milliseconds of each call, interleaved."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            spent[name].append(time.perf_counter() - begin)
    return {name: 1000 * float(np.median(values)) for name, values in spent.items()}


def timing(mesh: FaceMesh, teacher: FaceMesh, case: Case) -> None:
    """Print the time of the networks alone and of the whole adapter."""
    rng = np.random.default_rng(0)

    def input_of(subject: FaceMesh) -> np.ndarray:
        shape = next(iter(subject.session.inputs.values()))
        return rng.random((1, *map(int, shape[1:])), np.float32)

    ours, theirs, face = input_of(mesh), input_of(teacher), face_of(case.points)
    times = median_times(
        {
            "network": lambda: mesh.session.run(ours),
            "MediaPipe's network": lambda: teacher.session.run(theirs),
            "crop, network, pose": lambda: mesh.refine(case.pixels, [face]),
            "the same with MediaPipe's network": lambda: teacher.refine(case.pixels, [face]),
        }
    )
    print("Time of one face, one thread, median of 150, interleaved:")
    for name, value in times.items():
        print(f"  {name}: {value:.2f} ms")


def measure(cases: list[Case], mesh: FaceMesh, teacher: FaceMesh, session: Session) -> dict[str, np.ndarray]:
    """Errors and poses of every case whose reference says that it is a face."""
    rng = np.random.default_rng(0)
    rows: dict[str, list[object]] = {}
    for number, case in enumerate(cases):
        reference, logit = look(session, case.pixels, case.points)
        if logit < 0:
            continue
        eyes = mesh_points(reference)
        distance = float(np.linalg.norm(eyes[1] - eyes[0]))
        lids = [reference[list(lid)].mean(0) for lid in (contours.LEFT_EYE, contours.RIGHT_EYE)]
        face = face_of(case.points)
        found, single = mesh.refine(case.pixels, [face])[0], teacher.refine(case.pixels, [face])[0]
        span = float(np.linalg.norm(case.points[1] - case.points[0]))
        moved = face_of(case.points + rng.normal(0, 0.03 * span, (5, 2)).astype(np.float32))
        again, again_single = mesh.refine(case.pixels, [moved])[0], teacher.refine(case.pixels, [moved])[0]

        def error(one: Face, other: np.ndarray, scale: float = distance) -> np.ndarray:
            return 100 * np.linalg.norm(mesh_of(one)[:, :2] - other[:, :2], axis=1) / scale

        row = {
            "case": number,
            "error": error(found, reference),
            "shrunk": distance / float(np.linalg.norm(lids[1] - lids[0])),
            "single": error(single, reference),
            "to_single": error(found, mesh_of(single)),
            "shake": error(again, mesh_of(found)).mean(),
            "shake_single": error(again_single, mesh_of(single)).mean(),
            "depth": 100 * np.abs(mesh_of(found)[:, 2] - reference[:, 2]).mean() / distance,
            "pose": np.array(found.pose),
            "pose_reference": np.array(head_pose(reference)),
            "pose_fsanet": case.pose * (-1, 1, 1),  # FSA-Net counts yaw the other way
            "presence": found.presence,
            "source": case.source,
            "cut": bool((reference[:, :2] < 0).any() or (reference[:, :2] > case.pixels.shape[1::-1]).any()),
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in rows.items()}


def report(name: str, rows: dict[str, np.ndarray]) -> None:
    """Print the table of one collection."""
    error, single = rows["error"].mean(1), rows["single"].mean(1)
    fsanet, shrunk = rows["pose_fsanet"], rows["shrunk"]
    yaw = np.where(np.isnan(fsanet[:, 0]), rows["pose_reference"][:, 0], fsanet[:, 0])
    print(f"\n{name}: {len(error)} faces")
    print("| faces | n | error, 2D | median | 95th | 3D | MediaPipe once, 2D | 3D | between the two, 2D |")
    print("|---|---|---|---|---|---|---|---|---|")
    groups = {"all": np.ones(len(error), bool)}
    for low, high in ((0, 15), (15, 30), (30, 90)):
        groups[f"yaw {low}-{high}°"] = (np.abs(yaw) >= low) & (np.abs(yaw) < high)
    if name == "whole photos":
        groups["cut by the picture's edge"] = rows["cut"]
        groups["not cut"] = ~rows["cut"]
        groups["not cut, yaw 30-90°"] = ~rows["cut"] & (np.abs(yaw) >= 30)
    sources = np.unique(rows["source"])
    groups |= {str(source): rows["source"] == source for source in sources if len(sources) > 1}
    for label, chosen in groups.items():
        if chosen.any():
            e = error[chosen]
            print(
                f"| {label} | {chosen.sum()} | {e.mean():.2f} % | {np.median(e):.2f} % | "
                f"{np.percentile(e, 95):.2f} % | {(e * shrunk[chosen]).mean():.2f} % | "
                f"{single[chosen].mean():.2f} % | {(single * shrunk)[chosen].mean():.2f} % | "
                f"{rows['to_single'][chosen].mean():.2f} % |"
            )
    for which, label in (("error", "regions"), ("single", "regions, MediaPipe once")):
        parts = {part: rows[which][:, list(index)].mean() for part, index in REGIONS.items()}
        print(f"{label}: " + ", ".join(f"{part} {value:.2f} %" for part, value in parts.items()))
    print(
        f"depth: {rows['depth'].mean():.2f} %; "
        f"presence: 1st percentile {np.percentile(rows['presence'], 1):.3f}"
    )
    print(
        f"five points moved by 3 % of the eye distance (normal): mesh moves {rows['shake'].mean():.2f} %, "
        f"MediaPipe's {rows['shake_single'].mean():.2f} %"
    )
    for other, label in (("pose_reference", "reference mesh"), ("pose_fsanet", "FSA-Net")):
        difference = rows["pose"] - rows[other]
        if np.isnan(difference).any():
            continue
        mean = np.abs(difference).mean(0)
        linear = [np.corrcoef(rows["pose"][:, k], rows[other][:, k])[0, 1] for k in range(3)]
        print(
            f"pose against {label}: mean difference "
            f"yaw {mean[0]:.2f}° pitch {mean[1]:.2f}° roll {mean[2]:.2f}°; "
            f"correlation {linear[0]:.3f} {linear[1]:.3f} {linear[2]:.3f}"
        )


def sheet(mesh: FaceMesh, teacher: FaceMesh, cases: list[Case], file: Path, worst: np.ndarray) -> None:
    """Draw the worst cases: the contours of both networks."""
    tiles = []
    for i in worst:
        case = cases[i]
        pair = []
        for subject in (mesh, teacher):
            flat = mesh_of(subject.refine(case.pixels, [face_of(case.points)])[0])[:, :2]
            middle, side = (flat.min(0) + flat.max(0)) / 2, 1.25 * float(np.ptp(flat, 0).max())
            matrix = np.column_stack([np.eye(2) * 280 / side, 140 - middle * 280 / side])
            tile = cv2.warpAffine(case.pixels, matrix, (280, 280))
            points = np.round((flat * 280 / side + matrix[:, 2]) * 8).astype(int)
            for line in (contours.FACE_OVAL, contours.INNER_LIPS, *REGIONS_DRAWN):
                cv2.polylines(tile, [points[list(line)]], True, (0, 255, 0), 1, cv2.LINE_AA, 3)
            pair.append(tile)
        tiles.append(np.vstack(pair))
    rows = [np.hstack(tiles[i : i + 6]) for i in range(0, len(tiles) - len(tiles) % 6, 6)]
    cv2.imwrite(str(file), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


REGIONS_DRAWN = (
    contours.LEFT_EYE,
    contours.RIGHT_EYE,
    contours.OUTER_LIPS,
    contours.LEFT_BROW,
    contours.RIGHT_BROW,
    contours.LEFT_IRIS[1:],
    contours.RIGHT_IRIS[1:],
)


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--mesh", type=Path, help="another network than the one that ships")
    parser.add_argument("--passes", type=int, default=1, choices=(1, 2))
    parser.add_argument("--every", type=int, default=1, help="measure one face of so many")
    parser.add_argument(
        "--sheet", type=Path, help="draw the worst faces: above this network, below MediaPipe's"
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    file = options.shared / "weights" / TEACHER
    teacher, session = FaceMesh.from_file(file, "mediapipe_478"), Session(file)
    passes = options.passes
    mesh = FaceMesh.from_file(options.mesh, passes=passes) if options.mesh else FaceMesh(passes=passes)
    for name, load in (("aligned faces", aligned_cases), ("whole photos", scene_cases)):
        cases = list(load(options.shared / "data"))[:: options.every]
        if name == "aligned faces":
            timing(mesh, teacher, cases[0])
        rows = measure(cases, mesh, teacher, session)
        report(name, rows)
        if options.sheet:
            worst = rows["case"][np.argsort(-rows["error"].mean(1))[:18]]
            sheet(
                mesh,
                teacher,
                cases,
                options.sheet.with_stem(f"{options.sheet.stem}-{name.split()[0]}"),
                worst,
            )


if __name__ == "__main__":
    main()
