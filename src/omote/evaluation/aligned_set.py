"""The held-out part of a set of aligned faces.

A set is a table `facesN.csv` with archives `facesN.tar` or `facesN-K.tar` beside it. This is what
`omote dataset build` makes. N is the side of the squares, in the framing of `Photos`.
"""

import csv
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from omote.errors import InputError
from omote.evaluation.photos import Photos, Pixels, age_band
from omote.media.sniff import reason

_COLUMNS = ("name", "split", "source", "identity")
_TEMPLATE = "arcface_112_v2"
_LEAST_VALID = 0.5
"""Faces of which more than half was made up at the border of their photo do not count."""

Row = Mapping[str, str]


def read_held_out(folder: Path, split: str = "val") -> Photos:
    """Read the faces that were kept from training; the set with the smallest squares if there are several.

    Args:
        folder: with a table (columns name, split, source, identity; if there are any, valid, age and sex) and
            archives of pictures called by name. Faces that no archive has do not count.
        split: which part.

    Raises:
        InputError: a file is missing or damaged, or nothing is held out.
    """
    table = _table(folder)
    rows = {row["name"]: row for row in _rows(table) if row["split"] == split and _valid(row)}
    if not rows:
        raise InputError(f"{table}: no face is held out (split '{split}')")
    pictures = _pictures(sorted(folder.glob(f"{table.stem}*.tar")), rows)
    if not pictures:
        raise InputError(
            f"{folder}: none of the {len(rows)} held-out faces is in an archive {table.stem}*.tar"
        )
    sizes = sorted({len(picture) for picture in pictures.values()})
    if len(sizes) > 1:
        raise InputError(f"{folder}: faces of different sizes, {sizes[0]} and {sizes[-1]} pixels")
    kept = [rows[name] for name in sorted(pictures)]
    return Photos(
        np.stack([pictures[row["name"]] for row in kept]),
        tuple(row["name"] for row in kept),
        np.array([row["identity"] for row in kept]),
        {
            "set": np.array([row["source"] for row in kept]),
            "sex": np.array([sex_of(row) for row in kept]),
            "age": np.array([age_band(row.get("age", "")) for row in kept]),
        },
    )


def sex_of(row: Row) -> str:
    """`female`, `male` or empty: the column `sex`, or what the names of UTKFace and All-Age-Faces say.

    UTKFace calls its files AGE_SEX_..., where 1 is female; All-Age-Faces has women up to number 7380.
    """
    if row.get("sex"):
        return {"f": "female", "m": "male"}.get(row["sex"].lower(), row["sex"].lower())
    name = row["identity"].rpartition("/")[2]
    if row["source"] == "utkface" and (found := re.match(r"\d+_([01])_", name)):
        return "female" if found[1] == "1" else "male"
    if row["source"] == "aaf" and (found := re.match(r"\d{5}", name)):
        return "female" if int(found[0]) <= 7380 else "male"
    return ""


def _table(folder: Path) -> Path:
    numbered = [(int(path.stem[5:]), path) for path in folder.glob("faces*.csv") if path.stem[5:].isdigit()]
    if not numbered:
        raise InputError(
            f"{folder}: holds no table of aligned faces (facesN.csv); make one: omote dataset build"
        )
    facts = folder / "dataset.json"
    try:
        template = json.loads(facts.read_text("utf-8")).get("template") if facts.is_file() else None
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{facts}: cannot be read ({reason(error)})") from error
    if template not in (None, _TEMPLATE):
        raise InputError(f"{facts}: faces are aligned to {template}; only {_TEMPLATE} can be evaluated")
    return min(numbered)[1]


def _rows(table: Path) -> list[Row]:
    try:
        with table.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{table}: has no column '{missing[0]}': it is no table of aligned faces")
            return [{key: value or "" for key, value in row.items() if key} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read ({reason(error)})") from error


def _valid(row: Row) -> bool:
    try:
        return float(row.get("valid") or 1) > _LEAST_VALID
    except ValueError:
        raise InputError(f"face {row['name']}: valid is '{row['valid']}', not a number") from None


def _pictures(archives: Sequence[Path], wanted: Mapping[str, Row]) -> dict[str, Pixels]:
    """The pictures of all rows that an archive has, by name."""
    found: dict[str, Pixels] = {}
    for archive in archives:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    name = Path(member.name).stem
                    if name in wanted and (file := tar.extractfile(member)) is not None:
                        found[name] = _decoded(file.read(), f"{archive}: {member.name}")
        except (OSError, tarfile.TarError) as error:
            raise InputError(f"{archive}: cannot be read ({reason(error)})") from error
    return found


def _decoded(data: bytes, label: str) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
    if pixels is None or pixels.shape[0] != pixels.shape[1]:
        raise InputError(f"{label}: not a square picture")
    return np.asarray(pixels, np.uint8)
