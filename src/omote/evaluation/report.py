"""Report: everything that an evaluation found and by what means, as JSON, as Markdown, and as a sheet."""

import json
import math
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omote._version import __version__
from omote.errors import InputError
from omote.evaluation.evaluator import Result, Row
from omote.evaluation.judges import Used
from omote.evaluation.pairs import Pairs
from omote.evaluation.sheet import write_sheet
from omote.evaluation.statistics import LEAST, Cell
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason

PROTOCOL = 1
"""Version of the protocol. Numbers of different versions are not to be compared."""

FILES = ("report.json", "report.md", "sheet.jpg")


@contextmanager
def report_folder(folder: Path) -> Iterator[None]:
    """Make the folder of a report before the work begins, so that nothing is evaluated in vain.

    What was made goes again if nothing came into it.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(f"{folder}: cannot make the folder ({reason(error)})") from None
        yield
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """An evaluation.

    Attributes:
        swapper: what was evaluated.
        way: how its faces were made: `engine on aligned faces` or `whole pipeline`.
        pairs: what was swapped.
        result: what was found.
        networks: that judged and swapped.
        seed: of pairs, intervals and halves.
        seconds: that swapping and looking took.
        notes: what a reader should know, one line each.
    """

    swapper: str
    way: str
    pairs: Pairs
    result: Result
    networks: Sequence[Used]
    seed: int
    seconds: float
    notes: Sequence[str] = ()

    def record(self) -> dict[str, Any]:
        """Everything but the pictures in plain types; what is not a number is None."""
        pairs, photos = self.pairs, self.pairs.photos
        names = photos.names
        record = {
            "protocol": PROTOCOL,
            "omote": __version__,
            **self._facts(),
            "metrics": [_row(row) for row in self.result.rows],
            "realism": None if self.result.realism is None else asdict(self.result.realism),
            "lost": self.result.lost,
            "lost_targets": self.result.lost_targets,
            "pairs": [
                {
                    "source": names[source],
                    "target": names[target],
                    **{metric: float(values[number]) for metric, values in self.result.values.items()},
                }
                for number, (source, target) in enumerate(zip(pairs.sources, pairs.targets, strict=True))
            ],
        }
        return dict(_plain(record))

    def markdown(self) -> str:
        """The report for people."""
        return "\n".join([*self._head(), *self._table(), *self._realism(), *self._groups(), ""])

    def write(self, folder: Path, sheet_sets: Collection[str] | None = None, columns: int = 12) -> None:
        """Write report.json, report.md and sheet.jpg, each whole or not at all.

        Args:
            folder: is made if it is not there.
            sheet_sets: only photos of these sets (label `set`) are shown; all unless said.
            columns: pairs in a row of the sheet.

        Raises:
            InputError: the folder or a file cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot make the folder ({reason(error)})") from None
        _write(folder / FILES[0], json.dumps(self.record(), indent=1, allow_nan=False) + "\n")
        _write(folder / FILES[1], self.markdown())
        write_sheet(folder / FILES[2], self.pairs, self.result.pixels, sheet_sets, columns)

    def _facts(self) -> dict[str, Any]:
        pairs = self.pairs
        people = pairs.photos.people
        return {
            "swapper": self.swapper,
            "way": self.way,
            "faces": pairs.protocol,
            "counts": {
                "pairs": len(pairs),
                "source_people": len(set(people[pairs.sources])),
                "target_people": len(set(people[pairs.targets])),
                "gallery": len(pairs.gallery),
                "gallery_people": len(set(people[pairs.gallery])),
                "with_another_photo": int((pairs.others >= 0).sum()),
            },
            "networks": [asdict(network) for network in self.networks],
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "notes": list(self.notes),
        }

    def _head(self) -> Iterator[str]:
        counts = self._facts()["counts"]
        yield f"# Evaluation of {self.swapper}"
        yield ""
        yield f"- faces: {self.pairs.protocol}"
        yield (
            f"- {counts['pairs']} pairs, {counts['source_people']} source people, "
            f"{counts['target_people']} target people; swaps are looked up among {counts['gallery']} photos "
            f"of {counts['gallery_people']} people; {counts['with_another_photo']} sources have another photo"
        )
        yield f"- swapped by: {self.way}; {self.seconds:.0f} s; seed {self.seed}"
        for network in self.networks:
            yield f"- {network.role}: {network.name}, sha256 `{network.sha256[:16]}…`"
        yield f"- protocol {PROTOCOL}, Omote {__version__}"
        lost, before = 100 * self.result.lost, 100 * self.result.lost_targets
        yield f"- no face is seen in {lost:.1f} % of the swaps, and in {before:.1f} % of their targets"
        for note in self.notes:
            yield f"- **note**: {note}"

    def _table(self) -> Iterator[str]:
        yield ""
        yield "| | good | no swap | **swap** (95 %) | real pair | own photo |"
        yield "|---|---|---|---|---|---|"
        for row in self.result.rows:
            swap = f"**{_number(row.swap.value)}** ({_number(row.swap.low)} to {_number(row.swap.high)})"
            pair = "–" if row.real_pair is None else _number(row.real_pair.value)
            yield (
                f"| {_title(row)} | {'↑' if row.metric.better == 'higher' else '↓'} | "
                f"{_number(row.floor.value)} | {swap} | {pair} | {_number(row.own_photo.value)} |"
            )
        yield ""
        yield "*No swap*: the target as it is. *Real pair*: another photo of the source's person, where there"
        yield "is one. *Own photo*: the very photo of the source in the target's place."

    def _realism(self) -> Iterator[str]:
        found = self.result.realism
        if found is None:
            return
        yield ""
        yield f"Fréchet distance to real faces ({found.pictures} pictures a side, mean of random halvings):"
        yield f"swaps **{found.swap:.4g}** ± {found.spread:.2g}; two halves of the real targets (no swap)"
        yield f"{found.halves:.4g}."

    def _groups(self) -> Iterator[str]:
        labels = sorted({label for row in self.result.rows for label in row.gaps})
        if not labels:
            return
        yield ""
        yield "## Gaps between groups"
        yield ""
        yield f"Groups of at least {LEAST} pairs, by the source's photo for likeness, else by the target's."
        yield "*Chance* is the mean gap when pairs are dealt to the groups at random."
        for label in labels:
            yield ""
            yield f"| by {label} | lowest | highest | gap | chance |"
            yield "|---|---|---|---|---|"
            for row in self.result.rows:
                gap = row.gaps.get(label)
                if gap is not None:
                    low, high = (_group(row, label, name) for name in (gap.lowest, gap.highest))
                    yield f"| {_title(row)} | {low} | {high} | {_number(gap.size)} | {_number(gap.chance)} |"


