"""Batches: which inputs have rows, in what pieces they run, and how callers that wait are joined."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Execute = Callable[[Sequence[Array]], list[Array]]
Shape = tuple[int | str | None, ...]
"""Sizes of the axes; a name or None where the graph leaves an axis open."""

_PIECE_BYTES = 256 * 1024


def has_rows(shape: Shape) -> bool:
    """Whether the first axis of an input counts rows: it is open, or fixed at 1 with other axes behind it.

    Inputs like CodeFormer's weight, shape (1,), are the same for all rows.
    """
    return bool(shape) and (not isinstance(shape[0], int) or (shape[0] == 1 and len(shape) > 1))


def cpu_rows(inputs: Sequence[Array], rowed: Sequence[bool]) -> int:
    """How many rows the CPU should be given at once.

    A batch saves the cost of a call and, in fully connected layers, loads the weights once; but its
    activations leave the cache sooner. So the inputs of a piece fill a quarter of a usual second-level
    cache at most, and larger crops run one by one (`benchmarks/runtime.py` has the figures).
    """
    row = sum(value[:1].nbytes for value, rows in zip(inputs, rowed, strict=True) if rows)
    return max(1, _PIECE_BYTES // max(row, 1))


class Pieces:
    """Runs batches in pieces, smaller ones when memory does not suffice.

    Args:
        execute: runs the network once.
        rowed: for every input whether it has rows.
        size: most rows in a piece for given inputs.
    """

    def __init__(
        self, execute: Execute, rowed: Sequence[bool], size: Callable[[Sequence[Array]], int]
    ) -> None:
        self._execute, self._rowed, self._size = execute, rowed, size
        self._most: int | None = None

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run a batch. Outputs of the pieces are joined along their first axis.

        What `execute` raises is passed on, unless a smaller piece may have the memory that was wanting.
        """
        rows = rows_of(inputs, self._rowed)
        joined = _Joined(rows)
        done = 0
        while done < rows or not joined.begun:
            left = rows - done
            limit = min(self._size(inputs), self._most or rows, left)
            size = math.ceil(left / math.ceil(left / limit)) if limit else 0  # few different shapes
            try:
                joined.add(done, size, self._execute(cut(inputs, self._rowed, done, done + size)))
            except Exception as error:  # ONNX Runtime raises its own unrelated classes
                if size <= 1 or not out_of_memory(error):
                    raise
                self._most = size // 2
                continue
            done += size
        return joined.outputs()


class _Joined:
    """Outputs of pieces, put together while each is still in the cache.

    Joining 8 outputs of 3 MB in the end costs 16 ms, mostly for fresh memory; putting them in place 1.3 ms.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._whole: list[Array] | None = None
        self._parts: list[list[Array]] = []

    @property
    def begun(self) -> bool:
        return self._whole is not None or bool(self._parts)

    def add(self, start: int, size: int, piece: list[Array]) -> None:
        if not self.begun and size < self._rows and all(value.shape[:1] == (size,) for value in piece):
            self._whole = [np.empty((self._rows, *value.shape[1:]), value.dtype) for value in piece]
        if self._whole is not None:
            pairs = list(zip(self._whole, piece, strict=True))
            if all(value.shape == (size, *whole.shape[1:]) for whole, value in pairs):
                for whole, value in pairs:
                    whole[start : start + size] = value
                return
            # A network that gives as many rows as it finds.
            self._parts, self._whole = [[whole[:start] for whole in self._whole]], None
        self._parts.append(piece)

    def outputs(self) -> list[Array]:
        if self._whole is not None:
            return self._whole
        if len(self._parts) == 1:
            return self._parts[0]
        return [np.concatenate(values) for values in zip(*self._parts, strict=True)]


def rows_of(inputs: Sequence[Array], rowed: Sequence[bool]) -> int:
    """How many rows a batch has.

    Raises:
        ValueError: the inputs disagree.
    """
    counts = {len(value) for value, rows in zip(inputs, rowed, strict=True) if rows}
    if len(counts) > 1:
        raise ValueError(f"inputs have different numbers of rows: {sorted(counts)}")
    return counts.pop() if counts else 1


def cut(inputs: Sequence[Array], rowed: Sequence[bool], start: int, end: int) -> list[Array]:
    """Some rows of a batch."""
    return [value[start:end] if rows else value for value, rows in zip(inputs, rowed, strict=True)]


_MEMORY = (
    "out of memory",
    "failed to allocate memory",
    "is smaller than requested bytes",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
    "8007000e",
)
"""What CUDA, cuDNN and cuBLAS, ONNX Runtime's arena, C++ and DirectML say."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of ONNX Runtime means that memory did not suffice."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(mark in text for mark in _MEMORY)


