"""A worker on a cluster: networks that stay open, and the files it works with, its node's or copies."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omote.errors import InputError, OmoteError
from omote.pipelines.cluster_files import NodeFiles
from omote.pipelines.job import Job
from omote.pipelines.job_description import fingerprint, software
from omote.pipelines.job_folder import JobFolder
from omote.pipelines.segments import FilmOrder, FindTask, SegmentWork, Task

Parts = Sequence[Any]
"""References to the parts of a file in Ray's object store."""


@dataclass(frozen=True)
class Assignment:
    """What a worker is told, in plain values.

    Attributes:
        order: the film; its paths are those of the machine that asks.
        place: the folder from which relative paths count there.
        inputs: film and source photos with the digests of their contents.
        probe: a file in the job folder and its content, by which a worker knows whether it sees the folder.
        software: versions by name, which must be the same everywhere.
        networks: digests of the networks by name, likewise.
    """

    order: FilmOrder
    place: Path
    inputs: tuple[tuple[Path, str], ...]
    probe: tuple[Path, str]
    software: dict[str, str]
    networks: dict[str, str]


class Stopped(Exception):
    """The job was given up."""


class Session:
    """What an actor of Ray does: `begin`, `fetch` if it has to, then tasks with networks that stay open.

    `frames` and `close` may be called while another call is at work. Errors name the files as the machine
    that asks does, and the node where they are about neither film nor photos.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._given = assignment
        self._order = assignment.order
        self._copies: NodeFiles | None = None
        self._copied: dict[Path, Path] = {}
        self._work: SegmentWork | None = None
        self._frames = 0
        self._stop = threading.Event()
        self._busy = threading.Lock()
        with contextlib.suppress(OSError):  # then it does not see the files, which `begin` finds
            os.chdir(assignment.place)

    def begin(self) -> bool:
        """Whether this node sees all files, by content, under the paths of the machine that asks.

        Raises:
            InputError: the software here is not what it is there.
        """
        require_same_software(self._given.software, software(), platform.node())
        return all(map(_shows, *zip(*self._given.inputs, strict=True))) and _reads(*self._given.probe)

    def fetch(self, shipment: Sequence[Parts]) -> None:
        """Copy all inputs, in the order of the assignment, and give back what is made by value."""
        if self._copies is not None:
            return
        with self._telling():
            copies = NodeFiles(self._given.probe[1])
            self._copied = {
                path: copies.add(f"{number}{path.suffix}", _received(parts))
                for number, ((path, _), parts) in enumerate(zip(self._given.inputs, shipment, strict=True))
            }
        folder = copies.path / f"job-{secrets.token_hex(4)}"
        for name in ("faces", "pieces"):
            (folder / name).mkdir(parents=True)
        self._order = _relocated(self._given.order, self._copied, folder)
        self._copies = copies

    def do(self, task: Task) -> tuple[int, bytes | None]:
        """Do a task.

        Returns:
            How many frames were worked on, and the finished file, unless it lies in the job folder already.

        Raises:
            OmoteError: what the task raises; see `SegmentWork`.
        """
        with self._busy:
            self._require_wanted()
            self._frames = 0
            with self._telling():
                if self._work is None:
                    self._work = SegmentWork(self._order, self._open())
                self._work.do(task, self._tick)
            if self._copies is None:
                return self._frames, None
            made = finished(self._order.folder, task)
            content = made.read_bytes()
            made.unlink()
            return self._frames, content

    def frames(self) -> int:
        """How many frames of the present task have been worked on."""
        return self._frames

    def close(self) -> None:
        """Give up the present task, leave no copies."""
        self._stop.set()
        with self._busy:
            if self._work is not None:
                self._work.close()
            if self._copies is not None:
                self._copies.leave()

    def _tick(self) -> None:
        self._frames += 1
        self._require_wanted()

    def _require_wanted(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _open(self) -> Job:
        job = Job(self._order.sources, self._order.settings)
        here = {card.name: str(card.sha256) for card in job.cards}
        for name, digest in self._given.networks.items():
            if here.get(name) != digest:
                raise OmoteError(f"the network {name} is not the same file here: fetch or import it anew")
        return job

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Say what is wrong in words of the machine that asks."""
        try:
            yield
        except OmoteError as error:
            text = str(error)
            for given, copy in self._copied.items():
                text = text.replace(str(copy), str(given))
            about_inputs = any(text.startswith(f"{path}: ") for path, _ in self._given.inputs)
            raise type(error)(text if about_inputs else f"node {platform.node()}: {text}") from None


def finished(folder: JobFolder, task: Task) -> Path:
    """Where the result of a task lies."""
    return folder.faces(task.number) if isinstance(task, FindTask) else folder.piece(task.number)


def require_same_software(wanted: dict[str, str], there: dict[str, str], node: str) -> None:
    """Raise InputError where a node has other software; pixels depend on it."""
    for name, version in wanted.items():
        if there.get(name) != version:
            found = f"{name} {there[name]}" if name in there else f"no {name}"
            raise InputError(
                f"node {node}: has {found}, this machine {version}; install the same on every node"
            )


def _shows(path: Path, digest: str) -> bool:
    try:
        return fingerprint(path) == digest
    except InputError:
        return False


def _reads(path: Path, content: str) -> bool:
    try:
        return path.read_text("ascii") == content and os.access(path.parent, os.W_OK)
    except (OSError, UnicodeDecodeError):
        return False


def _received(parts: Parts) -> Iterator[bytes]:
    import ray

    for part in parts:
        yield ray.get(part)


def _relocated(order: FilmOrder, copied: dict[Path, Path], folder: Path) -> FilmOrder:
    """The same order for copies of its files."""
    casting = [
        f"{'+'.join(str(copied[path]) for path in part.sources)}:{part.person}"
        for part in order.settings.casting.parts
    ]
    return replace(
        order,
        sources=tuple(copied[path] for path in order.sources),
        settings=replace(order.settings, map=tuple(casting)),
        film=replace(order.film, info=replace(order.film.info, path=copied[order.film.info.path])),
        folder=JobFolder(folder),
    )
