"""Faces swapped in live pictures: a camera in, a browser, stream, file or virtual camera out.

Four threads: one captures, one detects, the caller's follows and swaps, one marks and puts out. Between
them lie slots of one place (`Slot`), so that the newest frame wins everywhere and nothing ever queues up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from omote.errors import RefusedError, UsageError
from omote.faces.face import Face
from omote.media.stamping import Stamp
from omote.pipelines.badge import add_badge
from omote.pipelines.choose import open_networks
from omote.pipelines.examination import Examination
from omote.pipelines.live_faces import Follower, Lookout
from omote.pipelines.live_people import Person, detectors
from omote.pipelines.live_quality import LADDER, Governor, Latencies
from omote.pipelines.live_record import Record
from omote.pipelines.live_settings import Controls, LiveSettings, LiveStatus
from omote.pipelines.live_sink import LiveOutput, live_info
from omote.pipelines.live_source import Camera, Clock, Pixels, Shot, Slot
from omote.pipelines.settings import SwapSettings
from omote.pipelines.swap import refuse_overwriting

_GOOD = 0.6
"""Share of the largest latency from which on quality steps down."""
_RATE = 25.0
"""Pictures a second that are enough; a faster camera need not be followed frame by frame."""
_PATIENCE = 0.05
"""Seconds after which a waiting thread looks at the keys again."""

Reporter = Callable[[LiveStatus], None]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A picture on its way out: as it was made, when it was captured, how many seconds the work took."""

    pixels: Pixels
    captured: float
    work: float