def _row(row: Row) -> dict[str, Any]:
    metric = row.metric
    return {
        **{key: getattr(metric, key) for key in ("name", "title", "unit", "better")},
        "grouped_by": metric.whose,
        "no_swap": _cell(row.floor),
        "swap": _cell(row.swap),
        "real_pair": _cell(row.real_pair),
        "own_photo": _cell(row.own_photo),
        "groups": {
            label: {name: asdict(group) for name, group in groups.items()}
            for label, groups in row.groups.items()
        },
        "gaps": {label: asdict(gap) for label, gap in row.gaps.items()},
    }


def _cell(cell: Cell | None) -> dict[str, Any] | None:
    return None if cell is None else asdict(cell)


def _group(row: Row, label: str, name: str) -> str:
    group = row.groups[label][name]
    floor = "" if row.metric.whose == "target" else f"no swap {_number(group.floor)}, "
    return f"{name} {_number(group.value)} ({floor}{group.pairs} pairs)"


def _title(row: Row) -> str:
    return f"{row.metric.title}, {row.metric.unit}" if row.metric.unit else row.metric.title


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def _plain(value: Any) -> Any:
    """JSON knows neither infinity nor what is no number."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _write(path: Path, text: str) -> None:
    with AtomicFile(path) as file:
        file.path.write_text(text, "utf-8")
