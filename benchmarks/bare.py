"""The bare networks of a frame: the calls that it makes, recorded, to be repeated with nothing in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omote.media import VideoReader
from omote.pipelines import Job
from omote.zoo import Session

Call = tuple[Session, tuple[Any, ...]]


def calls_of_a_frame(film: Path, job: Job) -> list[Call]:
    """What finding and swapping the first frame of a film asks of its networks."""
    with VideoReader(film) as reader:
        pixels = next(iter(reader)).pixels
    with recorded() as calls:
        job.swap(pixels, job.find(pixels))
    return calls


def repeat(calls: list[Call], frames: int) -> None:
    """Make the calls of so many frames."""
    for _ in range(frames):
        for session, inputs in calls:
            session.run_batch(*inputs)


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Note every call to a network inside the `with` block."""
    calls: list[Call] = []
    originals = {name: getattr(Session, name) for name in ("run", "run_batch")}

    def noting(original: Any) -> Any:
        def call(session: Session, *inputs: Any) -> Any:
            calls.append((session, inputs))
            return original(session, *inputs)

        return call

    for name, original in originals.items():
        setattr(Session, name, noting(original))
    try:
        yield calls
    finally:
        for name, original in originals.items():
            setattr(Session, name, original)
