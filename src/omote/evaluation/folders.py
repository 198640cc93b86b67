"""Photos of folders as aligned faces: the largest face of each, by the toolkit's own detector and mesh."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote.errors import InputError, NoFaceError
from omote.evaluation.photos import SIDE, Origin, Photos, Pixels, age_band, aligned_points
from omote.faces.align import similarity, warp
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
from omote.media import MAX_PIXELS, PICTURE_SUFFIXES, open_image
from omote.media.sniff import reason

LABELS_FILE = "labels.csv"
_LARGEST = Selection.parse("largest")


def read_photos(
    folder: Path, finder: FaceFinder, max_pixels: int = MAX_PIXELS
) -> tuple[Photos, tuple[str, ...]]:
    """Read all photos of a folder and its sub-folders.

    Who it is: a file `labels.csv` in the folder may say so (columns name, which is the file's path below the
    folder or its name alone, and any of person, set, sex, age); else photos in one sub-folder are of one
    person, and a photo that lies in the folder itself is of a person of its own.

    Returns:
        The photos with a face, and notes on those without one and on those that cannot be read.

    Raises:
        InputError: the folder cannot be read, or no photo in it.
        NoFaceError: no photo has a face.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: holds no photos; give a folder of {', '.join(sorted(PICTURE_SUFFIXES))}")
    labels = _labels(folder / LABELS_FILE)
    faces, origins, kept, notes = [], [], [], []
    unreadable: list[InputError] = []
    for path in paths:
        try:
            picture = open_image(path, max_pixels=max_pixels)
        except InputError as error:
            unreadable.append(error)
            notes.append(f"{error}; left out")
            continue
        found = align_largest(picture.pixels, finder)
        if found is None:
            notes.append(f"{path}: no face found; left out")
            continue
        faces.append(found[0])
        origins.append(Origin(path, None, found[1]))
        kept.append(path)
    if len(unreadable) == len(paths):
        raise unreadable[0]
    if not faces:
        raise NoFaceError(f"{folder}: no face found in any of {len(paths)} photos")
    names = tuple(path.relative_to(folder).as_posix() for path in kept)
    rows = [labels.get(name) or labels.get(path.name, {}) for name, path in zip(names, kept, strict=True)]
    people = [row.get("person") or _person(folder, path) for row, path in zip(rows, kept, strict=True)]
    known = {label: np.array([row.get(label, "") for row in rows]) for label in ("set", "sex")}
    known["age"] = np.array([age_band(row.get("age", "")) for row in rows])
    known = {label: texts for label, texts in known.items() if (texts != "").any()}
    return Photos(np.stack(faces), names, np.array(people), known, tuple(origins)), tuple(notes)


def align_largest(
    pixels: npt.NDArray[Any], finder: FaceFinder
) -> tuple[Pixels, npt.NDArray[np.float64]] | None:
    """The largest face of a picture, aligned, and the matrix that leads there; None if it has none."""
    faces = finder.find(pixels, _LARGEST)
    if not faces:
        return None
    matrix = similarity(faces[0].points, aligned_points())
    return eight_bits(warp(pixels, matrix, (SIDE, SIDE))), matrix


def eight_bits(pixels: npt.NDArray[Any]) -> Pixels:
    """uint8 or uint16 pixels as uint8."""
    return pixels if pixels.dtype == np.uint8 else np.asarray(pixels >> 8, np.uint8)


def _person(folder: Path, path: Path) -> str:
    inside = path.relative_to(folder)
    return inside.parent.as_posix() if len(inside.parts) > 1 else f"{folder.name}/{path.name}"


def _labels(path: Path) -> Mapping[str, Mapping[str, str]]:
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets begin it with a mark
            rows: Sequence[Mapping[str, str]] = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    if any(not row.get("name") for row in rows):
        raise InputError(f"{path}: a row has no name; columns are name, person, set, sex, age")
    return {row["name"]: {key: value or "" for key, value in row.items() if key} for row in rows}
