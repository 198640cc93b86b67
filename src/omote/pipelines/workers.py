"""Who does the tasks of a film: this process, or several that share them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, Self

from omote.errors import OmoteError
from omote.pipelines.job import Job
from omote.pipelines.segments import FilmOrder, SegmentWork, Task, Tick

_PAUSE = 0.2
"""Seconds between two looks at how far the workers are."""


class Workers(AbstractContextManager["Workers"], Protocol):
    """Does tasks with warm networks."""

    def run(self, tasks: Iterable[Task], report: Callable[[int], None]) -> None:
        """Do all tasks; they are asked for one by one, a few ahead, so that they may be made on the way.

        Args:
            tasks: in the order in which they are begun.
            report: called now and then with how many frames have been worked on.
        """


class ThisProcess:
    """Does one task after the other, here."""

    def __init__(self, order: FilmOrder, job: Job) -> None:
        self._work = SegmentWork(order, job)

    def run(self, tasks: Iterable[Task], report: Callable[[int], None]) -> None:
        """See `Workers`."""
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            report(done)

        for task in tasks:
            self._work.do(task, tick)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._work.close()


class Processes:
    """Does as many tasks at a time as there are processes, each with networks of its own.

    Raises OmoteError if a process dies, whatever a task raises otherwise.
    """

    def __init__(self, order: FilmOrder) -> None:
        context = multiprocessing.get_context("spawn")  # sessions do not survive a fork
        self._count = order.settings.workers or 1
        self._folder = order.folder.path
        self._frames: Any = context.Value("Q", 0)
        self._stop: Any = context.Event()
        self._pool = ProcessPoolExecutor(
            self._count, context, _begin, (order, self._frames, self._stop, os.getpid())
        )

    def run(self, tasks: Iterable[Task], report: Callable[[int], None]) -> None:
        """See `Workers`."""
        before = self._frames.value
        pending: set[Future[None]] = set()
        waiting = iter(tasks)
        try:
            while True:
                pending |= set(self._submit(waiting, self._count + 1 - len(pending)))
                if not pending:
                    return
                done, pending = wait(pending, _PAUSE, FIRST_COMPLETED)
                for future in done:
                    future.result()
                report(self._frames.value - before)
        except BrokenProcessPool:
            raise OmoteError(
                f"{self._folder}: a worker process died (is there enough memory?); go on with --resume and "
                "fewer --workers"
            ) from None

    def _submit(self, tasks: Iterator[Task], count: int) -> Iterator[Future[None]]:
        for _, task in zip(range(count), tasks, strict=False):
            with _deaf_to_interrupts():
                future = self._pool.submit(_do, task)
            yield future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started here never see Ctrl-C; the parent does, a little later, and stops them."""
    with _interrupts_later():
        if sys.platform == "win32":
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Put off a Ctrl-C: another thread may take the signal that this one blocks, and this one be told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
        if came:
            signal.raise_signal(signal.SIGINT)


class _Stopped(Exception):
    """The job was given up."""


class _Here:
    """What a worker process keeps between tasks."""

    order: FilmOrder
    tick: Tick
    work: SegmentWork | None = None


def _begin(order: FilmOrder, frames: Any, stop: Any, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for systems on which a process cannot be born deaf
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()

    def tick() -> None:
        with frames.get_lock():
            frames.value += 1
        if stop.is_set():
            raise _Stopped

    _Here.order, _Here.tick = order, staticmethod(tick)


def _die_with(parent: int) -> None:
    """End this process when its parent is gone, killed perhaps: nobody waits for the work any more."""
    starter = multiprocessing.parent_process()
    if starter is not None and starter.pid == parent:
        starter.join()
    os._exit(1)


def _do(task: Task) -> None:
    if _Here.work is None:
        order = _Here.order
        _Here.work = SegmentWork(order, Job(order.sources, order.settings))
    _Here.work.do(task, _Here.tick)
