"""Where the faces are in live pictures: a detector now and then, the mesh network in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from omote.faces.face import Array, Face
from omote.faces.mesh import mesh_points
from omote.faces.one_euro import OneEuro
from omote.faces.pose import head_pose
from omote.faces.protocols import Landmarker
from omote.faces.select import Selection
from omote.faces.tracking import Tracker
from omote.pipelines.live_source import Pixels, Shot, Slot

PRESENCE = 0.3
"""A face whose mesh network is less sure than this is lost."""
_UNSEEN = 3
"""A face that the detector does not find so many times in a row is none, whatever the mesh network says."""
_CLEARLY = 1.5
"""How many times the area of the largest face another must have to take its place."""
_FARTHEST = 0.1
"""Seconds over which a movement is extrapolated at most."""
_CUTOFF, _BETA = 1.5, 10.0
"""Of the One-Euro filter: hertz, and hertz for each eye distance a second."""


class Lookout:
    """Looks at the newest picture in a thread of its own, at its own pace.

    Args:
        look: finds the faces of a picture; its second argument is what `offer` was given.
        threaded: False looks in `offer` itself, which makes the result depend on nothing but the pictures.
    """

    def __init__(self, look: Callable[[Shot, int], list[Face]], *, threaded: bool = True) -> None:
        self._look = look
        self._waiting: Slot[tuple[Shot, int]] = Slot()
        self._found: Slot[list[Face]] = Slot()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="omote-detect", daemon=True)
        self._threaded = threaded
        if threaded:
            self._thread.start()

    def offer(self, shot: Shot, level: int) -> None:
        """Show it a picture, which it looks at if there is no newer one when it has the time."""
        if self._threaded:
            self._waiting.put((shot, level))
        else:
            self._found.put(self._look(shot, level))

    def news(self) -> list[Face] | None:
        """What was found since the last call; None if nothing was looked at. Raises what the look raised."""
        if self._error is not None:
            raise self._error
        return self._found.take(0)

    def close(self) -> None:
        """End the thread."""
        self._waiting.close()
        if self._threaded:
            self._thread.join()

    def _run(self) -> None:
        try:
            while (waiting := self._waiting.take()) is not None:
                self._found.put(self._look(*waiting))
        except BaseException as error:  # handed over to the thread that asks for news
            self._error = error


@dataclass
class _Known:
    face: Face
    time: float
    smooth: OneEuro
    velocity: Array
    unseen: int = 0

    def at(self, time: float) -> Face:
        """The face where its movement has led by now."""
        assert self.face.mesh is not None
        ahead = min(max(time - self.time, 0.0), _FARTHEST)
        mesh = self.face.mesh.copy()
        mesh[:, :2] += self.velocity * ahead
        return _with_mesh(self.face, mesh)


class Follower:
    """Knows the faces from picture to picture, each with a smoothed mesh. For one thread.

    Args:
        mesh: finds the mesh where a face is expected.
        selection: which faces are meant.
    """

    def __init__(self, mesh: Landmarker, selection: Selection) -> None:
        self._mesh, self._selection = mesh, selection
        self._tracker = Tracker()
        self._known: dict[int, _Known] = {}
        self._new: list[Face] = []

    def noticed(self, faces: Sequence[Face]) -> None:
        """Take what the detector found, in a picture that may be a little older than the last."""
        by_place = self._selection.rule not in ("all", "largest")
        meant = self._selection.pick(faces) if by_place else faces
        for number, known in list(self._known.items()):
            known.unseen = 0 if any(_near(known.face, face) for face in meant) else known.unseen + 1
            if known.unseen >= _UNSEEN:
                del self._known[number]
        self._new = [face for face in meant if not any(_near(k.face, face) for k in self._known.values())]
        if by_place and self._new:  # another one stands at the place that counts
            self._known.clear()

    def follow(self, pixels: Pixels, time: float, *, look: bool = True) -> list[Face]:
        """The faces of the next picture that are meant, each with mesh, pose and track.

        Args:
            pixels: (H, W, 3) RGB uint8.
            time: of its capture, in seconds.
            look: False lets known faces move on without looking.
        """
        expected = [known.at(time) for known in self._known.values()]
        if not look and not self._new:
            return expected
        found = self._tracker.update(self._verified(pixels, expected))
        self._new = []
        self._known = {known.face.track or 0: known for known in (self._learnt(face, time) for face in found)}
        return [known.face for known in self._known.values()]

    def _verified(self, pixels: Pixels, expected: list[Face]) -> list[Face]:
        """The known and new faces that are meant and are faces; the largest stays so until another is."""
        if self._selection.rule != "largest":
            return self._refined(pixels, [*expected, *self._new])
        least = _CLEARLY * max((face.area for face in expected), default=0.0)
        rivals = sorted((face for face in self._new if face.area > least), key=lambda face: -face.area)
        for face in [*rivals, *expected]:
            if sure := self._refined(pixels, [face]):
                return sure
        return []

    def _refined(self, pixels: Pixels, faces: list[Face]) -> list[Face]:
        return [
            _with_mesh(face, face.mesh)
            for face in self._mesh.refine(pixels, faces)
            if face.mesh is not None and (face.presence is None or face.presence >= PRESENCE)
        ]

    def _learnt(self, face: Face, time: float) -> _Known:
        assert face.mesh is not None
        known = self._known.get(-1 if face.track is None else face.track)
        if known is None:
            smooth = OneEuro(_CUTOFF, _BETA / max(face.eye_distance, 1.0))
            smooth(face.mesh, time)
            return _Known(face, time, smooth, np.zeros(2, np.float32))
        assert known.face.mesh is not None
        mesh = known.smooth(face.mesh, time).astype(np.float32)
        if time > known.time:
            moved = (mesh - known.face.mesh)[:, :2].mean(0) / (time - known.time)
            known.velocity = np.asarray((known.velocity + moved) / 2, np.float32)
        known.face, known.time = _with_mesh(face, mesh), time
        return known


def _with_mesh(face: Face, mesh: npt.NDArray[np.float32]) -> Face:
    box = np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)])
    return replace(face, mesh=mesh, points=mesh_points(mesh), pose=head_pose(mesh), box=box)


def _near(one: Face, other: Face) -> bool:
    """Whether two boxes are about the same place, though the head may have moved meanwhile."""
    apart = (one.box[:2] + one.box[2:] - other.box[:2] - other.box[2:]) / 2
    side = float(np.sqrt(max(one.area, other.area, 1.0)))
    return float(np.linalg.norm(apart)) < 0.7 * side
