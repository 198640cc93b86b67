"""The table beside face shards: one row of facts per face, as columns.

A table `facesN.csv` has a line per face. Required are `name`, `split` (train or val), `source` (where the
photo comes from), `identity` (who it is) and the five points `x0 y0 .. x4 y4` in pixels of the square; the
others may be missing or empty: then text is empty, a number is NaN, and `valid` is 1.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import InputError
from omote.media.sniff import reason

Columns = dict[str, npt.NDArray[Any]]

TEXTS = ("name", "split", "source", "identity", "sex", "licence", "file")
"""Columns of text; `file` is where a face comes from, in the folder that the set was built of."""
NUMBERS = dict.fromkeys(("age", "scale", "valid", "quality", "yaw", "pitch", "roll", "time"), np.nan) | {
    "valid": 1.0
}
"""Columns of numbers, and what stands for one that is not known.

`age` in years; `scale` in pixels of the crop per pixel of the photo; `valid`, 0..1, is the share of the
square that lies in the photo; `quality` 0..1; `yaw`, `pitch` and `roll` in degrees, in the square,
signs as in `Face.pose` in sets that Omote built (others may mean it otherwise); `time` in a film, in seconds.
"""
POINTS = tuple(f"{axis}{number}" for number in range(5) for axis in "xy")
REQUIRED = ("name", "split", "source", "identity", *POINTS)


def read_table(path: Path, scale: float = 1.0) -> Columns:
    """Read a table as columns of equal length N.

    Args:
        path: the CSV file.
        scale: what points are multiplied with, where pictures are larger than the table's.

    Returns:
        `TEXTS` as object arrays (N,), `NUMBERS` as float32 (N,), `points` as float32 (N, 5, 2) in pixels.

    Raises:
        InputError: the file cannot be read, lacks a required column, has a name twice, or text for a number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            titles = tuple(reader.fieldnames or ())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no CSV table ({reason(error)})") from None
    missing = [title for title in REQUIRED if title not in titles]
    if missing:
        raise InputError(
            f"{path}: has no column {', '.join(missing)}: a table of faces needs {', '.join(REQUIRED)}"
        )
    columns: Columns = {
        title: np.array([row.get(title) or "" for row in rows], dtype=object) for title in TEXTS
    }
    for title, unknown in NUMBERS.items():
        columns[title] = _numbers(path, rows, title, unknown)
    points = [_numbers(path, rows, title, np.nan) for title in POINTS]
    # Pixel centres lie at .0, so the picture's corner at -0.5 is what stays in place.
    columns["points"] = (np.stack(points, 1).reshape(-1, 5, 2) + 0.5) * np.float32(scale) - np.float32(0.5)
    _require_unique(path, columns["name"])
    return columns


def write_table(path: Path, columns: Mapping[str, npt.NDArray[Any]], shards: npt.NDArray[np.int64]) -> None:
    """Write columns as `read_table` gives them; `shards` (N,) says in which tar a face lies."""
    titles = ("name", "shard", *TEXTS[1:], *NUMBERS, *POINTS)
    points = columns["points"].reshape(-1, 10)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(titles)
        for row, shard in enumerate(shards):
            texts = [str(columns[title][row]) for title in TEXTS]
            numbers = [_text(columns[title][row]) for title in NUMBERS]
            writer.writerow([texts[0], shard, *texts[1:], *numbers, *(_text(value) for value in points[row])])


def take(columns: Mapping[str, npt.NDArray[Any]], index: npt.NDArray[Any]) -> Columns:
    """The same columns with only some rows, by number or by mask."""
    return {title: values[index] for title, values in columns.items()}


def numbered(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Labels (N,) as dense numbers, 0 for the first that appears."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)


def _numbers(path: Path, rows: list[dict[str, str]], title: str, unknown: float) -> npt.NDArray[np.float32]:
    try:
        return np.array([float(row.get(title) or unknown) for row in rows], np.float32)
    except ValueError:
        for line, row in enumerate(rows, 2):
            try:
                float(row.get(title) or unknown)
            except ValueError:
                raise InputError(f"{path}: line {line}: {title} is '{row[title]}', not a number") from None
        raise


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4g}" if abs(value) < 10 else f"{value:.2f}"


def _require_unique(path: Path, names: npt.NDArray[Any]) -> None:
    if len(set(names)) < len(names):
        values, counts = np.unique(names.astype(str), return_counts=True)
        raise InputError(f"{path}: {values[counts > 1][0]} stands in it twice: every face needs its own name")
