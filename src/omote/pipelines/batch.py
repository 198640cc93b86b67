"""Many swaps from one file: which sources go into which targets, with which settings, to where."""

from __future__ import annotations

import glob
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omote.engines.native import NATIVE_ENGINES
from omote.errors import InputError, UsageError
from omote.media.sniff import reason
from omote.pipelines.settings import SETTING_NAMES, SwapSettings

_PLACES = ("source", "target", "output")
_FIELDS = ("name", "stem", "suffix", "folder", "number")


@dataclass(frozen=True)
class BatchItem:
    """One swap of a batch: what `swap_file` is given."""

    sources: tuple[Path, ...]
    target: Path
    output: Path
    settings: SwapSettings

    def with_rights(self, rights: str) -> BatchItem:
        """The same with a right to the source face, unless it states one of its own."""
        return self if self.settings.rights else replace(self, settings=replace(self.settings, rights=rights))


def read_batch(path: Path) -> list[BatchItem]:
    """Read a batch file: a table `[settings]` for all jobs, and one `[[job]]` for each.

    A job names `source` and `target`, each a file, a pattern such as `films/*.mp4`, or a list of these, and
    `output` with `{name}`, `{stem}`, `{suffix}`, `{folder}` (the folder's name) or `{number}` (from 1) of
    each target. All photos of `source` are of one person; `map` may name others. Every other key is an option
    of `omote swap`, and comes before that of `[settings]`. Files are sought from the folder of the batch
    file.

    Returns:
        Items in the order of the file, and of the targets' names within a job.

    Raises:
        InputError: the file cannot be read, or a pattern finds nothing.
        UsageError: it is not TOML, an option does not exist or is out of range, or two targets would be
            written to one file.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error})") from None
    if unknown := sorted(set(tables) - {"settings", "job"}):
        raise UsageError(
            f"{path}: has no table [{unknown[0]}]; it has [settings] and one [[job]] for each job"
        )
    jobs, common = tables.get("job"), tables.get("settings", {})
    if not isinstance(jobs, list) or not jobs or not isinstance(common, dict):
        raise UsageError(f"{path}: write one [[job]] with source, target and output for each job")
    items: list[BatchItem] = []
    for number, job in enumerate(jobs, 1):
        items += _items(path, f"{path}: job {number}", job, common, len(items))
    written: dict[Path, Path] = {}
    for item in items:
        other = written.setdefault(item.output.resolve(), item.target)
        if other is not item.target:
            raise UsageError(
                f"{path}: {other} and {item.target} would both be written to {item.output}; put {{stem}} or "
                "{number} into output"
            )
    return items


def _items(path: Path, place: str, job: Any, common: dict[str, Any], before: int) -> list[BatchItem]:
    if not isinstance(job, dict):
        raise UsageError(f"{place}: is no table; write [[job]]")
    if missing := [name for name in _PLACES[1:] if name not in job]:
        raise UsageError(f"{place}: names no {missing[0]}")
    options = {_setting(name): value for name, value in {**common, **job}.items() if name not in _PLACES}
    if unknown := sorted(set(options) - set(SETTING_NAMES)):
        raise UsageError(f"{place}: a batch has no setting {unknown[0].replace('_', '-')}")
    try:
        settings = SwapSettings(**options)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    except (TypeError, AttributeError):
        raise UsageError(f"{place}: an option has a value of the wrong kind") from None
    sources = _files(path, place, job.get("source", []))
    targets = _files(path, place, job["target"])
    people: dict[str, Any] = dict(settings.casting.options(path.parent))
    settings = replace(settings, **people)
    if not (sources or settings.map) and settings.swapper in NATIVE_ENGINES:  # a DFM network knows its person
        raise UsageError(f"{place}: names no source")
    return [
        BatchItem(tuple(sources), target, _output(path, place, job["output"], target, number), settings)
        for number, target in enumerate(targets, before + 1)
    ]


def _setting(name: str) -> str:
    """The setting of an option's name; `except` is no name in Python."""
    return "exclude" if name == "except" else name.replace("-", "_")


def _files(path: Path, place: str, given: Any) -> list[Path]:
    """The files that are named or match a pattern, those of a pattern by name."""
    patterns: Sequence[Any] = given if isinstance(given, list) else [given]
    files: list[Path] = []
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise UsageError(f"{place}: source and target are names of files, or lists of them")
        here = path.parent / pattern
        if here.exists() or not glob.has_magic(pattern):
            files.append(here)
            continue
        found = [Path(name) for name in sorted(glob.glob(str(path.parent / pattern), recursive=True))]
        if not found:
            raise InputError(f"{place}: nothing matches {pattern}")
        files += [name for name in found if name.is_file()]
    return files


def _output(path: Path, place: str, template: str, target: Path, number: int) -> Path:
    values = (target.name, target.stem, target.suffix, target.parent.name, number)
    try:
        return path.parent / template.format(**dict(zip(_FIELDS, values, strict=True)))
    except (KeyError, IndexError, ValueError, AttributeError):
        known = ", ".join(f"{{{name}}}" for name in _FIELDS)
        raise UsageError(f"{place}: output is a name of a file with any of {known}") from None