class Live:
    """Swaps faces in the pictures of one camera.

    Args:
        camera: gives pictures.
        people: whose faces can be given; the controls choose.
        lookout: finds faces now and then; it is closed at the end.
        follower: knows them in between.
        output: takes the pictures, marked; closing it is the caller's business.
        stamp: marks every picture; None if they are too small.
        settings: bound of the latency, and mirroring.
        controls: what the user wants just now.
        clock: seconds; the same as the camera's.
    """

    def __init__(
        self,
        camera: Camera,
        people: Sequence[Person],
        lookout: Lookout,
        follower: Follower,
        output: LiveOutput,
        stamp: Stamp | None,
        settings: LiveSettings,
        controls: Controls,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._camera, self._people, self._output, self._stamp = camera, people, output, stamp
        self._lookout, self._follower = lookout, follower
        self._controls, self._clock, self._mirror = controls, clock, settings.mirror
        self._longest = settings.max_latency / 1000
        self._governor = Governor(_GOOD * self._longest, 1 / min(camera.rate, _RATE))
        self._lock = threading.Lock()
        self._latencies = Latencies()
        self._shots: Slot[Shot] = Slot()
        self._made: Slot[Made] = Slot()
        self._captured = self._shown = self._late = self._swapped = self._turn = 0
        self._first: float | None = None
        self._error: BaseException | None = None
        self._began = clock()

    def make(self, shot: Shot) -> Made | None:
        """Swap the faces of a picture; None if it is too old already."""
        began = self._clock()
        if began - shot.captured > self._longest:
            self._drop(shot.captured, 0.0)
            return None
        if (news := self._lookout.news()) is not None:
            self._follower.noticed(news)
        number = self._governor.level
        level = LADDER[number]
        self._lookout.offer(shot, number)
        looks = self._turn % level.mesh_every == 0
        self._turn += 1
        faces = self._follower.follow(shot.pixels, shot.captured, look=looks)
        pixels = shot.pixels
        if self._controls.swap:
            person = self._people[self._controls.source % len(self._people)]
            pixels = person.swap(pixels, faces, level, self._controls.mask)
            self._swapped += len(faces)
        return Made(pixels, shot.captured, self._clock() - began)

    def show(self, made: Made) -> None:
        """Mark a picture and put it out, unless it is too old."""
        if self._clock() - made.captured > self._longest:
            self._drop(made.captured, made.work)
            return
        pixels = made.pixels.copy()  # the camera's own picture, where nothing was swapped
        add_badge(pixels)
        if self._stamp is not None:
            pixels = self._stamp.mark(pixels)
        self._first = made.captured if self._first is None else self._first
        self._output.show(pixels, made.captured - self._first)
        latency = self._clock() - made.captured
        with self._lock:
            self._shown += 1
            self._latencies.add(latency)
            self._governor.frame(latency, made.work)

    def run(self, report: Reporter = lambda status: None) -> LiveStatus:
        """Go on until the camera ends or the user quits; returns the figures of the whole.

        Args:
            report: called about once a second.

        Raises:
            InputError: the camera or an output broke off.
            RefusedError: the safety gate refuses what the camera shows.
        """
        threads = [
            threading.Thread(target=self._guarded, args=(work, slot), name=name, daemon=True)
            for work, slot, name in (
                (self._capture, self._shots, "omote-capture"),
                (self._show_all, self._made, "omote-output"),
            )
        ]
        self._began = self._clock()
        for thread in threads:
            thread.start()
        told, shown = self._began, 0
        try:
            while not self._shots.ended and self._error is None and self._controls.poll():
                shot = self._shots.take(_PATIENCE)
                made = None if shot is None else self.make(shot)
                if made is not None:
                    self._made.put(made)
                if (now := self._clock()) - told >= 1:
                    report(self.status((self._shown - shown) / (now - told)))
                    told, shown = now, self._shown
        finally:
            self._camera.stop()
            self._made.close()
            self._lookout.close()
            for thread in threads:
                thread.join()
        if self._error is not None:
            raise self._error
        return self.status()

    def status(self, rate: float | None = None) -> LiveStatus:
        """The figures so far; `rate` is that of the last second, of the whole unless given."""
        seconds = max(self._clock() - self._began, 1e-9)
        with self._lock:
            return LiveStatus(
                rate=self._shown / seconds if rate is None else rate,
                median=self._latencies.quantile(0.5),
                high=self._latencies.quantile(0.95),
                level=self._governor.level,
                captured=self._captured,
                shown=self._shown,
                missed=self._shots.missed + self._made.missed,
                late=self._late,
                swapped=self._swapped,
                seconds=seconds,
            )

    def _drop(self, captured: float, work: float) -> None:
        with self._lock:
            self._late += 1
            self._governor.frame(self._clock() - captured, work)

    def _capture(self) -> None:
        for shot in self._camera.shots():
            self._captured += 1
            self._shots.put(replace(shot, pixels=shot.pixels[:, ::-1].copy()) if self._mirror else shot)

    def _show_all(self) -> None:
        while (made := self._made.take()) is not None:
            self.show(made)

    def _guarded(self, work: Callable[[], None], slot: Slot[Shot] | Slot[Made]) -> None:
        """What a thread does; its error is raised again in `run`."""
        try:
            work()
        except BaseException as error:
            self._error = error
        finally:
            slot.close()


def swap_live(
    people: Sequence[Sequence[str]],
    settings: SwapSettings,
    live: LiveSettings,
    controls: Controls | None = None,
    report: Reporter = lambda status: None,
    started: Callable[[str], None] = lambda where: None,
) -> LiveStatus:
    """Put faces into the pictures of a camera until it ends or the user quits.

    The job is logged at its end, also after Ctrl-C or an error; a file is finished and signed then.

    Args:
        people: photos of each person whose face can be given.
        settings: of the swap; those of films as files have no meaning here.
        live: camera, outputs, latency.
        controls: what the user wants while it runs.
        report: called about once a second.
        started: called with the address that a browser needs, or nothing, when the camera runs.

    Raises:
        UsageError: an option makes no sense, or an output is not to be had.
        InputError: a photo or the camera cannot be read, or an output cannot be written.
        NoFaceError: no face in a photo.
        ModelError: a network is not on this machine, or does not meet its contract.
        RefusedError: no right to the face is stated, it does not hold, or the safety gate refuses.
    """
    if settings.casting:
        raise UsageError("--map, --only and --except are for films as files: leave them out")
    photos = live.photos(people)
    if live.file is not None:
        refuse_overwriting([path for group in photos for path in group], live.file)
        refuse_overwriting([live.camera_path], live.file)
    examination = Examination(settings, None)
    networks = open_networks(settings, 2)  # one thread detects, one follows and swaps
    chosen = [Person(group, settings, networks, examination.source) for group in photos]
    looking = detectors(settings, networks)
    first = chosen[0].full
    camera = live.open_camera(settings.max_pixels)
    try:
        size = (camera.width, camera.height)
        provenance = examination.permit(live.place, live_info(size, camera.rate))
        record = Record(provenance, examination, first)
        outputs = live.open_outputs(size, camera.rate, record.publish)
    except BaseException:
        camera.stop()
        raise
    watch = examination.watch()

    def look(shot: Shot, level: int) -> list[Face]:
        watch(shot.pixels, shot.captured)
        return looking[level].find(shot.pixels)

    try:
        follower = Follower(first.finder.mesh, first.selection)
        started(outputs.url)
        engine = Live(
            camera,
            chosen,
            Lookout(look),
            follower,
            outputs,
            provenance.stamp,
            live,
            controls or Controls(),
        )
        status = engine.run(report)
    except RefusedError:
        outputs.abort()
        raise
    except BaseException:
        _finish(outputs, record)  # what was shown was shown: the file is whole, and the log knows
        raise
    _finish(outputs, record)
    return status


def _finish(outputs: LiveOutput, record: Record) -> None:
    try:
        outputs.close()
    finally:
        record.log()
