"""Stages with bounded queues: order, back-pressure, errors, abandonment."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from omote.pipelines.flow import Sink, ordered_map, prefetch


class Counter:
    """Counts how far a producer has run ahead."""

    def __init__(self, count: int) -> None:
        self.made = 0
        self.count = count
        self.closed = False

    def __iter__(self):
        try:
            for number in range(self.count):
                self.made += 1
                yield number
        finally:
            self.closed = True


def alive() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("omote-")}


def test_prefetch_keeps_order_and_stays_near():
    source = Counter(50)
    seen = []
    for number in prefetch(source, depth=3):
        time.sleep(0.001)
        seen.append(number)
        assert source.made <= number + 6
    assert seen == list(range(50))


def test_prefetch_hands_errors_over_and_ends_when_abandoned():
    def broken():
        yield 1
        raise OSError("torn")

    items = prefetch(broken(), depth=2)
    assert next(items) == 1
    with pytest.raises(OSError, match="torn"):
        next(items)

    endless = prefetch(iter(int, 1), depth=2)
    next(endless)
    endless.close()
    assert "omote-prefetch" not in alive()


def test_ordered_map_keeps_order_whatever_finishes_first():
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    source = Counter(40)
    with ThreadPoolExecutor(3) as executor:
        results = []
        for value in ordered_map(work, source, executor, depth=4):
            results.append(value)
            assert source.made <= len(results) + 4
    assert results == [number * number for number in range(40)]


def test_ordered_map_raises_what_the_work_raises():
    def work(number: int) -> int:
        if number == 5:
            raise ValueError("five")
        return number

    with ThreadPoolExecutor(2) as executor, pytest.raises(ValueError, match="five"):
        list(ordered_map(work, range(100), executor, depth=4))


def test_sink_consumes_everything_in_order_and_never_falls_far_behind():
    done: list[int] = []

    def consume(number: int) -> None:
        time.sleep(0.002)
        done.append(number)

    with Sink(consume, depth=2) as sink:
        for number in range(30):
            sink.put(number)
            assert number - len(done) <= 4
    assert done == list(range(30))
    assert "omote-sink" not in alive()


def test_sink_raises_what_its_consumer_raises():
    def consume(number: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Sink(consume, depth=1) as sink:
        for number in range(1000):
            sink.put(number)


def test_sink_gives_up_when_the_producer_fails():
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), Sink(done.append, depth=1) as sink:
        sink.put(1)
        raise KeyboardInterrupt
    assert "omote-sink" not in alive()
