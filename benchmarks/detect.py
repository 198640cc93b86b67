"""Measure a face detector against YuNet: recall, false alarms, five points, time.

    python benchmarks/detect.py --shared ../shared [--detector FILE] [--sheet OUT.png]

Reference faces: what YuNet-n finds with a score of at least 0.8, box at least 24 px wide and high. Such a
face counts as found if a detection overlaps it by IoU >= 0.5. A detection is a false alarm if neither YuNet-n
nor YuNet-s has a box of score >= 0.3 that overlaps it by IoU >= 0.4. Points: mean distance of the five points
to YuNet-n's, in eye distances, over the faces found. All run through the same adapter at 640 px, the
references plainly (one look, best cell, as their authors do) or, with --voting, as it does by default.
YuNet-s and YuNet-n on shifted pictures stand in the table as a measure of what agreement can be had.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from omote.faces.detect import Detector
from omote.faces.face import Face
from omote.training.detect.data import Scene, load_scenes

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass
class Tally:
    """What one set of pictures gave."""

    pictures: int = 0
    faces: int = 0
    found: int = 0
    detections: int = 0
    points: list[float] = field(default_factory=list)
    missed: list[tuple[str, np.ndarray]] = field(default_factory=list)
    alarms: list[tuple[str, np.ndarray]] = field(default_factory=list)

    def line(self, name: str) -> str:
        """One row of the table."""
        recall = self.found / max(self.faces, 1)
        median = 100 * float(np.median(self.points)) if self.points else float("nan")
        ninety = 100 * float(np.percentile(self.points, 90)) if self.points else float("nan")
        return (
            f"| {name} | {self.pictures} | {self.found}/{self.faces} = {recall:.4f} | {len(self.alarms)} "
            f"= {100 * len(self.alarms) / max(self.pictures, 1):.2f} per 100 | {median:.2f} % "
            f"(90th percentile {ninety:.2f} %) |"
        )


def overlap(first: Face, second: Face) -> float:
    """Intersection over union of two boxes."""
    span = np.minimum(first.box[2:], second.box[2:]) - np.maximum(first.box[:2], second.box[:2])
    shared = float(np.prod(np.maximum(span, 0)))
    return shared / (first.width * first.height + second.width * second.height - shared)


@dataclass(frozen=True)
class Shifted:
    """A detector that sees every picture 3 px further right and down: how well does it repeat itself?"""

    detector: Detector

    def find(self, pixels: np.ndarray) -> list[Face]:
        """Faces in pixels of the picture as given."""
        moved = cv2.copyMakeBorder(pixels, 3, 0, 3, 0, cv2.BORDER_CONSTANT)
        return [Face(f.box - 3, f.score, f.points - 3) for f in self.detector.find(moved)]


def eval_pictures(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The evaluation photos, RGB."""
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            sys.exit(f"{path}: cannot be decoded")
        yield f"{path.parent.name}/{path.name}", picture


def compare(
    tested: Detector | Shifted,
    loose: list[Detector],
    pictures: Iterable[tuple[str, np.ndarray]],
    least: float,
) -> Tally:
    """Hold a detector against the references; `loose` are YuNet-n and YuNet-s at threshold 0.3."""
    tally = Tally()
    for name, pixels in pictures:
        mine = tested.find(pixels)
        theirs = [detector.find(pixels) for detector in loose]
        tally.pictures += 1
        tally.detections += len(mine)
        for face in theirs[0]:
            if face.score < 0.8 or min(face.width, face.height) < least:
                continue
            tally.faces += 1
            match = max(mine, key=lambda other: overlap(face, other), default=None)
            if match is None or overlap(face, match) < 0.5:
                tally.missed.append((f"{name} {face.score:.2f}", patch(pixels, face)))
                continue
            tally.found += 1
            gap = np.linalg.norm(match.points - face.points, axis=1).mean()
            tally.points.append(float(gap) / max(face.eye_distance, 0.15 * face.width))
        for face in mine:
            if not any(overlap(face, other) >= 0.4 for faces in theirs for other in faces):
                tally.alarms.append((f"{name} {face.score:.2f}", patch(pixels, face)))
    return tally


def patch(pixels: np.ndarray, face: Face, side: int = 160) -> np.ndarray:
    """A square picture of a detection with some surroundings, box and points drawn."""
    centre, half = (face.box[:2] + face.box[2:]) / 2, max(face.width, face.height)
    scale = side / (2 * half)
    matrix = np.array([[scale, 0, side / 2 - scale * centre[0]], [0, scale, side / 2 - scale * centre[1]]])
    out = cv2.warpAffine(pixels, matrix, (side, side), flags=cv2.INTER_AREA)
    box = (face.box.reshape(2, 2) * scale + matrix[:, 2]).astype(int)
    cv2.rectangle(out, box[0].tolist(), box[1].tolist(), (0, 255, 0))
    for point in face.points * scale + matrix[:, 2]:
        cv2.circle(out, point.astype(int).tolist(), 2, (255, 0, 0), -1)
    return out


