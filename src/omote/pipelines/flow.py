"""Stages joined by bounded queues: work runs ahead, results keep their order, memory stays flat."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class _End:
    """What a producer leaves in its queue when it has finished, with the error that ended it, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(items: Iterable[A], depth: int) -> Generator[A, None, None]:
    """Pull items in a thread of their own, at most `depth` ahead of the consumer."""
    waiting: queue.Queue[A | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def offer(item: A | _End) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                offer(item)
                if stopped.is_set():
                    return
        except BaseException as error:  # handed to the consumer
            offer(_End(error))
        else:
            offer(_End())

    thread = threading.Thread(target=produce, name="omote-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        thread.join()


def ordered_map(
    work: Callable[[A], B], items: Iterable[A], executor: Executor, depth: int
) -> Generator[B, None, None]:
    """Apply `work` in the executor; results come in the order of the items, at most `depth` in flight."""
    pending: deque[Future[B]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(work, item))
            if len(pending) >= depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


class Sink(Generic[A]):
    """Consume items in a thread of its own, at most `depth` behind the producer.

    Use as a context manager: leaving it waits until all items are consumed and raises what went wrong.
    """

    def __init__(self, consume: Callable[[A], None], depth: int) -> None:
        self._consume = consume
        self._waiting: queue.Queue[A | _End] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="omote-sink", daemon=True)

    def put(self, item: A) -> None:
        """Hand over an item; blocks while `depth` items wait."""
        while self._error is None:
            try:
                self._waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
        raise self._error

    def __enter__(self) -> "Sink[A]":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # Whatever still waits is of no use any more.
            self._error = self._error or RuntimeError("abandoned")
        else:
            while self._thread.is_alive() and self._error is None:
                try:
                    self._waiting.put(_End(), timeout=0.1)
                    break
                except queue.Full:
                    continue
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        while self._error is None:
            try:
                item = self._waiting.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                return
            try:
                self._consume(item)
            except BaseException as error:  # raised again where the items come from
                self._error = error
