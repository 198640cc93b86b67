"""What omote-detect is trained on: whole photos with labelled faces, and aligned face crops, in memory."""

import csv
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import InputError

# The median box of the teacher in the 160 px crops (measured on scenes, aligned to the crops' template).
CROP_BOX = (33.6, 27.7, 124.8, 151.9)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and its faces.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        boxes: (n, 4) float32 x0 y0 x1 y1 in pixels.
        points: (n, 5, 2) float32.
        scores: (n,) float32, the teacher's.
    """

    pixels: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


def load_scenes(folder: Path, split: str) -> dict[str, Scene]:
    """Read `scenes.tar` and `scenes.jsonl`; `split` is train or val (no person is in both).

    Raises:
        InputError: a file is missing or a picture cannot be decoded.
    """
    table = _existing(folder / "scenes.jsonl")
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    rows = [row for row in rows if row["split"] == split]
    pictures = dict(_pictures([folder / "scenes.tar"], {row["name"] for row in rows}))
    scenes = {}
    for row in rows:
        faces = row["faces"]
        scenes[row["name"]] = Scene(
            pictures[row["name"]],
            np.array([face["box"] for face in faces], np.float32).reshape(-1, 4),
            np.array([face["points"] for face in faces], np.float32).reshape(-1, 5, 2),
            np.array([face["score"] for face in faces], np.float32),
        )
    return scenes


def load_crops(folder: Path, count: int) -> list[Scene]:
    """Read up to `count` training crops of `faces160-*.tar`: 160 px, one aligned face each.

    Raises:
        InputError: a file is missing or a picture cannot be decoded.
    """
    with _existing(folder / "faces160.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train" and float(row["valid"]) > 0.97]
    rows = rows[:: max(1, len(rows) // max(1, count))][:count]
    columns = [f"{axis}{k}" for k in range(5) for axis in "xy"]
    points = {row["name"]: np.array([row[column] for column in columns], np.float32) for row in rows}
    box = np.array([CROP_BOX], np.float32)
    return [
        Scene(pixels, box, points[name].reshape(1, 5, 2), np.ones(1, np.float32))
        for name, pixels in _pictures(sorted(folder.glob("faces160-*.tar")), set(points))
    ]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: missing training data; give the folder that holds it with --data")
    return path


def _pictures(files: list[Path], names: set[str]) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Decode the pictures of those names, RGB."""
    for file in files:
        with tarfile.open(_existing(file)) as archive:
            for member in archive:
                name = Path(member.name).stem
                handle = archive.extractfile(member) if name in names else None
                if handle is None:
                    continue
                picture = cv2.imdecode(np.frombuffer(handle.read(), np.uint8), cv2.IMREAD_COLOR_RGB)
                if picture is None:
                    raise InputError(f"{file}: cannot decode {member.name}; fetch the file again")
                yield name, picture.astype(np.uint8, copy=False)