def sheet(items: list[tuple[str, np.ndarray]], file: Path) -> None:
    """Write a contact sheet of patches with their names."""
    tiles = []
    for name, tile in items:
        cv2.putText(tile, name[-26:], (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.33, (255, 255, 0))
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 8)
    rows = [np.hstack(tiles[start : start + 8]) for start in range(0, len(tiles), 8)]
    cv2.imwrite(str(file), np.vstack(rows)[:, :, ::-1])


def filling(detector: Detector, scenes: dict[str, Scene]) -> tuple[int, int]:
    """How many faces are found in pictures cut to the labelled box, and how many there are."""
    found = total = 0
    for scene in scenes.values():
        edge = np.tile(scene.pixels.shape[1::-1], 2)
        for box, score in zip(scene.boxes, scene.scores, strict=True):
            x0, y0, x1, y1 = np.clip(box, 0, edge).astype(int)
            if score < 0.8 or min(x1 - x0, y1 - y0) < 48:
                continue
            whole = Face(np.array([0, 0, x1 - x0, y1 - y0], np.float32), 1.0, np.zeros((5, 2), np.float32))
            faces = detector.find(np.ascontiguousarray(scene.pixels[y0:y1, x0:x1]))
            total += 1
            found += any(overlap(face, whole) >= 0.5 for face in faces)
    return found, total


def load(file: Path | None, **options: Any) -> Detector:
    """A detector of a file, or Omote's own."""
    return Detector.from_file(file, **options) if file else Detector(**options)


def timing(files: dict[str, Path | None], pixels: np.ndarray, rounds: int) -> None:
    """Print median times at 640 x 640, one thread, the networks taking turns; YuNet-n is plainly decoded."""
    detectors = {name: load(file, plain=name != "tested") for name, file in files.items()}
    picture = cv2.resize(pixels, (640, 640), interpolation=cv2.INTER_AREA)
    blob = cv2.dnn.blobFromImage(picture)
    spent: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, detector in detectors.items():
            for what, call in (
                ("network", lambda d=detector: d.session.run(blob)),
                ("find", lambda d=detector: d.find(picture)),
            ):
                begin = time.perf_counter()
                call()
                spent.setdefault(f"{what} {name}", []).append(time.perf_counter() - begin)
    median = {name: 1000 * float(np.median(times)) for name, times in spent.items()}
    print("\n| 640 x 640, one thread, median ms | tested | YuNet-n | ratio |\n|---|---|---|---|")
    for what, label in (("network", "network alone"), ("find", "Detector.find")):
        mine, theirs = median[f"{what} tested"], median[f"{what} YuNet-n"]
        print(f"| {label} | {mine:.2f} | {theirs:.2f} | {mine / theirs:.2f} |")


def main() -> None:
    """Run the benchmark and print tables in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shared", type=Path, default=Path("../shared"), help="folder with media, data, weights"
    )
    parser.add_argument("--detector", type=Path, help="ONNX file to test; default: Omote's own")
    parser.add_argument("--threshold", type=float, help="default: the one that ships")
    parser.add_argument("--least", type=float, default=24.0, help="smallest reference face in px")
    parser.add_argument("--voting", action="store_true", help="references not plainly decoded")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of false alarms, then misses (PNG)")
    parser.add_argument("--rounds", type=int, default=60, help="rounds of timing; 0 for none")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    tested = load(args.detector, threshold=args.threshold)
    files = [args.shared / "weights" / f"det_yunet_{kind}.onnx" for kind in "ns"]
    loose = [Detector.from_file(file, threshold=0.3, plain=not args.voting) for file in files]
    print(f"threshold {tested.threshold}\n")
    print("| pictures | number | recall | false alarms | points, median |\n|---|---|---|---|---|")
    held_out = load_scenes(args.shared / "data", "val")
    sets = {
        "evaluation photos": list(eval_pictures(args.shared / "media" / "eval")),
        "held-out scenes": [(name, scene.pixels) for name, scene in held_out.items()],
    }
    total = Tally()
    for name, pictures in sets.items():
        tally = compare(tested, loose, pictures, args.least)
        print(tally.line(name), flush=True)
        for key, value in vars(tally).items():
            setattr(total, key, getattr(total, key) + value)
    print(total.line("together"))
    everything = [item for pictures in sets.values() for item in pictures]
    print(compare(Detector.from_file(files[1], plain=True), loose, everything, args.least).line("YuNet-s"))
    shifted = Shifted(Detector.from_file(files[0], plain=True))
    print(compare(shifted, loose, everything, args.least).line("YuNet-n, shifted by 3 px"))
    for label, items in (("false alarm", total.alarms), ("missed", total.missed)):
        for name, _ in items:
            print(f"{label}: {name}")
    for name, detector in (("tested", tested), ("YuNet-n", Detector.from_file(files[0]))):
        found, number = filling(detector, held_out)
        print(f"\nfaces that fill the picture, {name}: {found}/{number} = {found / number:.4f}")
    if args.sheet and total.alarms + total.missed:
        sheet(total.alarms + total.missed, args.sheet)
    if args.rounds:
        timing(
            {"tested": args.detector, "YuNet-n": files[0]},
            everything[0][1],
            args.rounds,
        )


if __name__ == "__main__":
    main()
