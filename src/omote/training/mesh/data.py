"""Training faces in memory: aligned faces, faces of whole photos with their surroundings, and backgrounds."""

import csv
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.align import similarity, template, transform

EYE_DISTANCE = 40.28  # canvas pixels: the ArcFace template at 128 px
ALIGNED = 160  # side of an aligned face
SCENE = 224  # side of a face cut from a whole photo
SMALLEST = 14.0  # eye distance in photo pixels below which a face is left out


@dataclass(frozen=True, slots=True, eq=False)
class FaceSet:
    """Faces of one canvas size, all aligned to an eye distance of `EYE_DISTANCE` pixels.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        points: (N, 5, 2) float32 canvas pixels.
        pose: (N, 3) float32 yaw, pitch, roll of FSA-Net in degrees; NaN where unknown.
        val: (N,) bool, held out (by person).
        source: (N,) names of the collections.
    """

    images: npt.NDArray[np.uint8]
    points: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float32]
    val: npt.NDArray[np.bool_]
    source: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.images)


def _decode(data: bytes) -> npt.NDArray[np.uint8]:
    bgr: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _members(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None:
                    yield Path(member.name).stem, file.read()


def load_aligned(data: Path) -> FaceSet:
    """Read faces160.csv and its three archives."""
    with (data / "faces160.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    names = list(rows)
    place = {name: i for i, name in enumerate(names)}
    images = np.zeros((len(names), ALIGNED, ALIGNED, 3), np.uint8)
    for name, content in _members(sorted(data.glob("faces160-*.tar"))):
        if name in place:
            images[place[name]] = _decode(content)

    def column(*keys: str) -> npt.NDArray[np.float32]:
        return np.array([[float(rows[name][key]) for key in keys] for name in names], np.float32)

    return FaceSet(
        images,
        column(*(f"{axis}{i}" for i in range(5) for axis in "xy")).reshape(-1, 5, 2),
        column("yaw", "pitch", "roll"),
        np.array([rows[name]["split"] == "val" for name in names]),
        np.array([rows[name]["source"] for name in names]),
    )


def read_scenes(data: Path) -> Iterator[tuple[dict[str, Any], npt.NDArray[np.uint8]]]:
    """Yield every whole photo as its row of scenes.jsonl and its pixels."""
    lines = (data / "scenes.jsonl").read_text().splitlines()
    rows = {row["name"]: row for row in map(json.loads, lines)}
    for name, content in _members([data / "scenes.tar"]):
        if name in rows:
            yield rows[name], _decode(content)


def load_scenes(data: Path, seed: int = 0) -> tuple[FaceSet, npt.NDArray[np.uint8]]:
    """Cut out the faces of whole photos with their surroundings, and backgrounds (M, 160, 160, 3)."""
    target = template("arcface_112_v2") * 128 + (SCENE - 128) / 2
    images, points, val, backgrounds = [], [], [], []
    rng = np.random.default_rng(seed)
    for row, picture in read_scenes(data):
        for face in row["faces"]:
            five = np.array(face["points"], np.float64)
            if face["score"] < 0.8 or np.linalg.norm(five[1] - five[0]) < SMALLEST:
                continue
            matrix = similarity(five, target)
            images.append(
                cv2.warpAffine(picture, matrix, (SCENE, SCENE), borderMode=cv2.BORDER_REFLECT).astype(
                    np.uint8
                )
            )
            points.append(transform(five, matrix))
            val.append(row["split"] == "val")
        if row["split"] == "train":
            backgrounds += _backgrounds(picture, [face["box"] for face in row["faces"]], rng)
    count = len(images)
    faces = FaceSet(
        np.stack(images),
        np.array(points, np.float32),
        np.full((count, 3), np.nan, np.float32),
        np.array(val),
        np.full(count, "scenes"),
    )
    return faces, np.stack(backgrounds)


def _backgrounds(
    picture: npt.NDArray[np.uint8], boxes: list[list[float]], rng: np.random.Generator
) -> list[npt.NDArray[np.uint8]]:
    found: list[npt.NDArray[np.uint8]] = []
    height, width = picture.shape[:2]
    for _ in range(6):
        side = int(rng.uniform(0.12, 0.6) * min(height, width))
        if side < 16:
            continue
        x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        free = all(x >= b[2] or y >= b[3] or x + side <= b[0] or y + side <= b[1] for b in boxes)
        if free and len(found) < 2:
            cut = picture[y : y + side, x : x + side]
            found.append(np.asarray(cv2.resize(cut, (ALIGNED, ALIGNED)), np.uint8))
    return found
