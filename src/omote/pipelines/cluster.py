"""The segments of a film on the machines of a Ray cluster.

Ray places the workers, starts them again when they or their nodes are lost, and carries the data. Left to do
here: give a task to whoever is free, give it again when its worker was lost, and put what comes back into the
job folder. Source of what Ray promises: docs.ray.io, "Fault tolerance: actors".
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from omote.errors import InputError, OmoteError
from omote.media.atomic import AtomicFile
from omote.media.sniff import reason
from omote.pipelines.cluster_reach import first_line
from omote.pipelines.cluster_session import Assignment, Session, finished, require_same_software
from omote.pipelines.job_description import fingerprint, software
from omote.pipelines.job_folder import whole
from omote.pipelines.segments import FilmOrder, Task
from omote.pipelines.settings import SwapSettings
from omote.zoo.devices import Device

_LOOK = 0.3
"""Seconds between two looks at how far the workers are."""
_PATIENCE = 180.0
"""Seconds without any worker at work after which a job is given up."""
_FAREWELL = 5.0
"""Seconds for workers to clean up."""
_SEEN = 90.0
"""Seconds until a file that another node has written must be seen: network file systems remember absence."""
_TRIES = 3
"""A segment whose worker is lost so often is given up."""
_PART = 1 << 25
"""Bytes of a file that travel at a time."""


@dataclass(eq=False)
class _Worker:
    """An actor, and what it is at.

    Attributes:
        actor: Ray's handle; it outlives the process, which Ray starts again.
        call: what was asked of it last, until that is done.
        then: takes the result.
        task: if it is at one.
        frames: of the task, that have been worked on.
        asked: the question how many these are.
        ready: whether it has begun and not been lost since.
    """

    actor: Any
    call: Any = None
    then: Callable[[Any], None] | None = None
    task: Task | None = None
    frames: int = 0
    asked: Any = None
    ready: bool = False


class ClusterWorkers:
    """Does as many tasks at a time as the cluster has places, each with networks of its own.

    A place is a GPU where the settings' device is one, otherwise as many processors as `threads`, one unless
    said. The program must be connected to the cluster while it is used; see `omote.pipelines.cluster_reach`.

    Args:
        order: what is to be done.
        networks: digests of the job's networks by name.

    Raises:
        InputError: no node has such a place, or has other software than this machine.
        OmoteError: a segment was lost three times with its worker, or no worker was at work for 3 minutes.
        Whatever a task raises.
    """

    def __init__(self, order: FilmOrder, networks: dict[str, str]) -> None:
        self._folder, self._segments = order.folder, order.film.segments
        self._film = order.film.info.path
        self._needs, places = _places(order.settings)
        self._count = min(order.settings.workers or places, len(self._segments))
        settings = replace(order.settings, threads=self._needs["num_cpus"], workers=1, cluster=None)
        paths = [path for paths in settings.casting.identities(order.sources) for path in paths]
        self._assignment = Assignment(
            order=replace(order, settings=settings),
            place=Path.cwd(),
            inputs=tuple((path, fingerprint(path)) for path in dict.fromkeys([self._film, *paths])),
            probe=(self._folder.path / ".probe", secrets.token_hex()),
            software=software(),
            networks=networks,
        )
        self._workers: list[_Worker] = []
        self._shipment: list[list[Any]] = []
        self._again: list[Task] = []
        self._lost: Counter[int] = Counter()
        self._made: list[Path] = []
        self._frames = 0

    def run(self, tasks: Iterable[Task], report: Callable[[int], None]) -> None:
        """See `Workers`."""
        import ray

        waiting = iter(tasks)
        following = next(waiting, None)
        if following is not None and not self._workers:
            self._hire()
        self._lost.clear()
        self._frames = shown = 0
        patient = time.monotonic() + _PATIENCE
        while following is not None or self._again or any(worker.task for worker in self._workers):
            for worker in self._workers:
                if worker.ready and worker.task is None:
                    if self._again:
                        self._give(worker, self._again.pop())
                    elif following is not None:
                        self._give(worker, following)
                        following = next(waiting, None)
            calls = {worker.call: worker for worker in self._workers if worker.call is not None}
            done, _ = ray.wait(list(calls), num_returns=1, timeout=_LOOK)
            for call in done:
                self._take(calls[call])
            shown = max(shown, self._frames + self._under_way())
            report(shown)
            if any(worker.task for worker in self._workers):
                patient = time.monotonic() + _PATIENCE
            elif time.monotonic() > patient:
                raise OmoteError(
                    f"{self._folder.path}: no worker of the cluster is free or comes back (see: ray status); "
                    "what is finished is kept: go on with --resume"
                )
        self._require_seen()

    def _hire(self) -> None:
        import ray

        path, content = self._assignment.probe
        with AtomicFile(path) as file:
            file.path.write_text(content, "ascii")
        actors = ray.remote(concurrency_groups={"watch": 2})(Session)
        actors = actors.options(**self._needs, max_restarts=-1, max_task_retries=0)
        for _ in range(self._count):
            worker = _Worker(actors.remote(self._assignment))
            self._workers.append(worker)
            self._begin(worker)

    def _begin(self, worker: _Worker) -> None:
        """Have a new or restarted worker begin, as soon as Ray has found a place for it."""
        worker.ready, worker.task, worker.asked = False, None, None
        worker.call = worker.actor.begin.options(max_task_retries=-1).remote()

        def begun(sees: bool) -> None:
            if sees:
                worker.ready = True
            else:
                worker.call, worker.then = worker.actor.fetch.remote(self._shipped()), fetched

        def fetched(_: None) -> None:
            worker.ready = True

        worker.then = begun

    def _shipped(self) -> list[list[Any]]:
        """References to the parts of all inputs in the object store, from which each node takes them once."""
        import ray
        from ray.exceptions import RayError

        for path, _ in self._assignment.inputs[len(self._shipment) :]:
            try:
                with path.open("rb") as file:
                    self._shipment.append([ray.put(part) for part in iter(lambda: file.read(_PART), b"")])
            except RayError as error:
                raise OmoteError(
                    f"{path}: does not go through Ray's object store ({first_line(error)}); let every node "
                    "see it under this path"
                ) from None
        return self._shipment

    def _give(self, worker: _Worker, task: Task) -> None:
        worker.task, worker.frames, worker.asked = task, 0, None
        worker.call, worker.then = worker.actor.do.remote(task), None

    def _take(self, worker: _Worker) -> None:
        """Take the result of a worker's call, or see that it was lost."""
        import ray
        from ray.exceptions import ActorDiedError, RayError, RayTaskError

        call, then, task = worker.call, worker.then, worker.task
        worker.call = worker.then = worker.task = None
        try:
            result = ray.get(call)
            if then is not None:
                then(result)
            elif task is not None:
                self._accept(task, *result)
        except RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except ActorDiedError as error:  # for good: it cannot even be made
            raise self._blame(first_line(error)) from None
        except RayError:
            if task is not None:
                self._lose(task)
            self._begin(worker)

    def _lose(self, task: Task) -> None:
        self._lost[task.number] += 1
        if self._lost[task.number] == _TRIES:
            raise OmoteError(
                f"{self._film}: segment {task.number + 1} of {len(self._segments)} was lost {_TRIES} times "
                "with its worker (is there enough memory?); what is finished is kept: go on with --resume"
            )
        self._again.append(task)

    def _accept(self, task: Task, frames: int, content: bytes | None) -> None:
        path = finished(self._folder, task)
        if content is not None:
            file = AtomicFile(path)
            try:
                file.path.write_bytes(content)
                if whole(file.path) is None:  # damaged on the way
                    self._lose(task)
                    return
                file.commit()
            except OSError as error:
                raise InputError(f"{path}: cannot be written ({reason(error)})") from None
            finally:
                file.discard()
        self._made.append(path)
        self._frames += frames

    def _under_way(self) -> int:
        """Frames of unfinished tasks that have been worked on, as of the last answers."""
        import ray
        from ray.exceptions import RayError

        for worker in self._workers:
            if worker.task is None:
                continue
            if worker.asked is None:
                worker.asked = worker.actor.frames.options(concurrency_group="watch").remote()
            elif ray.wait([worker.asked], timeout=0)[0]:
                with contextlib.suppress(RayError):  # it was lost, which its call will say
                    worker.frames = ray.get(worker.asked)
                worker.asked = None
        return sum(worker.frames for worker in self._workers if worker.task is not None)

    def _require_seen(self) -> None:
        """Wait until all that was made is seen here, too."""
        until = time.monotonic() + _SEEN
        for path in self._made:
            while not path.exists():
                if time.monotonic() > until:
                    raise InputError(f"{path}: made by a worker, but not seen here; go on with --resume")
                time.sleep(_LOOK)
        self._made.clear()

    def _blame(self, why: str) -> OmoteError:
        """Say why workers cannot begin: a node may have another Omote, or none, and cannot say so itself."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        look = ray.remote(num_cpus=0)(_look())
        for node in _nodes():
            here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            with contextlib.suppress(ray.exceptions.RayError):
                name, versions = ray.get(look.options(scheduling_strategy=here).remote(), timeout=60)
                try:
                    require_same_software(self._assignment.software, versions, name)
                except InputError as error:
                    return error
        return InputError(f"the cluster cannot start workers ({why})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._workers:
            return
        import ray

        ready = [worker.actor for worker in self._workers if worker.ready]
        last = [actor.close.options(concurrency_group="watch").remote() for actor in ready]
        if last:
            ray.wait(last, num_returns=len(last), timeout=_FAREWELL)
        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers.clear()
        self._assignment.probe[0].unlink(missing_ok=True)


def _places(settings: SwapSettings) -> tuple[dict[str, int], int]:
    """What a worker needs, in Ray's words, and for how many the cluster has room.

    Raises:
        InputError: no node has room for one.
    """
    gpus = int(Device.parse(settings.device).memory is not None)  # those that Ray counts
    rooms = [
        (int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0))) for node in _nodes()
    ]
    fair = min((cpu // gpu for cpu, gpu in rooms if gpu), default=1) if gpus else 1
    threads = settings.threads or max(1, min(16, fair))
    count = sum(min(cpu // threads, gpu) if gpus else cpu // threads for cpu, gpu in rooms)
    if not count:
        wanted = f"{threads} processor{'s' * (threads > 1)}" + " and a GPU" * gpus
        raise InputError(f"--cluster {settings.cluster}: no node has {wanted} for a worker")
    return {"num_cpus": threads, "num_gpus": gpus}, count


def _nodes() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _look() -> Callable[[], tuple[str, dict[str, str]]]:
    """A function for a node that may have another Omote or none; being local, it travels by value."""

    def look() -> tuple[str, dict[str, str]]:
        import platform

        try:
            from omote.pipelines.job_description import software
        except ImportError:
            try:
                from omote import __version__
            except ImportError:
                return platform.node(), {}
            return platform.node(), {"omote": __version__}
        return platform.node(), software()

    return look
