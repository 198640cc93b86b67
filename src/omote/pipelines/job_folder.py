"""Where an unfinished film lies: what its job is, and what of it is finished."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from omote.errors import InputError, OmoteError, UsageError
from omote.media import MediaInfo
from omote.media.atomic import AtomicFile
from omote.media.cutting import CutFilm, Segment
from omote.media.sealed import SealedFile
from omote.media.sniff import reason
from omote.pipelines.job_description import JobDescription
from omote.zoo.exclusive import exclusive

SUFFIX = ".omote-job"
_LOCK = "lock"
_PARTS = frozenset({_LOCK, "faces", "pieces"})
"""What a run that was killed before its job began may leave in the folder."""


class JobInterrupted(OmoteError):
    """The user interrupted a job of which something is finished (exit 130)."""

    exit_code = 130


def job_path(output: Path) -> Path:
    """The job folder of an output: beside it, under its name."""
    return output.with_name(output.name + SUFFIX)


@dataclass(frozen=True)
class JobFolder:
    """A job on the disk: `job.json`, the found faces and the finished pieces of every segment, and a lock."""

    path: Path

    def faces(self, number: int) -> Path:
        """Where the faces found in a segment lie."""
        return self.path / "faces" / f"{number:05}"

    def piece(self, number: int) -> Path:
        """Where the finished piece of a segment lies."""
        return self.path / "pieces" / f"{number:05}"

    def is_strange(self) -> bool:
        """Whether there is something else under the name of the job folder."""
        if not self.path.is_dir():
            return self.path.exists()
        names = {path.name for path in self.path.iterdir() if not path.name.startswith(".")}
        return not self.begun() and not names <= _PARTS

    def create(self, description: JobDescription, film: CutFilm, command: str, mark: int | None) -> None:
        """Make the folder. `mark` is the identifier of the watermark in its pieces.

        Raises:
            InputError: it cannot be written.
        """
        job = {
            "command": command,
            "description": asdict(description),
            "segments": [[*segment.stamps, segment.frames] for segment in film.segments],
            "span": [None if time is None else str(time) for time in (film.begin, film.until)],
            "shift": film.shift,
            "mark": mark,
        }
        try:
            for name in ("faces", "pieces"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            with AtomicFile(self.path / "job.json") as file:
                file.path.write_text(json.dumps(job, indent=1) + "\n", "utf-8")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from None

    def begun(self) -> bool:
        """Whether it holds a job; a run that was killed while it made the folder leaves none."""
        return (self.path / "job.json").is_file()

    def description(self) -> JobDescription:
        """What the job is. Raises InputError if that is damaged."""
        job = self._read()
        with self._understood():
            stored = job["description"]
            inputs = [(path, digest) for path, digest in stored["inputs"]]
            return JobDescription(stored["software"], stored["settings"], inputs, stored["networks"])

    def film(self, info: MediaInfo) -> CutFilm:
        """How the film was cut. Raises InputError if that is damaged."""
        job = self._read()
        with self._understood():
            segments = tuple(Segment((first, last), frames) for first, last, frames in job["segments"])
            begin, until = (None if time is None else Fraction(time) for time in job["span"])
            return CutFilm(info, segments, begin, until, int(job["shift"]))

    def mark(self) -> int | None:
        """The identifier of the watermark. Raises InputError if that is damaged."""
        job = self._read()
        with self._understood():
            return None if job["mark"] is None else int(job["mark"])

    def command(self) -> str:
        """How the job is gone on with. Raises InputError if that is damaged."""
        return str(self._read().get("command"))

    def counts(self) -> tuple[int, int, int]:
        """Segments in which faces were found, segments that are finished, and all."""
        found, made = (
            sum(not path.name.startswith(".") for path in (self.path / name).glob("*"))
            for name in ("faces", "pieces")
        )
        job = self._read()
        with self._understood():
            return found, made, len(job["segments"])

    def _read(self) -> dict[str, Any]:
        path = self.path / "job.json"
        with self._understood():
            try:
                job = json.loads(path.read_text("utf-8"))
            except OSError as error:
                raise InputError(f"{path}: cannot be read ({reason(error)})") from None
            if not isinstance(job, dict):
                raise TypeError
            return job

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"{self.path}: its job.json is damaged; begin anew after: omote jobs --remove {self.path}"
            ) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the job. Raises UsageError if another process does."""

        def refuse() -> None:
            raise UsageError(f"{self.path}: another process works on this job; let it finish")

        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from None
        try:
            with exclusive(self.path / _LOCK, refuse):
                yield
        finally:
            with contextlib.suppress(OSError):  # it goes when nothing is in it
                self.path.rmdir()

    def is_locked(self) -> bool:
        """Whether a process works on it."""
        try:
            with self.locked():
                return False
        except UsageError:
            return True
        except InputError:  # whoever may not write here cannot know
            return False

    def remove(self) -> None:
        """Delete all that is in the folder; for the holder of the lock, with which the folder itself goes.

        Raises:
            InputError: something cannot be deleted.
        """
        try:
            for path in self.path.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != _LOCK:
                    path.unlink()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be removed ({reason(error)})") from None


def whole(path: Path) -> SealedFile | None:
    """A finished file of a job; None if it is missing or damaged, in which case it is made again."""
    if not path.exists():
        return None
    try:
        file = SealedFile(path)
        file.require_whole()
    except InputError:
        return None
    return file


def job_folders(folder: Path) -> Iterator[JobFolder]:
    """All job folders in a folder and below it, hidden folders left out."""
    for path, names, _ in os.walk(folder):
        jobs = sorted(name for name in names if name.endswith(SUFFIX))
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in jobs)
        for name in jobs:
            if (found := JobFolder(Path(path) / name)).begun():
                yield found
