"""A whole film's choices in one file: who gets whose face, who keeps his."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omote.errors import InputError, UsageError
from omote.media.sniff import reason
from omote.tables import from_table


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a mapping file says, in the words of the command line.

    Attributes:
        map: `SOURCE+SOURCE:PERSON` of everybody who is named.
        source: photos of the person whose face everybody else gets.
        only: of the others, those who get it.
        exclude: people who keep their faces.
    """

    map: tuple[str, ...]
    source: tuple[Path, ...]
    only: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Person:
    person: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Others:
    source: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file: one `[[person]]` with `person` and `source` for each who gets a face of his own.

    `person` is a number of `omote people` or a photo; `source` a photo or a list of photos. A table
    `[others]` may name one `source` for everybody else, of whom `only` those listed get it, and `keep`, who
    keep their faces. Photos are sought from the folder of the file.

    Raises:
        InputError: the file cannot be read.
        UsageError: it is not TOML, or does not say what a mapping says.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error})") from None
    if unknown := sorted(set(tables) - {"person", "others"}):
        raise UsageError(f"{path}: has no table [{unknown[0]}]; a mapping has [[person]] and [others]")
    rows, rest = tables.get("person", []), tables.get("others", {})
    if not isinstance(rows, list) or not isinstance(rest, dict) or not (rows or rest):
        raise UsageError(f"{path}: write one [[person]] with person and source for everybody who gets a face")
    folder = path.parent
    parts = []
    for number, row in enumerate(rows, 1):
        place = f"{path}: person {number}"
        if not isinstance(row, dict):
            raise UsageError(f"{place}: is no table; write [[person]]")
        who = from_table(_Person, _in_lists(row), place, "a mapping", UsageError)
        if not who.source:
            raise UsageError(f"{place}: names no source")
        sources = "+".join(str(folder / name) for name in who.source)
        parts.append(f"{sources}:{_named(folder, who.person)}")
    others = from_table(_Others, _in_lists(rest), f"{path}: others", "a mapping", UsageError)
    return Mapping(
        tuple(parts),
        tuple(folder / name for name in others.source),
        tuple(_named(folder, name) for name in others.only),
        tuple(_named(folder, name) for name in others.keep),
    )


def _in_lists(table: dict[str, Any]) -> dict[str, Any]:
    """With numbers of people as words, and single words as lists of one."""
    result: dict[str, Any] = {}
    for key, value in table.items():
        words = [str(v) if type(v) is int else v for v in value] if isinstance(value, list) else value
        words = str(words) if type(words) is int else words
        result[key] = [words] if isinstance(words, str) and key != "person" else words
    return result


def _named(folder: Path, person: str) -> str:
    return person if person.isdecimal() else str(folder / person)
