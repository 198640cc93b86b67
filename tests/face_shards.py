"""Small data sets of drawn faces, for tests of the training room's data."""

import csv
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

TITLES = [
    *(
        "name",
        "shard",
        "split",
        "source",
        "identity",
        "age",
        "scale",
        "valid",
        "quality",
        "yaw",
        "pitch",
        "roll",
    ),
    *(f"{axis}{number}" for number in range(5) for axis in "xy"),
]


def drawn_square(number: int, side: int = 40) -> NDArray[np.uint8]:
    """A picture of its own for every number: (side, side, 3) uint8, smooth, something to see everywhere."""
    random = np.random.default_rng(number)
    coarse = random.integers(30, 226, (5, 5, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def face_rows(people: Sequence[int], side: int = 40) -> list[dict[str, Any]]:
    """Rows of a table: `people` says how many photos each person has; every fifth person is held out."""
    rows: list[dict[str, Any]] = []
    for person, photos in enumerate(people):
        for photo in range(photos):
            points = np.array([(14, 18), (26, 18), (20, 24), (15, 30), (25, 30)]) * side / 40
            rows.append(
                {
                    "name": f"p{person:03}_{photo}",
                    "split": "val" if person % 5 == 4 else "train",
                    "source": ("lab", "street")[person % 2],
                    "identity": f"set/Person {person}",
                    "valid": 1 - 0.1 * (photo % 3),
                    "yaw": 10.0 * (person % 4 - 2),
                }
                | {f"{axis}{n}": points[n][k] for n in range(5) for k, axis in enumerate("xy")}
            )
    return rows


def write_shards(
    folder: Path, people: Sequence[int], side: int = 40, tars: int = 2, template: str | None = None
) -> list[dict[str, Any]]:
    """Write a data set of drawn faces as PNG in several tars; returns its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = face_rows(people, side)
    for shard in range(tars):
        with tarfile.open(folder / f"faces{side}-{shard}.tar", "w") as tar:
            for number, row in enumerate(rows):
                row.setdefault("shard", number % tars)
                if row["shard"] == shard:
                    coded = cv2.imencode(".png", drawn_square(number, side)[..., ::-1])[1].tobytes()
                    add_file(tar, f"{row['name']}.png", coded)
    write_rows(folder / f"faces{side}.csv", rows)
    if template is not None:
        (folder / "dataset.json").write_text(json.dumps({"template": template}))
    return rows


def write_rows(path: Path, rows: Sequence[dict[str, Any]], titles: Sequence[str] = TITLES) -> None:
    """Write a table with these columns."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, titles, extrasaction="ignore", restval="")
        table.writeheader()
        table.writerows(rows)


def add_file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file to a tar that is being written."""
    head = tarfile.TarInfo(name)
    head.size = len(content)
    tar.addfile(head, io.BytesIO(content))