@dataclass(eq=False, slots=True)
class _Request:
    """What one caller waits for."""

    inputs: list[Array]
    rows: int
    kind: tuple[Any, ...]
    outputs: list[Array] | None = None
    error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.outputs is not None or self.error is not None


@dataclass(slots=True)
class Merger:
    """Joins the calls of several threads that wait for one device.

    Whoever finds the device free takes all waiting calls whose inputs have the same shapes, up to a limit,
    runs them as one batch, and hands each caller its rows. Nobody waits for calls that might come: a single
    caller runs at once.

    Attributes:
        execute: runs a batch; called by one thread at a time.
        rowed: for every input whether it has rows; the others must be equal for calls to be joined.
        limit: most rows in a batch; with 1, calls take turns.
    """

    execute: Execute
    rowed: Sequence[bool]
    limit: int
    _state: threading.Condition = field(default_factory=threading.Condition, init=False)
    _waiting: list[_Request] = field(default_factory=list, init=False)
    _busy: bool = field(default=False, init=False)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run a network on the inputs of one caller; blocks until its rows are done."""
        rows = rows_of(inputs, self.rowed) if self.limit > 1 else 1
        request = _Request(list(inputs), rows, self._kind(inputs))
        with self._state:
            self._waiting.append(request)
        while not request.done:
            group = self._lead(request)
            try:
                self._serve(group)
            finally:
                self._leave(group, request)
        if request.error is not None:
            raise request.error
        assert request.outputs is not None
        return request.outputs

    def _kind(self, inputs: Sequence[Array]) -> tuple[Any, ...]:
        """Calls of the same kind can be joined."""
        return tuple(
            (value.dtype.str, value.shape[1:]) if rows else (value.dtype.str, value.shape, value.tobytes())
            for value, rows in zip(inputs, self.rowed, strict=True)
        )

    def _lead(self, request: _Request) -> list[_Request]:
        """Wait until the device is free; return the calls to serve, none if the own one is done by then."""
        with self._state:
            try:
                while self._busy and not request.done:
                    self._state.wait()
            except BaseException:  # Ctrl-C: nobody shall compute what nobody fetches
                if request in self._waiting:
                    self._waiting.remove(request)
                raise
            if request.done:
                return []
            self._busy = True
            # The oldest call decides which kind is served, so none waits for ever.
            first = self._waiting[0]
            group, rows = [first], first.rows
            for other in self._waiting[1:]:
                if other.kind == first.kind and rows + other.rows <= self.limit:
                    group.append(other)
                    rows += other.rows
            self._waiting = [other for other in self._waiting if other not in group]
            return group

    def _serve(self, group: Sequence[_Request]) -> None:
        if not group:
            return
        try:
            joined = [
                np.concatenate(values) if rows and len(group) > 1 else values[0]
                for rows, *values in zip(self.rowed, *(request.inputs for request in group), strict=True)
            ]
            outputs = self.execute(joined)
        except Exception as error:
            if len(group) == 1:
                group[0].error = error
                return
            outputs = []
        if len(group) == 1:
            group[0].outputs = outputs
        elif outputs and all(len(value) == sum(request.rows for request in group) for value in outputs):
            start = 0
            for request in group:
                request.outputs = [value[start : start + request.rows] for value in outputs]
                start += request.rows
        else:  # each alone, so that only the guilty one fails
            for request in group:
                self._serve([request])

    def _leave(self, group: Sequence[_Request], own: _Request) -> None:
        if not group:
            return
        with self._state:
            # After Ctrl-C in the leader the others are still to be served, by one of themselves.
            self._waiting[:0] = [request for request in group if not request.done and request is not own]
            self._busy = False
            self._state.notify_all()
