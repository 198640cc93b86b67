"""`labels.csv` in a folder of photos: who somebody is, and what else is known of a photo."""

import csv
from dataclasses import dataclass
from pathlib import Path

from omote.errors import InputError
from omote.media.sniff import reason

LABELS_FILE = "labels.csv"
COLUMNS = ("person", "set", "sex", "age", "licence")
OLDEST = 120
"""Greatest age in years."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a row says; empty where it does not say. `age` in years, NaN where not known."""

    person: str = ""
    set: str = ""
    sex: str = ""
    age: float = float("nan")
    licence: str = ""


def read_labels(folder: Path) -> dict[str, Label]:
    """Read the labels of a folder, by file: its path below the folder, or its name alone.

    The table has a column `name` and any of person, set, sex, age (years), licence.

    Returns:
        Nothing if there is no such table.

    Raises:
        InputError: the table cannot be read, has no column `name`, or an age is not a number of 0..120.
    """
    path = folder / LABELS_FILE
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets begin it with a mark
            reader = csv.DictReader(file)
            rows = list(reader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no CSV table ({reason(error)})") from None
    if "name" not in (reader.fieldnames or ()):
        raise InputError(f"{path}: has no column name, the file's; others are {', '.join(COLUMNS)}")
    labels = {}
    for line, row in enumerate(rows, 2):
        known = {title: (row.get(title) or "").strip() for title in COLUMNS}
        age = known.pop("age")
        try:
            years = float(age) if age else float("nan")
        except ValueError:
            raise InputError(f"{path}: line {line}: age '{age}' is not a number of years") from None
        if age and not 0 <= years <= OLDEST:
            raise InputError(f"{path}: line {line}: age '{age}': give 0 to {OLDEST} years, or leave it empty")
        labels[row["name"]] = Label(**known, age=years)
    return labels


def label_of(labels: dict[str, Label], file: str) -> Label:
    """The label of a file, by its path below the folder or by its name."""
    return labels.get(file) or labels.get(file.rpartition("/")[2]) or Label()
