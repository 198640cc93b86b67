"""From any folder of photos and films to a data set of aligned faces."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from omote.errors import InputError, NoFaceError, UsageError
from omote.faces.finder import FaceFinder
from omote.faces.protocols import Recogniser
from omote.media.sniff import reason
from omote.pipelines.flow import ordered_map
from omote.training.data.build_settings import BuildSettings
from omote.training.data.candidates import Candidate, Looker, Seen, printable
from omote.training.data.duplicates import duplicates
from omote.training.data.gather import media_files, views
from omote.training.data.labels import Label, label_of, read_labels
from omote.training.data.people import people_of, split_of
from omote.training.data.quality import REASONS
from omote.training.data.shards import write_shards
from omote.training.data.spool import Spool
from omote.training.data.staging import StagedFolder
from omote.training.data.table import Columns, write_table

Report = Callable[[int, int], None]
"""Is told how many files are done, of how many."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What became of a folder.

    Attributes:
        files: looked at.
        pictures: photos and frames looked at.
        unreadable: why files could not be read, a line each.
        empty: pictures without a face.
        found: faces found.
        dropped: how many of them were left out, by `omote.training.data.quality.REASONS`.
        kept: faces in the set.
        people: among these.
        several: people with two faces or more.
        held_out: faces for validation.
        people_held_out: the people that these are of.
        shards: tars written.
        size: bytes of the set.
    """

    files: int
    pictures: int
    unreadable: tuple[str, ...]
    empty: int
    found: int
    dropped: dict[str, int]
    kept: int
    people: int
    several: int
    held_out: int
    people_held_out: int
    shards: int
    size: int


def build(
    folder: Path,
    output: Path,
    settings: BuildSettings,
    finder: FaceFinder,
    recogniser: Recogniser | None = None,
    *,
    workers: int = 1,
    report: Report = lambda done, files: None,
) -> BuildReport:
    """Find, align, judge and tell apart all faces of a folder, and write them as shards with a table.

    `output` appears when all is done, or not at all.

    Args:
        folder: photos and films, in sub-folders of any depth; with `labels.csv`, if more is known of them.
        output: folder to make.
        settings: how.
        finder: finds faces with mesh and pose.
        recogniser: identity network, for `cluster`; elsewhere it helps to find duplicates.
        workers: pictures in work at a time.
        report: is told of progress.

    Raises:
        UsageError: `output` is there already or lies in `folder`, or there is no network for `cluster`.
        InputError: the folder or its labels cannot be read, it holds no photo or film, or the set cannot be
            written.
        NoFaceError: there is no face, or none meets the limits.
    """
    if settings.identities == "cluster" and recogniser is None:
        raise UsageError("only an identity network can tell faces apart: name one, or use folders or none")
    if output.absolute().resolve().is_relative_to(folder.absolute().resolve()):
        raise UsageError(f"{output}: lies in the folder that it is built of; name another place")
    files, labels = media_files(folder), read_labels(folder)
    source = settings.source or printable(folder.resolve().name) or "photos"
    try:
        with StagedFolder(output) as staged, Spool(staged.path) as spool:
            looker = _looker(settings, finder, recogniser, spool)
            seen = _look(looker, folder, files, settings, workers, report)
            candidates, dropped = _chosen(folder, seen, settings)
            known = [label_of(labels, candidate.file) for candidate in candidates]
            columns = _columns(candidates, known, source, settings)
            names = [candidate.name for candidate in candidates]
            coded = (spool.read(candidate.place) for candidate in candidates)
            shards = write_shards(staged.path, settings.square, names, coded, settings.shard_bytes)
            write_table(staged.path / f"faces{settings.square}.csv", columns, shards)
            result = _result(files, seen, dropped, columns, shards)
            _write_facts(staged.path / "dataset.json", settings, result)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({reason(error)})") from None
    return replace(result, size=sum(path.stat().st_size for path in output.iterdir()))


def _looker(
    settings: BuildSettings, finder: FaceFinder, recogniser: Recogniser | None, spool: Spool
) -> Looker:
    return Looker(
        finder,
        recogniser,
        settings.framing,
        settings.limits,
        one_in_photos=settings.identities == "folders",
        one_in_films=settings.identities != "cluster",
        coding=settings.coding,
        keep=spool.write,
    )


def _look(
    looker: Looker, folder: Path, files: list[Path], settings: BuildSettings, workers: int, report: Report
) -> list[Seen]:
    seen: list[Seen] = []
    done: set[str] = set()
    with ThreadPoolExecutor(workers) as pool:
        pictures = views(folder, files, settings.every, settings.max_pixels)
        for result in ordered_map(looker.look, pictures, pool, 2 * workers):
            seen.append(result)
            done.add(result.file)
            report(len(done), len(files))
    return seen


def _chosen(
    folder: Path, seen: Sequence[Seen], settings: BuildSettings
) -> tuple[list[Candidate], Counter[str]]:
    """The faces that stay, in the order of the set, and why the others do not."""
    candidates = [candidate for view in seen for candidate in view.candidates]
    dropped = Counter(fault for view in seen for fault in view.faults)
    if not candidates:
        raise _nothing(folder, seen, dropped)
    if not settings.keep_duplicates:
        gone = duplicates(
            np.stack([candidate.look for candidate in candidates]),
            np.array([candidate.facts["quality"] for candidate in candidates]),
            _embeddings(candidates),
        )
        dropped["duplicate"] = int(gone.sum())
        candidates = [candidate for candidate, out in zip(candidates, gone, strict=True) if not out]
    # Names begin with a digest, so any part of the set is a fair sample of it.
    return sorted(candidates, key=lambda candidate: candidate.name), dropped


def _embeddings(candidates: Sequence[Candidate]) -> npt.NDArray[np.float32] | None:
    found = [candidate.embedding for candidate in candidates if candidate.embedding is not None]
    return np.stack(found) if found else None


def _nothing(folder: Path, seen: Sequence[Seen], dropped: Counter[str]) -> Exception:
    """Why no face is left."""
    errors = [view.error for view in seen if view.error is not None]
    if len(errors) == len(seen):
        return InputError(f"{folder}: holds no photo or film that can be read; the first file: {errors[0]}")
    if not dropped:
        return NoFaceError(f"{folder}: no face found in {len(seen) - len(errors)} pictures")
    why = ", ".join(f"{count} {name} ({REASONS[name]})" for name, count in dropped.most_common())
    return NoFaceError(f"{folder}: none of its {dropped.total()} faces is left: {why}; lower the limits")


def _columns(
    candidates: Sequence[Candidate], known: Sequence[Label], source: str, settings: BuildSettings
) -> Columns:
    """The table, in the order of the faces."""
    people = people_of(candidates, known, settings.identities, settings.likeness, _embeddings(candidates))
    texts = {
        "name": [candidate.name for candidate in candidates],
        "split": [split_of(person, settings.held_out) for person in people],
        "source": [label.set or source for label in known],
        "identity": [f"{label.set or source}/{person}" for label, person in zip(known, people, strict=True)],
        "sex": [label.sex for label in known],
        "licence": [label.licence or settings.licence for label in known],
        "file": [candidate.file for candidate in candidates],
    }
    numbers = {
        "age": [label.age for label in known],
        "time": [candidate.time for candidate in candidates],
        **{fact: [candidate.facts[fact] for candidate in candidates] for fact in candidates[0].facts},
    }
    return {
        **{title: np.array(values, dtype=object) for title, values in texts.items()},
        **{title: np.array(values, np.float32) for title, values in numbers.items()},
        "points": np.stack([candidate.points for candidate in candidates]),
    }


def _result(
    files: Sequence[Path],
    seen: Sequence[Seen],
    dropped: Counter[str],
    columns: Columns,
    shards: npt.NDArray[np.int64],
) -> BuildReport:
    photos, held_out = Counter(columns["identity"]), columns["split"] == "val"
    read = [view for view in seen if view.error is None]
    return BuildReport(
        files=len(files),
        pictures=len(read),
        unreadable=tuple(view.error for view in seen if view.error is not None),
        empty=sum(not view.candidates and not view.faults for view in read),
        found=len(shards) + dropped.total(),
        dropped={name: dropped[name] for name in REASONS if dropped[name]},
        kept=len(shards),
        people=len(photos),
        several=sum(count > 1 for count in photos.values()),
        held_out=int(held_out.sum()),
        people_held_out=len(set(columns["identity"][held_out])),
        shards=int(shards.max()) + 1,
        size=0,
    )


def _write_facts(path: Path, settings: BuildSettings, result: BuildReport) -> None:
    """What the table does not say: the template, and how the set came about."""
    counts = asdict(result)
    counts["unreadable"] = len(result.unreadable)
    del counts["size"]
    facts = {"template": settings.template, "settings": asdict(settings), "result": counts}
    path.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
