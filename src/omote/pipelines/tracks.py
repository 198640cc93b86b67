"""Faces of a film along their tracks: joined, short gaps filled, ends faded."""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from omote.faces.boxes import overlaps
from omote.faces.face import Face
from omote.faces.tracking import REMEMBERED, Tracker
from omote.pipelines.cuts import Moment

Item = TypeVar("Item")
Track = Generator[tuple[Item, Moment], None, None]

FADE = 3
"""Frames over which a face comes and goes that is not there from cut to cut."""
_COVERED = 0.3
"""Overlap with another face at which a missing face is taken to be behind it."""


def tracked(items: Iterable[tuple[Item, Moment]]) -> Track[Item]:
    """Number the faces; see `Tracker`."""
    tracker = Tracker()
    for item, moment in items:
        yield item, Moment(tracker.update(moment.faces, cut=moment.cut), moment.cut)


def filled(items: Iterable[tuple[Item, Moment]]) -> Track[Item]:
    """Put faces into the gaps of their tracks, between the last and the next that was seen.

    A face that is missing while another one is in its place stays missing: it is behind the other. Items are
    held back by as many frames as a gap may have.
    """
    window: deque[tuple[Item, Moment]] = deque()
    for item, moment in items:
        if moment.cut:
            yield from window
            window.clear()
        for face in moment.faces:
            _fill(window, face)
        window.append((item, moment))
        if len(window) > REMEMBERED + 1:
            yield window.popleft()
    yield from window


def _fill(window: Sequence[tuple[object, Moment]], face: Face) -> None:
    for gap in range(len(window)):
        before = next((old for old in window[-1 - gap][1].faces if old.track == face.track), None)
        if before is None:
            continue
        for step in range(1, gap + 1):
            made = _between(before, face, step / (gap + 1))
            faces = window[-1 - gap + step][1].faces
            if not any(overlaps(made.box, other.box[None])[0][0] > _COVERED for other in faces):
                faces.append(made)
        return


def _between(before: Face, after: Face, part: float) -> Face:
    """The face at a part of the way from one to the other."""
    fields: dict[str, Any] = {"score": min(before.score, after.score), "embedding": None}
    for name in ("box", "points", "mesh", "landmarks", "pose"):
        old, new = getattr(before, name), getattr(after, name)
        if old is None or new is None:
            fields[name] = None
            continue
        mixed = (1 - part) * np.asarray(old, np.float64) + part * np.asarray(new, np.float64)
        fields[name] = tuple(map(float, mixed)) if name == "pose" else mixed
    return replace(before, **fields)


def opacities(
    items: Iterable[tuple[Item, Moment]],
) -> Generator[tuple[Item, Moment, list[float]], None, None]:
    """Say how opaque each face of a frame is: less at the beginning and end of a track, so that none pops.

    Where a track begins or ends with the shot nothing fades. Items are held back by `FADE` frames.
    """
    window: deque[tuple[Item, Moment]] = deque()
    ages: dict[int | None, int] = {}

    def judged() -> tuple[Item, Moment, list[float]]:
        nonlocal ages
        item, moment = window.popleft()
        first = FADE + 1 if moment.cut else 1
        ages = {face.track: min(ages.get(face.track, first - 1) + 1, FADE + 1) for face in moment.faces}
        steps = [min(ages[face.track], _left(window, face.track)) for face in moment.faces]
        return item, moment, [step / (FADE + 1) for step in steps]

    for item, moment in items:
        window.append((item, moment))
        if len(window) > FADE + 1:
            yield judged()
    while window:
        yield judged()


def _left(window: Iterable[tuple[object, Moment]], track: int | None) -> int:
    """In how many frames, from 1, the track ends; `FADE` + 1 if it does not, or ends with the shot."""
    for number, (_, moment) in enumerate(window, 1):
        if moment.cut:
            break
        if all(face.track != track for face in moment.faces):
            return number
    return FADE + 1
